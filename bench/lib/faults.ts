import { setTimeout as sleep } from 'node:timers/promises';
import type { Graphite } from '../../tests/servers/graphite.ts';
import type { TcpProxy } from '../../tests/servers/tcp-proxy.ts';

/** Numbers between 0 and 1 that are the same in each run (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Scene {
  readonly graphite: Graphite;
  readonly proxy: TcpProxy;
}

export interface Fault {
  readonly name: string;
  readonly begin: (scene: Scene) => void | Promise<void>;
  readonly end: (scene: Scene) => void | Promise<void>;
  /** Shortest and longest duration in seconds. */
  readonly seconds: readonly [number, number];
}

const pass = ({ proxy }: Scene) => void (proxy.line = { mode: 'pass' });
const nothing = () => {};

export const faults: readonly Fault[] = [
  {
    name: 'kill -9, back at once',
    begin: ({ graphite }) => graphite.restart(),
    end: nothing,
    seconds: [0, 0],
  },
  {
    name: 'SIGTERM, away',
    begin: ({ graphite }) => graphite.terminate(),
    end: ({ graphite }) => graphite.startCarbon(),
    seconds: [5, 60],
  },
  {
    name: 'kill -9, away',
    begin: ({ graphite }) => graphite.kill(),
    end: ({ graphite }) => graphite.startCarbon(),
    seconds: [5, 60],
  },
  {
    name: 'frozen',
    begin: ({ graphite }) => graphite.pause(),
    end: ({ graphite }) => graphite.resume(),
    seconds: [3, 40],
  },
  {
    name: 'frozen, then kill -9',
    begin: ({ graphite }) => graphite.pause(),
    end: ({ graphite }) => graphite.restart(),
    seconds: [3, 40],
  },
  {
    name: 'black hole',
    begin: ({ proxy }) => void (proxy.line = { mode: 'hang' }),
    end: (scene) => (scene.proxy.cut(), pass(scene)),
    seconds: [6, 60],
  },
  {
    name: 'resets in mid-batch',
    begin: ({ proxy }) => void (proxy.line = { mode: 'reset', afterBytes: 500 }),
    end: pass,
    seconds: [6, 30],
  },
  {
    name: 'slow line, 300 B/s',
    begin: ({ proxy }) => void (proxy.line = { mode: 'slow', bytesPerSecond: 300 }),
    end: pass,
    seconds: [6, 30],
  },
];

/**
 * Lets fault after fault happen to Carbon and to the line, each kind once before any comes again, until the monotonic
 * instant `untilMs`. Resolves with how often each happened.
 */
export async function trouble(
  scene: Scene,
  { untilMs, seed }: { readonly untilMs: number; readonly seed: number },
): Promise<Map<string, number>> {
  const random = seeded(seed);
  const happened = new Map<string, number>();
  let deck: Fault[] = [];
  const left = () => Math.max(0, untilMs - performance.now());
  while (left() > 0) {
    await sleep(Math.min(5_000 + random() * 25_000, left()));
    if (left() === 0) break;
    if (deck.length === 0)
      deck = faults
        .map((fault) => ({ fault, order: random() }))
        .toSorted((a, b) => a.order - b.order)
        .map(({ fault }) => fault);
    const fault = deck.pop()!;
    const [shortest, longest] = fault.seconds;
    const ms = Math.min((shortest + random() * (longest - shortest)) * 1000, left());
    happened.set(fault.name, (happened.get(fault.name) ?? 0) + 1);
    console.log(`${new Date().toISOString()} ${fault.name} for ${(ms / 1000).toFixed(0)} s`);
    await fault.begin(scene);
    await sleep(ms);
    await fault.end(scene);
  }
  return happened;
}
