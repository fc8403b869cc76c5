/**
 * The scanner process: the only part of Lares that holds raw sockets. It takes tasks as JSON lines on stdin and
 * answers on stdout, so that a crash of native code is a restart and a log line. It ends with its parent.
 */
import { codes, LaresError, reason } from '#kernel/errors.ts';
import { lineReader, type Line, type Place, type Task } from './raw-protocol.ts';
import { Wire } from './raw-wire.ts';

interface Opened {
  readonly wire: Wire;
  readonly place: Place;
}

const wires = new Map<string, Opened>();
const running = new Map<number, AbortController>();

const print = (line: Line) => void process.stdout.write(`${JSON.stringify(line)}\n`);

function wireFor(place: Place): Wire {
  const key = `${place.interface} ${place.network}`;
  const opened = wires.get(key);
  if (opened !== undefined && opened.place.mac === place.mac && opened.place.address === place.address)
    return opened.wire;
  // Our own address has changed: questions from the old one would be answered to nobody.
  opened?.wire.close();
  const fresh = { wire: new Wire(place), place };
  fresh.wire.failure.catch(() => {
    if (wires.get(key) === fresh) wires.delete(key);
  });
  wires.set(key, fresh);
  return fresh.wire;
}

async function listen(places: readonly Place[], signal: AbortSignal): Promise<never> {
  const opened = places.map(wireFor);
  const ends = opened.map((wire) => wire.overhear((heard) => print({ heard })));
  try {
    const cancelled = new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(new LaresError('TIMEOUT', 'cancelled'))),
    );
    return await Promise.race([cancelled, ...opened.map((wire) => wire.failure)]);
  } finally {
    for (const end of ends) end();
  }
}

async function perform(task: Exclude<Task, { do: 'cancel' }>, signal: AbortSignal) {
  if (task.do === 'listen') return listen(task.places, signal);
  const wire = wireFor(task.place);
  if (task.do === 'check') return { probed: 0, tookMs: 0, found: [] };
  if (task.do === 'sweep') return wire.sweep(task.framesPerSecond, task.retries, signal);
  return wire.probe(task.targets, task.framesPerSecond, signal);
}

async function take(id: number, task: Task): Promise<void> {
  if (task.do === 'cancel') return running.get(task.task)?.abort();
  const stop = new AbortController();
  running.set(id, stop);
  try {
    print({ task: id, done: await perform(task, stop.signal) });
  } catch (error) {
    const known = error instanceof LaresError && error.code in codes;
    print({ task: id, failed: { code: known ? error.code : 'INTERNAL', message: reason(error) } });
  } finally {
    running.delete(id);
  }
}

process.stdin.on(
  'data',
  lineReader((line) => {
    const { id, ...task } = JSON.parse(line) as Task & { id: number };
    void take(id, task);
  }),
);
process.stdin.on('end', () => process.exit(0));
// A terminal sends its interrupt to both; the parent decides when this process ends.
process.on('SIGINT', () => {});
process.stdout.on('error', () => process.exit(0));
