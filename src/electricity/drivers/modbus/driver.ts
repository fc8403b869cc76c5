import type { Protocol, Target } from '../../driver.ts';
import { Bus } from './bus.ts';
import { addressOf, stationOf, type BusSettings, type ModbusConfig } from './config.ts';
import { scanBuses } from './scan.ts';

export { config, example, type ModbusConfig } from './config.ts';

export interface ModbusTarget extends Target {
  readonly bus: BusSettings;
}

/** Meters in the distribution board; a station is one bus. */
export const protocol: Protocol<ModbusConfig, ModbusTarget> = {
  kind: 'modbus',
  // 247 unit ids on a line of 2400 Bd, shared with the polls.
  discoversOnDemand: true,
  configured: ({ buses, poll_interval_seconds }) =>
    buses.filter((bus) => bus.units.length > 0).map((bus) => targetOf(bus, poll_interval_seconds)),
  discover: async function* (config, io) {
    for await (const { bus, found } of scanBuses(config, io))
      yield { target: targetOf(bus, config.poll_interval_seconds), found };
  },
  open: ({ bus, pollIntervalMs }, { poll_interval_seconds, timeout_seconds }, { clock, log }) =>
    new Bus(bus, {
      clock,
      log,
      intervalMs: pollIntervalMs ?? poll_interval_seconds * 1000,
      timeoutMs: timeout_seconds * 1000,
    }),
};

/** The bus is polled as often as its most impatient meter wants it. */
function targetOf(bus: BusSettings, usualSeconds: number): ModbusTarget {
  const seconds = bus.units.map((unit) => unit.poll_interval_seconds ?? usualSeconds);
  return {
    id: stationOf(bus),
    host: addressOf(bus),
    name: bus.name,
    pollIntervalMs: Math.min(usualSeconds, ...seconds) * 1000,
    bus,
  };
}
