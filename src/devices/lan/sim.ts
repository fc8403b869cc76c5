import type { Clock } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import type { LanScanner, LanSighting, Mac, SweepResult, Target, Via } from '../model.ts';
import { encloses, hostsOf, parseNetwork } from './codec/ipv4.ts';
import {
  answers,
  answersDirected,
  firstAfter,
  phoneHabits,
  planStay,
  privateMac,
  seeded,
  type PhoneHabits,
  type Stay,
} from './phone-model.ts';

/** A device of a simulated LAN. */
export interface SimulatedDevice {
  /** By which faults name it. */
  readonly name: string;
  /** Fixed, or made up anew for each stay that begins at `since` (epoch ms), as the phone of another guest is. */
  readonly mac: Mac | ((since: number) => Mac);
  readonly ip: string;
  readonly hostname?: string;
  readonly dhcpFingerprint?: string;
  readonly dhcpVendorClass?: string;
  readonly habits: PhoneHabits;
  /** Whether it is in reach at `at`, since when and until when (epoch ms). */
  readonly presence: (at: number) => {
    readonly here: boolean;
    readonly since: number;
    readonly until: number;
  };
}

export interface SimulatedLan {
  /** CIDR. */
  readonly network: string;
  readonly devices: readonly SimulatedDevice[];
  readonly clock: Clock;
  /** The same seed gives the same sleeps and answers. */
  readonly seed: string;
}

/** Faults on demand. */
export interface SimulatedScanner extends LanScanner {
  /** The device neither answers nor speaks for `ms` of the clock's time. Throws NOT_FOUND for an unknown name. */
  drop(device: string, ms: number): void;
  /** The device rejoins under a new private address, at once if it is here. */
  rotate(device: string): void;
  /** The next `count` sweeps and probes fail. */
  fail(count: number): void;
}

/** Habits of what hangs on mains: always awake, never off, heard every two minutes. */
export const mainsHabits: PhoneHabits = {
  ...phoneHabits,
  suspendedShare: 0,
  awake: { broadcast: 0.999, unicast: 1, udp5353: 1 },
  offPerHour: 0,
  frameEveryMs: 120_000,
};

const sweepMs = 700;
const probeMs = 60;
const dayMs = 86_400_000;
// Frames are looked for at least this often, so that a clock that was set is noticed.
const longestSleepMs = 60_000;

/** A device with what is drawn of it so far. */
class Member {
  readonly device: SimulatedDevice;
  readonly #seed: string;
  readonly #openedAt: number;
  #stay: (Stay & { readonly mac: Mac }) | undefined;
  #turn = 0;
  #turnedAt = Number.NEGATIVE_INFINITY;
  droppedUntil = Number.NEGATIVE_INFINITY;

  constructor(device: SimulatedDevice, seed: string, openedAt: number) {
    this.device = device;
    this.#seed = seed;
    this.#openedAt = openedAt;
  }

  rotate(now: number): void {
    this.#turn += 1;
    this.#turnedAt = now;
    this.#stay = undefined;
  }

  /** The stay that holds `at`, undefined when it is away. Long stays are drawn a day at a time. */
  stayAt(at: number): (Stay & { readonly mac: Mac }) | undefined {
    if (this.#stay !== undefined && at >= this.#stay.from && at < this.#stay.to) return this.#stay;
    const { here, since, until } = this.device.presence(at);
    if (!here) return undefined;
    const begun = Math.max(since, this.#turnedAt <= at ? this.#turnedAt : since);
    const from = begun + Math.floor((at - begun) / dayMs) * dayMs;
    const joins = from === begun && begun >= this.#openedAt;
    const random = seeded(`${this.#seed}:${this.device.name}:${from}`);
    const span = { from, to: Math.min(until, from + dayMs) };
    this.#stay = { ...planStay(span, joins, this.device.habits, random), mac: this.#mac(since) };
    return this.#stay;
  }

  #mac(since: number): Mac {
    if (this.#turn > 0) return privateMac(`${this.#seed}:${this.device.name}`, this.#turn);
    return typeof this.device.mac === 'string' ? this.device.mac : this.device.mac(since);
  }
}

/**
 * A scanner over a simulated LAN. Devices answer as their habits say and speak by themselves while somebody listens;
 * a sweep takes 0.7 s of the clock's time. Networks are refused as by the real scanners: CONFIG_INVALID for what is
 * no network, UNREACHABLE for one that this LAN is not part of.
 */
export function simulatedScanner({ network, devices, clock, seed }: SimulatedLan): SimulatedScanner {
  const lan = parseNetwork(network);
  const random = seeded(`${seed}:asking`);
  const members = devices.map((device) => new Member(device, seed, clock.now()));
  let failures = 0;
  // Ends the listener's sleep when something happens that it did not foresee.
  let wake = new AbortController();

  const check = (asked: string) => {
    const wanted = parseNetwork(asked);
    if (!encloses(wanted, lan) && !encloses(lan, wanted))
      throw new LaresError(
        'UNREACHABLE',
        `no interface has an address in ${wanted.cidr}; the simulated LAN is ${lan.cidr}`,
      );
    if (failures > 0) {
      failures -= 1;
      throw new LaresError('UNREACHABLE', 'the simulated LAN is down, as asked');
    }
    return wanted;
  };
  const named = (name: string) => {
    const member = members.find((m) => m.device.name === name);
    if (member !== undefined) return member;
    throw new LaresError('NOT_FOUND', `no simulated device is called ${name}`);
  };
  /** The stay of a member that can be heard at `at`. */
  const audible = (member: Member, at: number) => (at < member.droppedUntil ? undefined : member.stayAt(at));
  const sighting = (
    { ip, hostname, dhcpFingerprint, dhcpVendorClass }: SimulatedDevice,
    mac: Mac,
    at: number,
    via: Via,
  ): LanSighting => ({
    mac,
    ip,
    at,
    via,
    network: lan.cidr,
    ...(hostname === undefined ? {} : { hostname }),
    ...(via === 'dhcp' && dhcpFingerprint !== undefined ? { dhcpFingerprint } : {}),
    ...(via === 'dhcp' && dhcpVendorClass !== undefined ? { dhcpVendorClass } : {}),
  });
  const asked = (at: number, answered: (stay: Stay & { mac: Mac }, member: Member) => boolean) =>
    members.flatMap((member) => {
      const stay = audible(member, at);
      return stay !== undefined && answered(stay, member)
        ? [sighting(member.device, stay.mac, at, 'arp-reply')]
        : [];
    });

  return {
    method: 'simulated',
    why: `a simulated LAN of ${devices.length} devices; nothing is sent`,

    async sweep(text: string, signal: AbortSignal): Promise<SweepResult> {
      const wanted = check(text);
      const started = clock.monotonic();
      await clock.sleep(sweepMs, signal);
      const at = clock.now();
      const found = signal.aborted
        ? []
        : asked(at, (stay, { device: { habits } }) => answers(stay, at, 'broadcast', habits, random));
      const tookMs = Math.round(clock.monotonic() - started);
      return { network: wanted.cidr, at, probed: hostsOf(wanted).length, tookMs, found };
    },

    async probe(text: string, targets: readonly Target[], signal: AbortSignal): Promise<LanSighting[]> {
      check(text);
      await clock.sleep(probeMs, signal);
      if (signal.aborted) return [];
      const at = clock.now();
      const wanted = new Set(targets.map((t) => t.mac));
      return asked(
        at,
        (stay, { device: { habits } }) => wanted.has(stay.mac) && answersDirected(stay, at, habits, random),
      );
    },

    async listen(
      networks: readonly string[],
      heard: (s: LanSighting) => void,
      signal: AbortSignal,
    ): Promise<void> {
      for (const text of networks) parseNetwork(text);
      let heardTo = clock.now();
      while (!signal.aborted) {
        const now = clock.now();
        // A clock set back must not replay what was heard already, nor wait until it catches up.
        heardTo = Math.min(heardTo, now);
        let next = now + longestSleepMs;
        for (const member of members) {
          const stay = member.stayAt(now);
          if (stay === undefined) {
            next = Math.min(next, member.device.presence(now).until);
            continue;
          }
          let i = firstAfter(stay.frames, heardTo, (f) => f.at);
          for (; i < stay.frames.length && stay.frames[i]!.at <= now; i += 1) {
            const { at, via } = stay.frames[i]!;
            if (at >= member.droppedUntil) heard(sighting(member.device, stay.mac, Math.round(at), via));
          }
          next = Math.min(next, stay.frames[i]?.at ?? stay.to);
        }
        heardTo = now;
        wake = new AbortController();
        await clock.sleep(Math.max(1, next - now), AbortSignal.any([signal, wake.signal]));
      }
    },

    close: () => Promise.resolve(),
    drop: (name, ms) => {
      named(name).droppedUntil = clock.now() + ms;
    },
    rotate: (name) => {
      named(name).rotate(clock.now());
      wake.abort();
    },
    fail: (count) => {
      failures = count;
    },
  };
}
