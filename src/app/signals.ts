import type { Logger } from '#platform/log.ts';

// systemd waits 20 s, people wait less: whatever still hangs then is abandoned. Nothing unwritten is left by then.
const hardStopMs = 4_800;

/** An abort signal that SIGTERM and SIGINT trigger; a second signal, or too long a stop, ends the process. */
export function stopSignal(log: Logger): AbortSignal {
  const stop = new AbortController();
  const end = (name: string) => {
    if (stop.signal.aborted) process.exit(1);
    log.info(`${name}: stopping`);
    stop.abort();
    setTimeout(() => {
      log.error(`stop error: not finished after ${hardStopMs} ms`);
      process.exit(1);
    }, hardStopMs).unref();
  };
  process.on('SIGTERM', () => end('SIGTERM'));
  process.on('SIGINT', () => end('SIGINT'));
  return stop.signal;
}
