import { expect, it } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import type { ElectricitySignal } from '../../model.ts';
import { Thing } from './thing.ts';

it('does not become more and more devices by naming its sensors anew in each message', () => {
  const signals: ElectricitySignal[] = [];
  const thing = new Thing({
    topic: 'plug',
    command: 'cmnd/plug',
    name: undefined,
    context: { clock: new ManualClock(0), emit: (signal) => signals.push(signal) },
    send: () => Promise.resolve(),
  });
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
