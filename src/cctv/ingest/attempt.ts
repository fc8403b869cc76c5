import { lookup } from 'node:dns/promises';
import { AVERROR_EOF, AVERROR_INVALIDDATA } from 'node-av/constants';
import type { Clock } from '#kernel/driver.ts';
import type { Cause } from '../model.ts';
import type { Status } from './outage.rules.ts';
import { causeOf, Source } from './source.ts';

/** Asks a camera what it has at an address, to learn why it does not play. `describeRtsp` is one. */
export type Describe = (
  url: string,
  options: { readonly timeoutMs: number; readonly play?: boolean; readonly signal?: AbortSignal },
) => Promise<{ readonly ok: true } | { readonly ok: false; readonly cause: Cause; readonly detail: string }>;

export interface Failure {
  readonly cause: Cause;
  readonly detail: string;
  /** The camera has just come back: try again at once. */
  readonly again?: true;
}

interface Options {
  readonly url: string;
  readonly transport: 'tcp' | 'udp';
  readonly clock: Clock;
  readonly describe: Describe;
  /** Told while the try still runs, when it is known what is wrong. */
  readonly status: (status: Status) => void;
}

const limitMs = 8000;
const probeEveryMs = 1500;
const graceMs = 400;

/**
 * Tries to open an address, once. A try that hangs is watched by asking the camera again and again: one that was started
 * while the camera hung is never answered, although the camera is back. With `hurry` such a try is given up for a new
 * one; the one after it is left its time, for there are cameras that are merely slow to play.
 */
export async function attempt(
  options: Options,
  hurry: boolean,
  signal: AbortSignal,
): Promise<Source | Failure> {
  const { url, transport, clock, describe } = options;
  const asks = /^rtsps?:/i.test(url);
  const over = new AbortController();
  let interrupt = () => {};
  let named: Failure | undefined;
  const give = (failure: Failure) => {
    named = failure;
    interrupt();
  };
  const stop = () => interrupt();

  const probe = async () => {
    await clock.sleep(probeEveryMs, over.signal);
    while (!over.signal.aborted) {
      const next = clock.sleep(probeEveryMs, over.signal);
      const answer = await describe(url, { timeoutMs: probeEveryMs, signal: over.signal });
      if (over.signal.aborted) return;
      if (answer.ok) {
        await clock.sleep(graceMs, over.signal);
        if (hurry && !over.signal.aborted)
          give({ cause: 'RTSP_SILENT', detail: 'the camera answers again', again: true });
        return;
      }
      named = { cause: answer.cause, detail: answer.detail };
      if (answer.cause === 'RTSP_AUTH') return give(named);
      options.status({ state: 'down', ...named });
      await next;
    }
  };
  const limit = async () => {
    await clock.sleep(limitMs, over.signal);
    if (!over.signal.aborted)
      give(named ?? { cause: 'RTSP_SILENT', detail: `no stream within ${limitMs / 1000} s` });
  };

  signal.addEventListener('abort', stop, { once: true });
  const watches = asks ? [limit(), probe()] : [limit()];
  const opened = await Source.open(url, transport, (how) => {
    interrupt = how;
  });
  over.abort();
  signal.removeEventListener('abort', stop);
  await Promise.all(watches);
  if (opened.ok) return opened.source;
  if (named !== undefined) return named;
  if (signal.aborted) return { cause: 'RTSP_ENDED', detail: 'stopped' };
  return nameIt(opened.code, asks ? describe : undefined, url, signal);
}

const words: Readonly<Partial<Record<Cause, string>>> = {
  RTSP_AUTH: 'the camera refuses the user name or password; correct them in its address',
  RTSP_NOT_FOUND: 'there is nothing at this address; look up the stream path of this camera model',
  RTSP_CONNECT: 'nothing listens at this host and port',
};

async function nameIt(
  code: number,
  describe: Describe | undefined,
  url: string,
  signal: AbortSignal,
): Promise<Failure> {
  if (code === 0) return { cause: 'CODEC_UNSUPPORTED', detail: 'there is no video in this stream' };
  const cause = causeOf(code);
  if (cause !== undefined) return { cause, detail: words[cause] ?? cause };
  if (describe === undefined) return nameWeb(code, url);
  const answer = await describe(url, { timeoutMs: probeEveryMs, signal });
  if (!answer.ok) return { cause: answer.cause, detail: answer.detail };
  return {
    cause: 'RTSP_SESSION',
    detail: `the camera describes the stream but does not play it (${code}); it may serve too many viewers`,
  };
}

const noVideo: ReadonlySet<number> = new Set([AVERROR_EOF, AVERROR_INVALIDDATA]);

/** Why a file or an address of the web gives no video, where the code of libav does not tell. */
async function nameWeb(code: number, url: string): Promise<Failure> {
  if (!/^https?:/i.test(url))
    return { cause: 'RTSP_CONNECT', detail: `the stream cannot be opened (${code})` };
  if (noVideo.has(code))
    return {
      cause: 'RTSP_GARBAGE',
      detail: 'no endless row of pictures (MJPEG) came; a still picture or a page is not enough',
    };
  const { hostname, host } = new URL(url);
  const known = await lookup(hostname.replace(/^\[|\]$/g, '')).then(
    () => true,
    () => false,
  );
  if (!known) return { cause: 'RTSP_DNS', detail: `the host name ${hostname} is not known` };
  return { cause: 'RTSP_CONNECT', detail: `${host} cannot be read (${code})` };
}

/** Why a camera that agreed to play sent nothing that can be read: asks it once more and looks at what comes. */
export async function nameSilence(
  failure: Failure,
  url: string,
  describe: Describe,
  signal: AbortSignal,
): Promise<Failure> {
  if (!/^rtsps?:/i.test(url)) return failure;
  const answer = await describe(url, { timeoutMs: probeEveryMs, play: true, signal });
  return answer.ok ? failure : { cause: answer.cause, detail: answer.detail };
}
