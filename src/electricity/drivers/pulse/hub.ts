import type { Clock, Log } from '#kernel/driver.ts';
import { reason, type LaresError } from '#kernel/errors.ts';
import { complainer } from '#platform/complain.ts';
import type { StateStore } from '#store/model.ts';
import type { ElectricitySignal } from '../../model.ts';
import type { MeterConfig, PulseConfig } from './config.ts';
import {
  datings,
  hear,
  isFresh,
  unheard,
  valuesAt,
  type Heard,
  type Kept,
  type Meter,
} from './meter.rules.ts';
import type { Report, Scale } from './model.ts';

export interface HubIo {
  readonly state: StateStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly emit: (signal: ElectricitySignal) => void;
}

// A device that empties a long memory must not fill ours.
const mostWaiting = 10_000;

export const deviceId = (meter: MeterConfig): string => `pulse:${meter.id}`;
const stateKey = (meter: MeterConfig) => `electricity.pulse.${meter.id}`;

interface Entry {
  readonly config: MeterConfig;
  readonly scale: Scale;
  meter: Meter;
  /** Instant of the newest thing told, epoch ms. */
  toldAt: number;
  kept: Meter['counter'];
  /** Measurements of the past that wait for the next tick. */
  late: ElectricitySignal[];
}

/** The meters of one run: what was heard, what is kept, what is told. Messages change it at once, ticks tell it. */
export class PulseHub {
  readonly #io: HubIo;
  readonly #entries: Map<string, Entry>;
  readonly #complain: (text: string) => void;

  constructor(config: PulseConfig, io: HubIo) {
    this.#io = io;
    this.#complain = complainer(io.log, io.clock);
    this.#entries = new Map(
      config.meters.map((meter) => [
        meter.id,
        {
          config: meter,
          scale: { impPerKwh: meter.imp_per_kwh, wrapsAt: meter.wraps_at },
          meter: unheard(),
          toldAt: Number.NEGATIVE_INFINITY,
          kept: undefined,
          late: [],
        },
      ]),
    );
  }

  /** Takes up the counters where the last run left them, and says which meters there are. */
  async open(): Promise<void> {
    for (const entry of this.#entries.values()) {
      const { config } = entry;
      const kept = await this.#io.state.get<Kept>(stateKey(config));
      entry.meter = unheard(kept);
      entry.kept = kept?.counter;
      entry.toldAt = kept?.counter?.at ?? Number.NEGATIVE_INFINITY;
      this.#io.emit({
        kind: 'device',
        device: {
          id: deviceId(config),
          source: 'meter',
          name: config.name,
          medium: config.medium,
          model: 'pulse counter',
        },
      });
    }
  }

  /** One delivery of one sender, oldest message first. */
  deliver({ id }: MeterConfig, reports: readonly Report[]): readonly Heard['outcome'][] {
    const entry = this.#entries.get(id);
    if (entry === undefined) return [];
    const now = this.#io.clock.now();
    const dates = datings(entry.meter, reports, now);
    return reports.map((report, i) => {
      const heard = hear(entry.meter, report, dates[i]!, now, entry.scale);
      entry.meter = heard.meter;
      this.#note(entry, heard);
      return heard.outcome;
    });
  }

  /** What a broker says about the line to a device. */
  online({ id }: MeterConfig, online: boolean): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.meter = { ...entry.meter, offline: !online };
  }

  trouble(meter: MeterConfig, address: string, error: LaresError): void {
    this.#io.emit({ kind: 'trouble', id: deviceId(meter), address, error });
  }

  /** Keeps what has changed, then tells it: what was told is never forgotten. */
  async tick(): Promise<void> {
    await this.keep();
    const now = this.#io.clock.now();
    for (const entry of this.#entries.values()) {
      for (const signal of entry.late.splice(0)) this.#io.emit(signal);
      if (!isFresh(entry.meter, now)) continue;
      const { newsAt } = entry.meter;
      const news = newsAt !== undefined && newsAt > entry.toldAt;
      const at = news ? newsAt : now;
      const { energy_wh, ...power } = valuesAt(entry.meter, at);
      // Between two messages only the power is known: that it is no more than silence allows.
      const values = news && energy_wh !== undefined ? { ...power, energy_wh } : power;
      if (Object.keys(values).length === 0) continue;
      entry.toldAt = at;
      this.#io.emit({ kind: 'measured', id: deviceId(entry.config), at, values });
    }
  }

  /** Writes the counters that have changed. */
  async keep(): Promise<void> {
    for (const entry of this.#entries.values()) {
      const { counter, startedAt } = entry.meter;
      if (counter === undefined || counter === entry.kept) continue;
      try {
        await this.#io.state.set(stateKey(entry.config), { counter, startedAt } satisfies Kept);
        entry.kept = counter;
      } catch (error) {
        this.#complain(`pulse error: the count of ${entry.config.name} cannot be kept: ${reason(error)}`);
      }
    }
  }

  #note(entry: Entry, heard: Heard): void {
    const { config, meter } = entry;
    if (heard.outcome === 'rebased')
      this.#complain(
        `pulse error: the count of ${config.name} jumped by more than a house can draw; it goes on from there (check imp_per_kwh and wraps_at)`,
      );
    if (heard.outcome === 'restarted')
      this.#io.log.info(`pulse: ${config.name} started again and lost its count`);
    const news = heard.late && heard.outcome !== 'replay' && heard.at > entry.toldAt;
    if (!news || entry.late.length >= mostWaiting) return;
    entry.toldAt = heard.at;
    entry.late.push({
      kind: 'measured',
      id: deviceId(config),
      at: heard.at,
      values: valuesAt(meter, heard.at),
    });
  }
}
