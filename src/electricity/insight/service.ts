import { offset } from '#platform/local-time.ts';
import type { Log } from '#kernel/driver.ts';
import { reason } from '#kernel/errors.ts';
import type { NewEvent } from '#kernel/event.ts';
import type { ReadingLog, StateStore } from '#store/model.ts';
import { localDay, startOfDay } from '../energy/calendar.rules.ts';
import { type EnergyBook, houseId } from '../energy/model.ts';
import {
  type Anomaly,
  type AnomalyKind,
  baseLoadAnomaly,
  type DayEnergy,
  deviceAnomalies,
  energyAnomaly,
  type Subject,
} from './anomaly.rules.ts';
import {
  type ApplianceEvent,
  type ApplianceState,
  unwatched,
  watchAll,
  watchMinute,
} from './appliances.rules.ts';
import { type BaseLoad, baseLoad, nightLoads } from './baseload.rules.ts';
import { dayEnergies } from './days.rules.ts';
import { type Episode, type Episodes, settle } from './episodes.rules.ts';
import { type Habit, newHabit, observe } from './habit.rules.ts';
import { leftOn } from './lefton.rules.ts';
import { type PowerSample, slotPower, type Standby, standbyOf } from './standby.rules.ts';

/** A device as insight sees it: `id` and `name` from its announcement. */
export interface Watched extends Subject {
  /** W now; undefined while nobody knows. */
  readonly watts: number | undefined;
  /** Series of its power. */
  readonly series: string;
  /** Minutes that it may be on at most, where the settings say so. */
  readonly limitMin?: number | undefined;
  /** W that things of its kind typically draw on standby. */
  readonly typicalStandbyWatts?: number | undefined;
}

export interface InsightPorts {
  readonly log: Pick<Log, 'warn'>;
  readonly book: EnergyBook;
  readonly readings: Pick<ReadingLog, 'chart' | 'samples'>;
  readonly state: StateStore;
  /** What there is now, without the house itself. */
  readonly devices: () => readonly Watched[];
  readonly emit: (event: NewEvent) => void;
  /** IANA name. */
  readonly timeZone: () => string;
  /** Currency units per kWh; undefined without a tariff. */
  readonly pricePerKwh: () => number | undefined;
  /** Series of the power of the whole house, for what was measured since the last save. */
  readonly houseSeries: string;
}

/** Who is home, as far as somebody knows. */
export interface Occupancy {
  /** Epoch ms since when nobody has been home; undefined while somebody is, or nobody knows. */
  readonly nobodyHomeSince?: number | undefined;
}

export interface InsightReport {
  /** Epoch ms. */
  readonly at: number;
  /** Most expensive first; devices with less than a day of history are absent. */
  readonly standby: readonly (Standby & Subject)[];
  readonly baseLoad: BaseLoad | undefined;
  /** What is out of the ordinary now. */
  readonly anomalies: readonly Episode[];
  /** Appliances recognised in the power of the house, newest first. */
  readonly appliances: readonly ApplianceEvent[];
}

interface Learned {
  readonly house: ApplianceState;
  readonly habits: readonly (readonly [id: string, habit: Habit])[];
  readonly days: readonly (readonly [id: string, days: readonly DayEnergy[]])[];
}

interface Told {
  readonly episodes: Episodes;
  readonly appliances: readonly ApplianceEvent[];
}

/** Where insight keeps what it has learned, and what it has told. */
export const learnedKey = 'electricity.insight.learned';
export const toldKey = 'electricity.insight.told';

const minuteMs = 60_000;
const hourMs = 3_600_000;
const dayMs = 86_400_000;
const kept = { days: 42, appliances: 50, forgetMs: 90 * dayMs, devices: 500 } as const;
/** Devices are judged this often; what matters takes hours. */
const judgeEveryMs = 5 * minuteMs;
/** Between these a device is silent; before it is well, and after it is gone. */
const silentMs = { from: 30 * minuteMs, to: 2 * dayMs } as const;
/** Compared once an hour; after a restart they stand until then. */
const hourlyKinds: ReadonlySet<string> = new Set([
  'uses-too-much',
  'base-load-risen',
] satisfies AnomalyKind[]);
const longestName = 64;
const standbyDays = 7;
const nightDays = { step: 30, level: 7 } as const;
const nightEndsHour = 6;

/** Knows the house's habits and tells what stands out: once when it begins and once when it ends. Has no timers. */
export class Insight {
  readonly #ports: InsightPorts;
  readonly #habits = new Map<string, Habit>();
  readonly #days = new Map<string, readonly DayEnergy[]>();
  #house: ApplianceState = unwatched;
  #told: Told = { episodes: [], appliances: [] };
  #byEnergy: readonly Anomaly[] = [];
  #byNight: readonly Anomaly[] = [];
  #compared = false;
  #baseLoad: BaseLoad | undefined;
  #nightsOf = Number.NaN;
  #judgedAt = Number.NEGATIVE_INFINITY;
  #standby: { readonly at: number; readonly list: InsightReport['standby'] } | undefined;

  constructor(ports: InsightPorts) {
    this.#ports = ports;
  }

  /** Takes up what was learned before a restart, and what was measured since it was saved. */
  async start(now: number): Promise<void> {
    const { state } = this.#ports;
    const learned = await state.get<Learned>(learnedKey);
    this.#told = (await state.get<Told>(toldKey)) ?? this.#told;
    if (learned === undefined) return;
    for (const [id, habit] of learned.habits) this.#habits.set(id, habit);
    for (const [id, days] of learned.days) this.#days.set(id, days);
    this.#house = withTold(learned.house, this.#told.appliances);
    await this.#catchUp(now);
  }

  /**
   * A minute has passed: `housePowerW` is the mean power of the whole house over the minute that ends at `now` (epoch
   * ms), undefined where it was not measured. Never throws.
   */
  async minute(now: number, housePowerW: number | undefined, home: Occupancy = {}): Promise<void> {
    const step = watchMinute(this.#house, now - minuteMs, housePowerW ?? Number.NaN);
    this.#house = step.state;
    const away = home.nobodyHomeSince !== undefined;
    for (const { id, watts } of this.#devices())
      if (watts !== undefined && (this.#habits.has(id) || this.#habits.size < kept.devices))
        this.#habits.set(id, observe(this.#habits.get(id) ?? newHabit(now), now, watts, away));
    const judged = Math.abs(now - this.#judgedAt) >= judgeEveryMs && this.#judge(now, home);
    if (step.events.length === 0 && !judged) return;
    this.#tellAppliances(step.events);
    await this.#save(toldKey, this.#told);
  }

  /** An hour has passed: compares energy and nights with those before, and saves what was learned. Never throws. */
  async hourly(now: number): Promise<void> {
    try {
      this.#byEnergy = await this.#energies(now);
      await this.#nights(now);
      this.#compared = true;
    } catch (error) {
      this.#ports.log.warn(`insight: energy could not be compared: ${reason(error)}`);
    }
    await this.save(now);
  }

  /** Writes down what was learned. Never throws. */
  async save(now: number): Promise<void> {
    for (const [id, habit] of this.#habits) if (now - habit.last > kept.forgetMs) this.#habits.delete(id);
    const learned: Learned = { house: this.#house, habits: [...this.#habits], days: [...this.#days] };
    await this.#save(learnedKey, learned);
  }

  /** W that the house draws when nobody uses anything; undefined before the first whole night. */
  baseLoadWatts(): number | undefined {
    return this.#baseLoad?.watts;
  }

  /** Everything that stands out, for CLI and HTTP. Standby is computed at most once an hour. */
  async report(now: number): Promise<InsightReport> {
    if (this.#baseLoad === undefined) await this.#nights(now);
    if (this.#standby === undefined || Math.abs(now - this.#standby.at) >= hourMs)
      this.#standby = { at: now, list: await this.#standbyList(now) };
    return {
      at: now,
      standby: this.#standby.list,
      baseLoad: this.#baseLoad,
      anomalies: this.#told.episodes.filter((e) => e.goneSince === undefined),
      appliances: this.#told.appliances.toSorted((a, b) => b.to - a.to),
    };
  }

  /** Names come from devices: they are cut before they end up in sentences that are kept for good. */
  #devices(): readonly Watched[] {
    return this.#ports.devices().map((device) => ({ ...device, name: device.name.slice(0, longestName) }));
  }

  async #catchUp(now: number): Promise<void> {
    const next = this.#house.from + this.#house.power.length * minuteMs;
    if (this.#house.power.length === 0 || now - next > 6 * hourMs) return;
    const samples = await this.#ports.readings.samples(this.#ports.houseSeries, next, now);
    const { state, events } = watchAll(byMinute(samples), this.#house);
    this.#house = state;
    this.#tellAppliances(events);
    if (events.length > 0) await this.#save(toldKey, this.#told);
  }

  #tellAppliances(events: readonly ApplianceEvent[]): void {
    if (events.length === 0) return;
    const appliances = [...this.#told.appliances, ...events].slice(-kept.appliances);
    this.#told = { ...this.#told, appliances };
    for (const { appliance, from, to, wh, confidence, text } of events)
      this.#ports.emit({
        at: to,
        kind: 'electricity.appliance',
        subject: `appliance:${appliance}`,
        cause: 'insight',
        evidence: [{ at: from, source: 'electricity', text, ref: this.#ports.houseSeries }],
        data: { appliance, from, to, wh: Math.round(wh), confidence },
      });
  }

  /** Opens and closes episodes; true when one did. */
  #judge(now: number, home: Occupancy): boolean {
    this.#judgedAt = now;
    const found: Episode[] = this.#compared
      ? [...this.#byEnergy, ...this.#byNight].map((a) => ({ ...a, event: 'anomaly' }))
      : this.#told.episodes.filter((e) => hourlyKinds.has(e.kind));
    for (const device of this.#devices()) {
      const habit = this.#habits.get(device.id);
      if (habit === undefined) continue;
      found.push(...deviceAnomalies(device, habit, now).map((a) => ({ ...a, event: 'anomaly' as const })));
      const { nobodyHomeSince } = home;
      const left = leftOn(device, habit, now, {
        nobodyHomeSince,
        limitMin: device.limitMin,
        watts: device.watts,
      });
      if (left !== undefined) found.push({ ...left, kind: 'left-on', event: 'left-on' });
    }
    const silence = (id: string) => now - (this.#habits.get(id)?.last ?? 0);
    const heard = (id: string) => silence(id) <= silentMs.from || silence(id) > silentMs.to;
    const { episodes, began, ended } = settle(this.#told.episodes, found, now, heard);
    this.#told = { ...this.#told, episodes };
    for (const episode of began) this.#tell(`electricity.${episode.event}`, episode, now);
    for (const episode of ended) this.#tell(`electricity.${episode.event}-ended`, episode, now);
    return began.length + ended.length > 0;
  }

  #tell(kind: string, { subject, evidence, goneSince, ...episode }: Episodes[number], now: number): void {
    const { kind: what, since, text, severity } = episode;
    this.#ports.emit({
      at: goneSince ?? now,
      kind,
      subject: subject === houseId ? houseId : `device:${subject}`,
      cause: 'insight',
      evidence,
      data: { what, since, text, severity, ...(goneSince !== undefined && { until: goneSince }) },
    });
  }

  async #energies(now: number): Promise<Anomaly[]> {
    const { book } = this.#ports;
    const timeZone = this.#ports.timeZone();
    const today = localDay(now, timeZone);
    const midnight = startOfDay(today, timeZone);
    const subjects = [{ id: houseId, name: 'The house' }, ...this.#devices()];
    const booked = new Set(await book.devices());
    const found: Anomaly[] = [];
    for (const subject of subjects.filter((s) => booked.has(s.id))) {
      const before = await this.#daysOf(subject.id, today, timeZone);
      const slots = await book.slots(subject.id, midnight, now);
      const wh = slots.reduce((sum, s) => sum + s.wh, 0);
      const anomaly = energyAnomaly(subject, before, { day: today, wh }, midnight, now);
      if (anomaly !== undefined) found.push(anomaly);
    }
    for (const id of this.#days.keys()) if (!booked.has(id)) this.#days.delete(id);
    return found;
  }

  /** The energy of each whole day before `today` for which enough is known, at most six weeks. */
  async #daysOf(id: string, today: number, timeZone: string): Promise<readonly DayEnergy[]> {
    const known = this.#days.get(id) ?? [];
    const first = Math.max((known.at(-1)?.day ?? 0) + 1, today - kept.days);
    if (first >= today) return known;
    const [from, to] = [startOfDay(first, timeZone), startOfDay(today, timeZone)];
    const fresh = dayEnergies(await this.#ports.book.slots(id, from, to), (at) => localDay(at, timeZone));
    const days = [...known, ...fresh.filter((d) => d.day >= first && d.day < today)].slice(-kept.days);
    this.#days.set(id, days);
    return days;
  }

  /** Once a day, when the night is over. */
  async #nights(now: number): Promise<void> {
    const timeZone = this.#ports.timeZone();
    const day = localDay(now - nightEndsHour * hourMs, timeZone);
    if (day === this.#nightsOf) return;
    const { book } = this.#ports;
    const end = startOfDay(day, timeZone) + nightEndsHour * hourMs;
    const offsetOf = (at: number) => offset(at, timeZone);
    const house = await book.slots(houseId, end - nightDays.step * dayMs, end);
    const level = end - nightDays.level * dayMs;
    const devices = await Promise.all(
      this.#devices().map(async ({ id }) => [id, await book.slots(id, level, end)] as const),
    );
    const recent = house.filter((s) => s.at >= level);
    this.#baseLoad = baseLoad(recent, new Map(devices), offsetOf);
    const weekday = new Intl.DateTimeFormat('en-GB', { weekday: 'long', timeZone });
    const step = baseLoadAnomaly(nightLoads(house, offsetOf), now, (at) => weekday.format(at));
    this.#byNight = step === undefined ? [] : [step];
    this.#nightsOf = day;
  }

  async #standbyList(now: number): Promise<InsightReport['standby']> {
    const perKwh = this.#ports.pricePerKwh();
    const found: (Standby & Subject)[] = [];
    for (const { id, name, series, typicalStandbyWatts } of this.#devices()) {
      const standby = standbyOf(await this.#history(id, series, now), {
        perKwh,
        typicalWatts: typicalStandbyWatts,
      });
      if (standby !== undefined) found.push({ id, name, ...standby });
    }
    return found.toSorted((a, b) => b.kwhPerYear - a.kwhPerYear);
  }

  /** The last week of a device in five-minute means; in quarter hours where only its energy is known. */
  async #history(id: string, series: string, now: number): Promise<PowerSample[]> {
    const from = now - standbyDays * dayMs;
    const ms = 5 * minuteMs;
    const points = await this.#ports.readings.chart(series, from, now, (now - from) / ms);
    if (points.length * ms >= dayMs) return points.map(({ at, mean }) => ({ at, ms, watts: mean }));
    return slotPower(await this.#ports.book.slots(id, from, now));
  }

  async #save(key: string, value: unknown): Promise<void> {
    try {
      await this.#ports.state.set(key, value);
    } catch (error) {
      this.#ports.log.warn(`insight: what was learned could not be kept: ${reason(error)}`);
    }
  }
}

/** What was told after the state was saved is not told again. */
function withTold(house: ApplianceState, events: readonly ApplianceEvent[]): ApplianceState {
  const told = { ...house.told };
  for (const { appliance, to } of events) told[appliance] = Math.max(told[appliance], to);
  return { ...house, told };
}

/** Samples as means of whole minutes. */
function byMinute(samples: readonly (readonly [at: number, watts: number])[]): [at: number, watts: number][] {
  const minutes = new Map<number, { sum: number; n: number }>();
  for (const [at, watts] of samples) {
    const minute = Math.floor(at / minuteMs) * minuteMs;
    const { sum, n } = minutes.get(minute) ?? { sum: 0, n: 0 };
    minutes.set(minute, { sum: sum + watts, n: n + 1 });
  }
  return [...minutes].map(([at, { sum, n }]) => [at, sum / n]);
}
