import { expect, test } from 'vitest';
import { guardConfig } from './config.ts';
import { handOf, modeAt, modeData, type HandMode } from './mode.rules.ts';

const timeZone = 'Europe/London';
const day = Date.parse('2026-06-15T12:00:00Z');
// 23:30 and 05:00 in London.
const late = Date.parse('2026-06-15T22:30:00Z');
const early = Date.parse('2026-06-15T04:00:00Z');
const alex = ['alex'];

test.each<[string, object, number, readonly string[] | undefined, HandMode | undefined, string, string]>([
  ['somebody home by day', {}, day, alex, undefined, 'home', 'somebody is home'],
  ['nobody home by day', {}, day, [], undefined, 'away', 'nobody is home'],
  ['nobody can tell', {}, day, undefined, undefined, 'home', 'nobody can tell who is home'],
  ['somebody home late', {}, late, alex, undefined, 'night', 'it is between 23:00 and 06:30'],
  ['somebody home early', {}, early, alex, undefined, 'night', 'it is between 23:00 and 06:30'],
  ['nobody home at night', {}, late, [], undefined, 'away', 'nobody is home'],
  ['nobody can tell at night', {}, late, undefined, undefined, 'night', 'it is between 23:00 and 06:30'],
  ['fixed in the settings', { mode: 'away' }, day, alex, undefined, 'away', 'set in the settings'],
  ['set by hand', {}, day, alex, { mode: 'night' }, 'night', 'set by hand'],
  [
    'set by hand over the settings',
    { mode: 'away' },
    day,
    alex,
    { mode: 'home', until: day + 1 },
    'home',
    'set by hand',
  ],
  ['set by hand until now', {}, day, alex, { mode: 'away', until: day }, 'home', 'somebody is home'],
  [
    "a night of one's own",
    { night: { from: '12:30', to: '13:30' } },
    day,
    alex,
    undefined,
    'night',
    'it is between 12:30 and 13:30',
  ],
])('%s', (_, settings, at, residentsHome, hand, mode, why) => {
  expect(modeAt(guardConfig.parse(settings), { at, timeZone, residentsHome, hand })).toEqual({
    mode,
    why,
    chosen: !why.startsWith('set '),
  });
});

test.each<[string, HandMode | undefined, object]>([
  ['for a while', { mode: 'night', until: day }, { mode: 'night', by_hand: true, until: day }],
  ['until it is taken back', { mode: 'away' }, { mode: 'away', by_hand: true }],
  ['never', undefined, { mode: 'home', by_hand: false }],
])('a mode set by hand %s is read again from the journal as it was', (_, hand, data) => {
  expect(modeData(hand?.mode ?? 'home', hand)).toEqual(data);
  expect(handOf(JSON.parse(JSON.stringify(data)) as Record<string, unknown>)).toEqual(hand);
});

test('an event without a mode that there is says nothing of hands', () => {
  expect([handOf({}), handOf({ by_hand: true, mode: 'asleep' }), handOf({ mode: 'away' })]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});
