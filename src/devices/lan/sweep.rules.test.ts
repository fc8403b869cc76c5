import fc from 'fast-check';
import { expect, test } from 'vitest';
import { roundsFor, SweepPlan, type LossEstimate } from './sweep.rules.ts';

interface Air {
  /** Probability that a broadcast question is lost. */
  readonly loss: number;
  readonly latencyMs: readonly [from: number, to: number];
  readonly hosts: number;
  readonly deaf?: number;
}

function dice(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

const addresses = Array.from({ length: 253 }, (_, i) => i + 2);
const none: LossEstimate = { asked: 0, lost: 0 };

/** Plays one sweep of a /24 on simulated air at 500 questions a second; addresses are the numbers 2 to 254. */
function play(air: Air, seed: number, loss = none, known = new Map<number, string>()) {
  const random = dice(seed);
  for (let warm = 0; warm < 10; warm += 1) random();
  const alive = new Set(addresses.toSorted(() => random() - 0.5).slice(0, air.hosts));
  const deaf = new Set([...alive].slice(0, air.deaf ?? 0));
  const plan = new SweepPlan(addresses, known, { retries: 4, random, loss });
  const inFlight: { ip: number; at: number }[] = [];
  const found = new Set<number>();
  let now = 0;
  for (;;) {
    for (const reply of inFlight.filter((r) => r.at <= now)) {
      inFlight.splice(inFlight.indexOf(reply), 1);
      plan.answered(reply.ip, reply.at);
      found.add(reply.ip);
    }
    const next = plan.next(now);
    if (next === undefined) break;
    if ('waitUntil' in next) {
      now = Math.min(next.waitUntil, now + 2);
      continue;
    }
    const { ip, to } = next.ask;
    const heard = to === undefined ? random() >= air.loss && !deaf.has(ip) : true;
    const [from, until] = air.latencyMs;
    if (alive.has(ip) && heard) inFlight.push({ ip, at: now + from + random() * (until - from) });
    now += 2;
  }
  return { now, found, alive, deaf, asks: plan.asks, loss: plan.loss(now) };
}

test('on a lossless network a sweep of a /24 ends after one round and misses nobody', () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const sweep = play({ loss: 0, latencyMs: [0.1, 5], hosts: 30 }, seed);
    expect(sweep.found).toEqual(sweep.alive);
    expect(sweep.asks).toBeLessThanOrEqual(253 + 24);
    expect(sweep.now).toBeLessThanOrEqual(750);
  }
});

test('with 30 % of broadcasts lost and slow answers, 99 % of the hosts are found within 2.5 s', () => {
  let [found, alive] = [0, 0];
  for (let seed = 1; seed <= 200; seed += 1) {
    const sweep = play({ loss: 0.3, latencyMs: [5, 250], hosts: 30 }, seed);
    expect(sweep.now).toBeLessThanOrEqual(2_500);
    found += sweep.found.size;
    alive += sweep.alive.size;
  }
  expect(found / alive).toBeGreaterThan(0.99);
});

test('slow answers alone do not make a network lossy', () => {
  const sweep = play({ loss: 0, latencyMs: [5, 250], hosts: 30 }, 7);
  expect(sweep.found).toEqual(sweep.alive);
  expect(sweep.loss.lost).toBe(0);
});

test('a device that is deaf to broadcasts is found once its hardware address is known', () => {
  const air = { loss: 0, latencyMs: [0.1, 5] as const, hosts: 30, deaf: 5 };
  const first = play(air, 3);
  expect(first.found.size).toBe(25);
  const known = new Map([...first.alive].map((ip) => [ip, '02:00:00:00:00:01']));
  const second = play(air, 3, first.loss, known);
  expect(second.found).toEqual(second.alive);
});

test('with nobody there every address is asked in every round', () => {
  const sweep = play({ loss: 0, latencyMs: [1, 2], hosts: 0 }, 1);
  expect(sweep.asks).toBe(Math.ceil(253 * (1 + 0.82 * 4)));
});

test('what one sweep learnt about loss shortens the next one in a small home', () => {
  let loss = none;
  const asks: number[] = [];
  for (let sweep = 0; sweep < 4; sweep += 1) {
    const result = play({ loss: 0, latencyMs: [1, 5], hosts: 5 }, sweep + 1, loss);
    loss = result.loss;
    asks.push(result.asks);
  }
  expect(asks[0]).toBeGreaterThan(1_000);
  expect(asks.at(-1)).toBeLessThan(300);
});

test.each([
  [{ asked: 0, lost: 0 }, 5],
  [{ asked: 24, lost: 0 }, 1],
  [{ asked: 20, lost: 1 }, 3],
  [{ asked: 20, lost: 6 }, 5],
  [{ asked: 20, lost: 20 }, 5],
])('after %j it takes %i rounds', (loss, rounds) => expect(roundsFor(loss, 5)).toBe(rounds));

test('a plan always ends, whoever answers when', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer({ min: 0, max: 253 }),
      fc.integer({ min: 1, max: 2 ** 31 }),
      (loss, hosts, seed) => {
        const sweep = play({ loss, latencyMs: [0, 400], hosts }, seed);
        expect(sweep.asks).toBeLessThanOrEqual(1_083);
        for (const ip of sweep.found) expect(sweep.alive.has(ip)).toBe(true);
      },
    ),
    { numRuns: 30 },
  );
});
