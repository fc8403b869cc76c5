import { fork } from 'node:child_process';
import { childEnvironment } from '../child-environment.ts';
import type { MeasureOrder, MeasureReply } from './measure.model.ts';

// How much longer than it was told to look the child may take: start, connection, first keyframe.
const graceMs = 8000;

/** Looks at a stream for up to `forMs` milliseconds in a process of its own. Never throws; ends with the signal. */
export function measureStream(order: MeasureOrder, signal?: AbortSignal): Promise<MeasureReply> {
  return new Promise((resolve) => {
    const child = fork(new URL('measure.child.ts', import.meta.url), {
      serialization: 'advanced',
      stdio: 'ignore',
      execArgv: [],
      env: childEnvironment(process.env),
    });
    const done = (reply: MeasureReply) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
      child.removeAllListeners();
      child.kill('SIGKILL');
      resolve(reply);
    };
    const stop = () => done({ ok: false, detail: 'it was stopped' });
    const timer = setTimeout(
      () => done({ ok: false, cause: 'RTSP_SILENT', detail: 'no picture came in time' }),
      order.forMs + graceMs,
    );
    child.once('message', (reply: MeasureReply) => done(reply));
    child.once('error', () => done({ ok: false, detail: 'the process that measures could not start' }));
    child.once('exit', () =>
      done({ ok: false, cause: 'DECODER_DIED', detail: 'the decoder died of what the camera sent' }),
    );
    if (signal?.aborted === true) return stop();
    signal?.addEventListener('abort', stop, { once: true });
    child.send(order);
  });
}
