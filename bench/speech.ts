/**
 * From a text to the first sound: `node bench/speech.ts [--rounds 30]`. Ours against espeak-ng called with --stdout and
 * played after complete synthesis, in the same run, alternating. Both play with the real aplay on ALSA's null device; the
 * instant is the one at which aplay has the first samples. The last table adds the queue: from an alert in the store.
 */
import { execFile, spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { speak } from '#guard/channels/speak/channel.ts';
import { speakersConfig } from '#guard/channels/config.ts';
import { MemoryDeliveries, someAlert, someIo, someSettings } from '#guard/channels/fixture.ts';
import { AlertQueue } from '#guard/channels/queue.ts';
import { quantile } from '#guard/channels/queue.rules.ts';
import { Speakers } from '#guard/channels/speak/speech.ts';
import { systemClock } from '#platform/clock.ts';
import { Health } from '#platform/health.ts';
import { silent } from '#platform/log.ts';
import { table } from '#platform/table.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '30' } } });
const rounds = Number(values.rounds);
const signal = new AbortController().signal;
const io = someIo();

/** The obvious way: synthesise everything, then play it. Milliseconds to the first sample in the player. */
function rival(text: string): Promise<number> {
  const startedAt = performance.now();
  return new Promise((resolve, reject) => {
    const voice = execFile(
      'espeak-ng',
      ['-v', 'en', '-s', '160', '--stdin', '--stdout'],
      { encoding: 'buffer', maxBuffer: 1e8 },
      (error, wav) => {
        if (error !== null) return reject(error);
        const player = spawn('aplay', ['-q', '-D', 'null', '-'], { stdio: ['pipe', 'ignore', 'ignore'] });
        let first = 0;
        player.stdin.write(wav, () => (first = performance.now() - startedAt));
        player.stdin.end();
        player.on('exit', () => resolve(first));
      },
    );
    voice.stdin!.end(text);
  });
}

async function ours(text: string): Promise<number> {
  const speakers = new Speakers(speakersConfig.parse([{ id: 'hall', device: 'null' }]), io);
  return (await speakers.say('hall', text, { severity: 'critical', at: Date.now() }, signal)).firstSampleMs!;
}

const number = (ms: number | undefined) => (ms ?? Number.NaN).toFixed(1);
const row = (name: string, a: number[], b: number[], c: number[]) => {
  const [x, y, z] = [a, b, c].map((all) => quantile(all, 0.5)!);
  return [
    name,
    number(x),
    number(quantile(a, 0.95)),
    number(y),
    number(quantile(b, 0.95)),
    number(z),
    (x! / y!).toFixed(2),
  ];
};

const texts: Readonly<Record<string, (n: number) => string>> = {
  'short (46 letters)': (n) => `A person, ${n + 2} metres from the gate, coming closer`,
  'long (about 300 letters)': (n) =>
    Array.from({ length: 6 }, (_, i) => `A person, ${n + i} metres from the gate, coming closer.`).join(' '),
};

const rows: string[][] = [];
for (const [name, text] of Object.entries(texts)) {
  const [theirs, mine, again]: [number[], number[], number[]] = [[], [], []];
  const speakers = new Speakers(speakersConfig.parse([{ id: 'hall', device: 'null' }]), io);
  await ours(text(0));
  await rival(text(0));
  for (let n = 0; n < rounds; n += 1) {
    theirs.push(await rival(text(n)));
    mine.push(await ours(text(n)));
    const order = { severity: 'critical' as const, at: Date.now() };
    await speakers.say('hall', text(0), order, signal);
    again.push((await speakers.say('hall', text(0), order, signal)).firstSampleMs!);
  }
  rows.push(row(name, theirs, mine, again));
}
console.log(
  table(['text', 'rival p50 ms', 'p95', 'ours p50 ms', 'p95', 'ours, said before', 'rival / ours'], rows),
);

/** From an alert that is written to the queue's report that it was said, less the length of playing (null plays at once). */
const store = new MemoryDeliveries();
const alerts = new Map<string, ReturnType<typeof someAlert>>();
const queue = new AlertQueue({
  clock: systemClock,
  log: silent,
  random: Math.random,
  health: new Health(systemClock),
  store,
  find: (id) => alerts.get(id),
  channels: { speak },
});
await queue.use(someSettings({ speakers: [{ id: 'hall', device: 'null' }] }), io);
const stop = new AbortController();
const ended = queue.run(stop.signal);
const spent: number[] = [];
for (let n = 0; n < rounds; n += 1) {
  const alert = someAlert({ id: `a${n}`, at: Date.now(), text: texts['short (46 letters)']!(n + 100) });
  alerts.set(alert.id, alert);
  const startedAt = performance.now();
  store.add({ id: alert.id, alert: alert.id, channel: 'speak', action: { type: 'speak' }, dueAt: alert.at });
  queue.wake();
  while (store.rows.get(alert.id)!.state !== 'done') await new Promise((resolve) => setTimeout(resolve, 1));
  spent.push(performance.now() - startedAt);
}
stop.abort();
await ended;
console.log(
  `\nalert in the store to the whole text played on the null device: p50 ${number(quantile(spent, 0.5))} ms, p95 ${number(quantile(spent, 0.95))} ms, of 1500 ms from light to sound`,
);
