import { expect, it } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import type { ElectricitySignal } from '../../model.ts';
import { Thing } from './thing.ts';

function plug() {
  const signals: ElectricitySignal[] = [];
  const thing = new Thing({
    topic: 'plug',
    command: 'cmnd/plug',
    name: undefined,
    context: { clock: new ManualClock(0), emit: (signal) => signals.push(signal) },
    send: () => Promise.resolve(),
  });
  const last = () => signals.flatMap((s) => (s.kind === 'measured' ? [s.values] : [])).at(-1);
  return { thing, signals, last };
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
