import type { Clock } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import type { Answer, Poll, Station, Target } from '../../driver.ts';
import type { Device, Switches } from '../../model.ts';
import { TuyaClient } from './client.ts';
import type { TuyaDeviceConfig } from './config.ts';
import {
  measuredPoints,
  productMap,
  recognise,
  toValues,
  wantedPoints,
  type PointMap,
} from './data-points.rules.ts';
import { tuyaPort, type DataPoints, type Version } from './model.ts';
import { judge, rescaled, scaleNotes, trusted, type Scales } from './plausible.rules.ts';

const readBackTries = 5;
const readBackMs = 150;

/** One device of a station: the host itself, or a sub-device behind it. */
export interface Part {
  readonly settings: TuyaDeviceConfig | undefined;
  readonly id: string;
  readonly cid?: string | undefined;
  readonly productId?: string | undefined;
}

/** One physical device and what of it is polled. */
export interface TuyaTarget extends Target {
  readonly deviceId: string;
  readonly port: number;
  /** From the settings. */
  readonly version?: Version | undefined;
  /** From its broadcast. */
  readonly saidVersion?: Version | undefined;
  /** The device itself first, then the sub-devices behind it. */
  readonly parts: readonly Part[];
}

/** One physical device, polled over the one connection that it allows. */
export class TuyaStation implements Station {
  readonly #target: TuyaTarget;
  readonly #client: TuyaClient;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #members: readonly Member[];

  constructor(target: TuyaTarget, key: string, timeoutMs: number, clock: Clock) {
    const { host, port, deviceId, version, saidVersion: hint } = target;
    this.#target = target;
    this.#clock = clock;
    this.#client = new TuyaClient({ host, port, id: deviceId, key, version, hint, timeoutMs, clock });
    this.#timeoutMs = timeoutMs;
    this.#members = target.parts.map((part) => new Member(part));
  }

  async poll(signal: AbortSignal): Promise<Poll> {
    const [self] = this.#members;
    const subs = this.#members.slice(1);
    const answers: Answer[] = [];
    // A gateway as such measures nothing, and some never answer for themselves.
    if (self !== undefined && (subs.length === 0 || self.map !== undefined))
      answers.push(...(await this.#ask(self, signal)));
    if (subs.length > 0) answers.push(...(await this.#askSubs(subs, answers.length === 0, signal)));
    return { station: this.#target.deviceId, mac: this.#target.mac, answers };
  }

  close(): void {
    this.#client.close();
  }

  /** Those that answered last come first, so that those that are away cost only the time that is left. */
  async #askSubs(subs: readonly Member[], onlyThese: boolean, signal: AbortSignal): Promise<Answer[]> {
    const until = this.#clock.monotonic() + this.#timeoutMs * 0.7;
    const answers: Answer[] = [];
    let failure: Error | undefined;
    for (const sub of subs.toSorted((a, b) => a.away - b.away)) {
      if (failure !== undefined && this.#clock.monotonic() > until) break;
      try {
        answers.push(...(await this.#ask(sub, signal)));
        sub.away = 0;
      } catch (error) {
        sub.away += 1;
        failure = error as Error;
        if (signal.aborted) break;
      }
    }
    if (answers.length === 0 && onlyThese && failure !== undefined) throw failure;
    return answers;
  }

  async #ask(member: Member, signal: AbortSignal): Promise<Answer[]> {
    const { cid, settings } = member.part;
    const map = member.map;
    if (map !== undefined && cid === undefined && settings?.refresh !== false)
      await this.#client.refresh(measuredPoints(map), signal);
    const points = await this.#status(member, signal);
    // Reading comes first: it teaches what the device is.
    const values = member.read(points);
    const switches = this.#switches(member);
    return [{ device: this.#device(member), ...(switches !== undefined && { switches }), values }];
  }

  #status(member: Member, signal: AbortSignal): Promise<DataPoints> {
    const { cid } = member.part;
    const behindGateway = cid === undefined ? undefined : 1_000;
    return this.#client.status(signal, wantedPoints(member.map), cid, behindGateway);
  }

  #device(member: Member): Device {
    const { id, settings, productId } = member.part;
    const { host, port, deviceId, mac } = this.#target;
    return {
      id: `tuya:${id}`,
      source: 'tuya',
      name: settings?.name ?? id,
      model: productId,
      address: port === tuyaPort ? host : `${host}:${port}`,
      ...(member.part.cid === undefined ? { mac } : { parent: `tuya:${deviceId}` }),
      firmware: this.#client.version === undefined ? undefined : `protocol ${this.#client.version}`,
      notes: member.notes(),
    };
  }

  #switches(member: Member): Switches | undefined {
    const dp = member.map?.switchDp;
    if (dp === undefined || !member.hasSwitch) return undefined;
    return { turn: (on, signal) => this.#turn(member, dp, on, signal) };
  }

  /** Switches and asks until the device says so; what it says last is the truth. */
  async #turn(member: Member, dp: number, on: boolean, signal: AbortSignal): Promise<boolean> {
    await this.#client.set(new Map([[dp, on]]), signal, member.part.cid);
    for (let tries = 1; ; tries += 1) {
      const state = (await this.#status(member, signal)).get(dp);
      if (typeof state === 'boolean' && (state === on || tries === readBackTries)) return state;
      if (tries === readBackTries)
        throw new LaresError('BAD_REPLY', `Tuya device ${member.part.id} does not say whether it is on`);
      await this.#clock.sleep(readBackMs * tries, signal);
    }
  }
}

/** What is learnt about one device over its polls. */
class Member {
  readonly part: Part;
  #recognised: PointMap | undefined;
  #scales: Scales = trusted;
  hasSwitch = false;
  /** Polls in a row that it did not answer. */
  away = 0;

  constructor(part: Part) {
    this.part = part;
  }

  get map(): PointMap | undefined {
    const { settings } = this.part;
    const known = productMap(this.part.productId) ?? this.#recognised;
    if (settings === undefined || (settings.dps.length === 0 && settings.switch_dp === undefined))
      return known;
    return {
      title: 'settings',
      ...known,
      switchDp: settings.switch_dp ?? known?.switchDp ?? 1,
      values: {
        ...known?.values,
        ...Object.fromEntries(settings.dps.map(({ quantity, dp, scale }) => [quantity, { dp, scale }])),
      },
    };
  }

  read(points: DataPoints) {
    // A device may show its metering data points only after a while, so a mere switch is looked at again.
    if (Object.keys(this.#recognised?.values ?? {}).length === 0) this.#recognised = recognise(points);
    const { map } = this;
    if (map === undefined) return {};
    this.hasSwitch = map.switchDp !== undefined && typeof points.get(map.switchDp) === 'boolean';
    const values = toValues(map, points);
    this.#scales = judge(this.#scales, values);
    return this.#fixed ? values : rescaled(values, this.#scales);
  }

  notes(): string[] {
    const { map } = this;
    if (map === undefined) return ['it shows no data point that is known; say under dps what they mean'];
    return this.#fixed
      ? scaleNotes(map, this.#scales).map((note) =>
          note.replace('was inferred', 'in the settings looks wrong'),
        )
      : scaleNotes(map, this.#scales);
  }

  /** Scales that a person wrote are obeyed. */
  get #fixed(): boolean {
    return (
      this.part.settings?.dps.some(({ quantity }) => /^(power|voltage|current)_/.test(quantity)) === true
    );
  }
}
