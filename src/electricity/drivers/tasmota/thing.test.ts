import { expect, it } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import type { ElectricitySignal } from '../../model.ts';
import { Thing } from './thing.ts';

function plug() {
  const signals: ElectricitySignal[] = [];
  const sent: string[] = [];
  const clock = new ManualClock(0);
  const thing = new Thing({
    topic: 'plug',
    command: 'cmnd/plug',
    name: undefined,
    everyMs: 60_000,
    context: {
      clock,
      emit: (signal) => signals.push(signal),
      signal: new AbortController().signal,
    },
    send: (command, payload) => (sent.push(`${command} ${payload}`), Promise.resolve()),
  });
  const last = () => signals.flatMap((s) => (s.kind === 'measured' ? [s.values] : [])).at(-1);
  return { thing, signals, last, sent, clock };
}

it('says with each reading whether it is on, also when a message calls its only relay otherwise', () => {
  const { thing, last } = plug();
  const watts = [{ key: '', values: { power_watts: 7 } }];
  thing.measured(watts);
  expect(last()).toEqual({ power_watts: 7 });
  thing.switched(new Map([['', true]]), true);
  thing.measured(watts);
  expect(last()).toEqual({ power_watts: 7, is_on: 1 });
  thing.switched(new Map([['1', false]]), false);
  expect(last()).toEqual({ is_on: 0 });
  thing.measured(watts);
  expect(last()).toEqual({ power_watts: 7, is_on: 0 });
  thing.gone();
  thing.measured(watts);
  expect(last()).toEqual({ power_watts: 7 });
});

it('says with each reading of a strip which of its sockets are on, also those without a meter', () => {
  const { thing, signals } = plug();
  thing.switched(
    new Map([
      ['1', true],
      ['2', false],
    ]),
    true,
  );
  thing.switched(new Map([['2', true]]), false);
  signals.splice(0);
  thing.measured([{ key: '', values: { power_watts: 7 } }]);
  expect(signals.flatMap((s) => (s.kind === 'measured' ? [[s.id, s.values]] : []))).toEqual([
    ['tasmota:plug', { power_watts: 7 }],
    ['tasmota:plug/1', { is_on: 1 }],
    ['tasmota:plug/2', { is_on: 1 }],
  ]);
});

it('is asked for its relays where it measures nothing', async () => {
  const { thing, sent } = plug();
  thing.switched(new Map([['', true]]), true);
  await thing.ask();
  thing.measured([{ key: '', values: { power_watts: 7 } }]);
  await thing.ask();
  expect(sent).toEqual(['cmnd/plug/STATUS 11', 'cmnd/plug/STATUS 8']);
});

it('is asked at once after a switch, and again after many only once in a while', async () => {
  const { thing, sent, clock } = plug();
  thing.measured([{ key: '', values: { power_watts: 7 } }]);
  expect(thing.switched(new Map([['', true]]), true)).toBe(true);
  expect(thing.switched(new Map([['', true]]), false)).toBe(false);
  const questions = Array.from({ length: 50 }, () => thing.askAfterSwitch());
  expect(sent).toHaveLength(1);
  await clock.advance(2_000);
  expect(sent).toHaveLength(2);
  await clock.advance(60_000);
  expect(sent).toHaveLength(2);
  await Promise.all(questions);
  void thing.askAfterSwitch();
  expect(sent).toHaveLength(3);
});

it('does not become more and more devices by naming its sensors anew in each message', () => {
  const { thing, signals } = plug();
  for (let i = 0; i < 1_000; i += 1)
    thing.measured([
      { key: '', values: { power_watts: i } },
      { key: `meter_${i}`, values: { power_watts: i } },
    ]);
  const ids = new Set(signals.flatMap((s) => (s.kind === 'device' ? [s.device.id] : [])));
  expect(ids.size).toBe(32);
  expect(signals.findLast((s) => s.kind === 'measured')).toMatchObject({
    id: 'tasmota:plug',
    values: { power_watts: 999 },
  });
});
