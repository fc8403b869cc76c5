import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  answers,
  answersDirected,
  phoneHabits,
  planStay,
  privateMac,
  seeded,
  within,
} from './phone-model.ts';

const hour = 3_600_000;

test('the same seed gives the same stay and another seed a different one', () => {
  const draw = (seed: number) => planStay({ from: 0, to: 48 * hour }, true, phoneHabits, seeded(seed));
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
});

test('a phone that joins announces itself by DHCP, ARP and mDNS within two seconds', () => {
  const { frames } = planStay(
    { from: 1_000, to: 5_000 },
    true,
    { ...phoneHabits, frameEveryMs: 1e12 },
    seeded(1),
  );
  expect(frames).toEqual([
    { at: 1_200, via: 'dhcp' },
    { at: 1_500, via: 'arp-heard' },
    { at: 2_500, via: 'mdns' },
  ]);
});

test('episodes and frames come as often and last as long as the table says', () => {
  const hours = 20_000;
  const { off, frames } = planStay({ from: 0, to: hours * hour }, false, phoneHabits, seeded('rates'));
  // Overlapping episodes merge, which hides one in forty.
  expect(off.length / hours).toBeGreaterThan(0.46);
  expect(off.length / hours).toBeLessThan(0.51);
  const lengths = off.map((o) => o.to - o.from).toSorted((a, b) => a - b);
  const median = lengths[Math.floor(lengths.length / 2)]!;
  expect(median).toBeGreaterThan(84_000);
  expect(median).toBeLessThan(98_000);
  // P(longer than 300 s) is 16 % for a lognormal of median 90 s and sigma 1.2.
  const long = lengths.filter((l) => l > 300_000).length / lengths.length;
  expect(long).toBeGreaterThan(0.14);
  expect(long).toBeLessThan(0.19);
  expect(frames.length / hours).toBeGreaterThan(19);
  expect(frames.length / hours).toBeLessThan(21);
});

test('answers come at the rate of the table for each way of asking', () => {
  const stay = { from: 0, to: hour, off: [], frames: [] };
  const random = seeded('answers');
  const rate = (ask: () => boolean) => Array.from({ length: 40_000 }, ask).filter(Boolean).length / 40_000;
  expect(rate(() => answers(stay, 1, 'broadcast', phoneHabits, random))).toBeCloseTo(
    0.25 * 0.98 + 0.75 * 0.7,
    2,
  );
  expect(rate(() => answers(stay, 1, 'unicast', phoneHabits, random))).toBeCloseTo(
    0.25 * 0.995 + 0.75 * 0.9,
    2,
  );
  expect(rate(() => answersDirected(stay, 1, phoneHabits, random))).toBeCloseTo(0.25 + 0.75 * 0.995, 2);
});

test('a phone is never heard outside its stay or while its radio is off', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 72 }), fc.boolean(), (seed, hours, joins) => {
      const random = seeded(seed);
      const stay = planStay(
        { from: 5, to: 5 + hours * hour },
        joins,
        { ...phoneHabits, offPerHour: 4 },
        random,
      );
      for (const [i, episode] of stay.off.entries()) {
        expect(episode.to).toBeGreaterThan(episode.from);
        expect(episode.from).toBeGreaterThanOrEqual(stay.off[i - 1]?.to ?? stay.from);
        expect(answers(stay, episode.from, 'unicast', phoneHabits, random)).toBe(false);
        expect(answersDirected(stay, episode.from, phoneHabits, random)).toBe(false);
      }
      const joined = stay.from + 2_000;
      expect(stay.frames.filter((f) => f.at >= joined && within(stay.off, f.at))).toEqual([]);
      expect(stay.frames.filter((f) => f.at < stay.from || f.at >= stay.to)).toEqual([]);
      expect(answers(stay, stay.to, 'unicast', phoneHabits, random)).toBe(false);
      expect(answers(stay, stay.from - 1, 'unicast', phoneHabits, random)).toBe(false);
    }),
    { numRuns: 50 },
  );
});

test('private addresses are locally administered unicast, and each rotation gives another', () => {
  const macs = Array.from({ length: 500 }, (_, turn) => privateMac('alex', turn));
  expect(new Set(macs).size).toBe(500);
  expect(macs.filter((mac) => !/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/.test(mac))).toEqual([]);
});
