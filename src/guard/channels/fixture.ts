import type { DeliveryRow, DeliveryState } from '#cctv/index.ts';
import { systemClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import type { AlertMessage } from '../model.ts';
import type { DeliveryStore } from '../port.ts';
import { monitoringConfig, speakersConfig } from './config.ts';
import type { ChannelIo, ChannelSettings } from './contract.ts';

/** An instant for tests: 2026-01-31 08:00:00 UTC. */
export const someInstant = Date.UTC(2026, 0, 31, 8);

export function someAlert(change: Partial<AlertMessage> = {}): AlertMessage {
  const at = change.at ?? someInstant;
  return {
    id: 'alert-1',
    at,
    rule: 'gate_person',
    ruleName: 'Person at the gate',
    camera: 'front_door',
    cameraName: 'Front door',
    label: 'person',
    severity: 'warning',
    text: 'A person, 4 metres from the gate, coming closer',
    observation: {
      camera: 'front_door',
      event: 'event-1',
      at,
      label: 'person',
      score: 0.87,
      box: { left: 0.25, top: 0.5, width: 0.125, height: 0.25 },
      bornAt: at - 2_000,
      velocity: { x: 0.01, y: 0 },
      references: {
        gate: { distance: 4.12345, sigma: 0.3, approach: 0.8, arrivesIn: 5 },
        garage: { distance: 9, sigma: 0.5, approach: -0.1 },
      },
      zones: { path: at - 1_000 },
    },
    gates: [{ gate: 'distance', passed: true, text: '4.1 m ± 0.3 from gate, wanted < 5 m' }],
    ...change,
  };
}

export function someIo(change: Partial<ChannelIo> = {}): ChannelIo {
  return {
    clock: systemClock,
    log: silent,
    random: Math.random,
    timeZone: 'Europe/Berlin',
    env: { PATH: process.env['PATH'] },
    ...change,
  };
}

export const someSettings = (
  raw: { speakers?: unknown; monitoring?: unknown; mqtt?: object } = {},
): ChannelSettings => ({
  speakers: speakersConfig.parse(raw.speakers),
  monitoring: monitoringConfig.parse(raw.monitoring),
  mqtt: raw.mqtt,
});

/** The table of deliveries in memory; a new queue over the same one is a restart. */
export class MemoryDeliveries implements DeliveryStore {
  readonly rows = new Map<string, DeliveryRow>();
  /** Thrown by the next marks, as a full disk does. */
  trouble: Error | undefined;

  add(...rows: readonly Partial<DeliveryRow>[]): void {
    for (const row of rows) {
      const id = row.id ?? `delivery-${this.rows.size + 1}`;
      this.rows.set(id, {
        id,
        alert: 'alert-1',
        channel: 'test',
        action: { type: row.channel ?? 'test' },
        state: 'waiting',
        attempts: 0,
        dueAt: 0,
        ...row,
      });
    }
  }

  due(now: number, limit: number): DeliveryRow[] {
    const due = [...this.rows.values()].filter((row) => row.state === 'waiting' && row.dueAt <= now);
    return [...Map.groupBy(due, (row) => JSON.stringify([row.channel, row.action])).values()]
      .flatMap((rows) => rows.toSorted((a, b) => a.dueAt - b.dueAt).slice(0, limit))
      .toSorted((a, b) => a.dueAt - b.dueAt);
  }

  hasten(now: number): void {
    for (const row of this.rows.values())
      if (row.state === 'waiting' && row.dueAt > now) this.rows.set(row.id, { ...row, dueAt: now });
  }

  mark(
    id: string,
    state: DeliveryState,
    change: { attempts: number; dueAt: number; detail?: string | undefined },
  ): void {
    if (this.trouble !== undefined) throw this.trouble;
    const { detail = this.rows.get(id)?.detail, ...rest } = change;
    this.rows.set(id, {
      ...this.rows.get(id)!,
      ...rest,
      state,
      ...(detail === undefined ? {} : { detail }),
    });
  }

  waiting(channel?: string): number {
    return [...this.rows.values()].filter(
      (row) => row.state === 'waiting' && (channel === undefined || row.channel === channel),
    ).length;
  }
}
