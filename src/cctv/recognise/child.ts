import { LaresError, reason } from '#kernel/errors.ts';
import type { Order, Report, Wanted } from './child.model.ts';
import type { OpenRecogniser, Recogniser } from './contract.ts';
import { readPicture } from './picture.ts';
import { recognisers, type RecogniserKind } from './registry.ts';

/**
 * The process that recognises. It runs only while something is to be recognised, and ends with the core: decoders and
 * inference block its event loop, and a fault of native code costs a restart, not the house.
 */

const lifeSignMs = 1_000;

interface Loaded {
  readonly key: string;
  readonly open: OpenRecogniser;
}

const loaded = new Map<RecogniserKind, Loaded>();
// One thing after the other, in the order in which they came.
let work: Promise<void> = Promise.resolve();

const report = (message: Report) => {
  if (process.connected) process.send?.(message);
};

async function load({ recogniser, settings }: Wanted, dataDir: string): Promise<void> {
  const key = JSON.stringify([settings, dataDir]);
  if (loaded.get(recogniser)?.key === key) return;
  await unload(recogniser);
  try {
    const contract: Pick<Recogniser<never>, 'open'> = recognisers[recogniser];
    const open = await contract.open(settings as never, {
      dataDir,
      warn: (message) => report({ kind: 'warn', message }),
    });
    loaded.set(recogniser, { key, open });
    report({ kind: 'ready', recogniser, about: open.about });
  } catch (error) {
    const code = error instanceof LaresError ? error.code : 'INTERNAL';
    report({ kind: 'refused', recogniser, code, message: reason(error) });
  }
}

async function unload(recogniser: RecogniserKind): Promise<void> {
  const before = loaded.get(recogniser);
  loaded.delete(recogniser);
  await before?.open.close();
}

async function configure({ wanted, dataDir }: Extract<Order, { kind: 'configure' }>): Promise<void> {
  for (const kind of loaded.keys()) if (!wanted.some((w) => w.recogniser === kind)) await unload(kind);
  for (const one of wanted) await load(one, dataDir);
}

async function look({ id, recogniser, jpeg, box }: Extract<Order, { kind: 'look' }>): Promise<void> {
  try {
    const open = loaded.get(recogniser)?.open;
    const identities = open === undefined ? [] : await open.recognise(await readPicture(jpeg), box);
    report({ kind: 'seen', id, identities });
  } catch (error) {
    report({ kind: 'failed', id, message: reason(error) });
  }
}

process.title = 'lares-recognise';
process.on('message', (order: Order) => {
  work = work.then(() => (order.kind === 'configure' ? configure(order) : look(order)));
});
process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole group of processes; the core decides when we end.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
setInterval(() => report({ kind: 'alive' }), lifeSignMs);
