import { expect, test } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import { never } from './fixture.ts';
import { Line } from './line.ts';

test('in the line the most severe and newest goes first, and what waited a minute is dropped with a reason', async () => {
  const clock = new ManualClock(1_000_000);
  const line = new Line(() => clock.now());
  const said: string[] = [];
  let release = () => {};
  const first = line.turn(
    { rank: 0, at: 0, lateAt: 2_000_000 },
    () => new Promise((r) => (release = r)),
    never,
  );
  const turn = (name: string, rank: number, at: number, lateAt = 2_000_000, signal = never) =>
    line.turn({ rank, at, lateAt }, async () => void said.push(name), signal);
  const stop = new AbortController();
  const turns = [
    turn('old note', 0, 1),
    turn('old alarm', 2, 2),
    turn('new note', 0, 3),
    turn('new alarm', 2, 4),
    turn('alert', 1, 9),
  ];
  const late = expect(turn('late', 2, 5, 1_000_500)).rejects.toMatchObject({
    code: 'TIMEOUT',
    message: 'it waited too long for its turn; a late voice is worse than none',
  });
  const left = expect(turn('left', 2, 6, 2_000_000, stop.signal)).rejects.toMatchObject({ code: 'TIMEOUT' });
  stop.abort();
  await clock.advance(1_000);
  release();
  await Promise.all([first, late, left, ...turns]);
  expect(said).toEqual(['new alarm', 'old alarm', 'alert', 'new note', 'old note']);
});
