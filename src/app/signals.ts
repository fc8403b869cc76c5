import type { Logger } from '#platform/log.ts';

// systemd waits 20 s, people wait less: whatever still hangs then is abandoned. Nothing unwritten is left by then.
const hardStopMs = 4_800;

/** An abort signal that SIGTERM and SIGINT trigger; a second signal, or too long a stop, ends the process. */
export function stopSignal(log: Logger): AbortSignal {
  const stop = new AbortController();
  let firstAt = 0;
  const end = (name: string) => {
    if (stop.signal.aborted) {
      // make and npm pass on a signal that the terminal has sent to us as well; that is no second wish.
      if (performance.now() - firstAt > 1_000) process.exit(1);
      return;
    }
    firstAt = performance.now();
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
