import { describe, expect, it } from 'vitest';
import type { Box, Track } from './model.ts';
import { Observer, type Scene } from './observer.rules.ts';

const second = 1_000;
const drive = {
  name: 'drive',
  polygon: [
    { x: 0, y: 0.5 },
    { x: 1, y: 0.5 },
    { x: 1, y: 1 },
    { x: 0, y: 1 },
  ],
};
const frontDoor = {
  name: 'front_door',
  door: 'outside',
  polygon: [
    { x: 0.4, y: 0.2 },
    { x: 0.6, y: 0.2 },
    { x: 0.6, y: 0.45 },
    { x: 0.4, y: 0.45 },
  ],
} as const;

/** A person 0.1 wide and 0.2 high whose feet stand at the point. */
const standing = (x: number, y: number): Box => ({ left: x - 0.05, top: y - 0.2, width: 0.1, height: 0.2 });

function track(id: number, at: number, box: Box, more: Partial<Track> = {}): Track {
  return {
    id,
    label: 'person',
    score: 0.8,
    box,
    velocity: { x: 0, y: 0 },
    bornAt: at,
    seenAt: at,
    hits: 3,
    state: 'confirmed',
    ...more,
  };
}

function observer(scene: Partial<Scene> = {}, open: ConstructorParameters<typeof Observer>[1] = []) {
  let next = 0;
  return new Observer({ camera: 'front', zones: [drive], ...scene }, open, () => `event-${(next += 1)}`);
}

describe('the observer of a camera', () => {
  it('gives an object one event from its first to its last sight', () => {
    const one = observer();
    expect(one.step(0, [track(1, 0, standing(0.5, 0.3), { state: 'tentative' })], [])).toEqual({
      observations: [],
      opened: [],
      resumed: [],
      passages: [],
    });
    const first = one.step(200, [track(1, 200, standing(0.5, 0.4))], []);
    expect([first.opened, first.observations.map((o) => o.event)]).toEqual([['event-1'], ['event-1']]);
    const second_ = one.step(400, [track(1, 400, standing(0.5, 0.6))], []);
    expect([second_.opened, second_.observations[0]?.zones]).toEqual([[], { drive: 400 }]);
    const last = one.step(5_000, [], [1]);
    expect(last.observations).toEqual([{ ...second_.observations[0], ended: true }]);
    expect(one.eventOf(1)).toBeUndefined();
  });

  it('says nothing of an object in a frame in which nobody saw it', () => {
    const one = observer();
    one.step(200, [track(1, 200, standing(0.5, 0.6))], []);
    expect(one.step(400, [track(1, 200, standing(0.5, 0.6))], []).observations).toEqual([]);
  });

  it('keeps who stands at the edge of a zone in it while the box flickers', () => {
    const one = observer();
    const zonesAt = (at: number, y: number) =>
      one.step(at, [track(1, at, standing(0.5, y))], []).observations[0]?.zones;
    expect(zonesAt(0, 0.49)).toEqual({});
    expect(zonesAt(200, 0.51)).toEqual({ drive: 200 });
    expect(zonesAt(400, 0.49)).toEqual({ drive: 200 });
    expect(zonesAt(600, 0.45)).toEqual({});
  });

  it('ends the event of what stands for ten minutes and begins another when it moves again', () => {
    const one = observer();
    const car = { label: 'car', stationarySince: 0 };
    one.step(0, [track(1, 0, standing(0.5, 0.8), { label: 'car' })], []);
    const settled = one.step(601 * second, [track(1, 601 * second, standing(0.5, 0.8), car)], []);
    expect(settled.observations.map((o) => [o.event, o.ended])).toEqual([['event-1', true]]);
    expect(
      one.step(602 * second, [track(1, 602 * second, standing(0.5, 0.8), car)], []).observations,
    ).toEqual([]);
    const leaving = one.step(
      900 * second,
      [track(1, 900 * second, standing(0.6, 0.8), { label: 'car' })],
      [],
    );
    expect(leaving.opened).toEqual(['event-2']);
  });

  it('opens no event for the furniture of the place', () => {
    const one = observer();
    expect(one.step(0, [track(1, 0, standing(0.5, 0.8), { furniture: true })], []).opened).toEqual([]);
  });

  it('goes on with the event of before a restart when the object is still there', () => {
    const before = { id: 'old', label: 'person', box: standing(0.5, 0.7), at: -9_000, seenAt: -3_000 };
    const one = observer({}, [before]);
    const { opened, resumed, observations } = one.step(0, [track(1, 0, standing(0.51, 0.7))], []);
    expect([opened, resumed, observations.map((o) => [o.event, o.bornAt])]).toEqual([
      [],
      ['old'],
      [['old', -9_000]],
    ]);
    expect(one.expired(60 * second)).toEqual([]);
  });

  it('tells which events of before a restart are over, also after the clock was set back', () => {
    const before = { id: 'old', label: 'person', box: standing(0.5, 0.7), at: -9_000, seenAt: -3_000 };
    const one = observer({}, [before]);
    expect(one.expired(20 * second)).toEqual([]);
    expect(one.expired(40 * second)).toEqual([before]);
    expect(one.expired(50 * second)).toEqual([]);
    expect(observer({}, [before]).expired(-3_600 * second)).toEqual([before]);
  });

  it('takes nobody for an object of before whose time lies an hour ahead', () => {
    const before = { id: 'old', label: 'person', box: standing(0.5, 0.7), at: 3_500_000, seenAt: 3_600_000 };
    const one = observer({}, [before]);
    expect(one.step(0, [track(1, 0, standing(0.5, 0.7))], []).opened).toEqual(['event-1']);
  });

  it('knows a zone by any name that settings allow', () => {
    const one = observer({ zones: [{ ...drive, name: 'constructor' }] });
    const { observations } = one.step(7, [track(1, 7, standing(0.5, 0.8))], []);
    expect(observations[0]?.zones).toEqual({ constructor: 7 });
  });

  it('takes who appears in a door for leaving the home and who vanishes in it for coming in', () => {
    const one = observer({ zones: [frontDoor] });
    const out = one.step(1_000, [track(1, 700, standing(0.5, 0.3), { bornAt: 600, seenAt: 1_000 })], []);
    expect(out.passages).toEqual([
      { direction: 'exit', at: 600, event: 'event-1', zone: 'front_door', confidence: 0.8 },
    ]);
    one.step(2_000, [track(1, 2_000, standing(0.5, 0.9))], []);
    expect(one.step(9_000, [], [1]).passages).toEqual([]);
    one.step(20_000, [track(2, 20_000, standing(0.5, 0.9))], []);
    one.step(24_000, [track(2, 24_000, standing(0.5, 0.4))], []);
    expect(one.step(30_000, [], [2]).passages).toEqual([
      { direction: 'entry', at: 24_000, event: 'event-2', zone: 'front_door', confidence: 0.8 },
    ]);
  });

  it('takes the same door the other way round from inside', () => {
    const one = observer({ zones: [{ ...frontDoor, door: 'inside' }] });
    expect(one.step(0, [track(1, 0, standing(0.5, 0.3))], []).passages[0]?.direction).toBe('entry');
  });

  it('takes nobody who looks out and goes back for a passage, and no cat at all', () => {
    const one = observer({ zones: [frontDoor] });
    one.step(0, [track(1, 0, standing(0.5, 0.3)), track(2, 0, standing(0.5, 0.3), { label: 'cat' })], []);
    one.step(900, [track(1, 900, standing(0.5, 0.35))], []);
    expect(one.step(5_000, [], [1, 2]).passages).toEqual([]);
  });

  it('goes on in the same event when the picture comes back, and ends what is not found again', () => {
    const one = observer();
    one.step(0, [track(1, 0, standing(0.2, 0.8)), track(2, 0, standing(0.8, 0.8))], []);
    one.interrupt();
    expect(one.eventOf(1)).toBeUndefined();
    const back = one.step(8_000, [track(11, 8_000, standing(0.21, 0.8))], []);
    expect([back.opened, back.observations.map((o) => o.event)]).toEqual([[], ['event-1']]);
    expect(one.expired(31_000).map((e) => [e.id, e.seenAt])).toEqual([['event-2', 0]]);
  });

  it('ends everything at once when the camera is switched off', () => {
    const one = observer();
    one.step(0, [track(1, 0, standing(0.2, 0.8)), track(2, 0, standing(0.8, 0.8))], []);
    expect(one.close().map((o) => [o.event, o.ended])).toEqual([
      ['event-1', true],
      ['event-2', true],
    ]);
    expect(one.expired(60_000)).toEqual([]);
  });

  it('knows a parked car again after a restart, until it drives off', () => {
    const before = observer();
    const parked = { label: 'car', stationarySince: 0 };
    before.step(0, [track(1, 0, standing(0.5, 0.8), { label: 'car' })], []);
    before.step(601 * second, [track(1, 601 * second, standing(0.5, 0.8), parked)], []);
    const after = new Observer({ camera: 'front', zones: [] }, [], () => 'new', before.places());
    const at = 700 * second;
    expect(after.step(at, [track(9, at, standing(0.51, 0.8), { label: 'car' })], []).opened).toEqual([]);
    const off = at + 5 * second;
    expect(after.step(off, [track(9, off, standing(0.75, 0.8), { label: 'car' })], []).opened).toEqual([
      'new',
    ]);
  });

  const minute = 60 * second;
  const there = standing(0.5, 0.8);
  /** Ids of events that begin with an object that stands at a place. */
  const opens = (one: Observer, id: number, at: number, more: Partial<Track>, box = there) =>
    one.step(at, [track(id, at, box, more)], []).opened;
  /** An object that came and has stood for eleven minutes when it is told. */
  const settle = (one: Observer, more: Partial<Track>) => {
    one.step(0, [track(1, 0, there, more.label === undefined ? {} : { label: more.label })], []);
    one.step(11 * minute, [track(1, 11 * minute, there, { ...more, stationarySince: 0 })], []);
  };

  it('is not blind to who comes to the place of somebody who sat there', () => {
    const one = observer();
    settle(one, {});
    expect(opens(one, 2, 16 * minute, {})).toEqual(['event-2']);
  });

  it('makes one event of somebody who sits for hours, however often the detector loses them', () => {
    const one = observer();
    settle(one, {});
    const later = Array.from({ length: 120 }, (_, i) => (12 + i * 1.5) * minute);
    // Found again it has not moved, and is soon called furniture.
    expect(later.flatMap((at, i) => opens(one, 2 + i, at, { furniture: i % 2 === 1 }))).toEqual([]);
    expect(opens(one, 999, later.at(-1)! + 5 * minute, {})).toEqual(['event-2']);
  });

  it.each([
    ['a parked car', { label: 'car' }],
    ['a car that is called a truck now and then', { label: 'truck' }],
    ['a statue', { furniture: true }],
  ])(
    'remembers the place of %s for a day without sight of it, and longer while it is seen',
    (_, more: Partial<Track>) => {
      const one = observer();
      settle(one, more.label === 'truck' ? { label: 'car' } : more);
      const day = 24 * 60 * minute;
      const visible = { ...more, stationarySince: 0 };
      one.step(3 * day, [track(1, 3 * day, there, visible)], []);
      const born = { label: more.label ?? 'person' };
      expect(opens(one, 2, 3.9 * day, born)).toEqual([]);
      expect(opens(one, 3, 5 * day, born)).toEqual(['event-2']);
    },
  );
});
