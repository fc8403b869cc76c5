import type { Clock } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import type { Answer, Poll } from '../../driver.ts';
import type { Announcement, Values } from '../../model.ts';
import { record, type Json } from '../shared/json.codec.ts';
import { macText } from './iot.codec.ts';
import type { Link } from './model.ts';

/** One family's way to ask a device everything. */
export interface KasaDevice {
  /** Throws LaresError. */
  poll(signal: AbortSignal): Promise<Poll>;
}

export interface DeviceOptions {
  readonly link: SharedLink;
  readonly host: string;
  /** From the settings; wins over the device's own. */
  readonly name: string | undefined;
  readonly clock: Clock;
}

/** What both families say of a device or of one of its sockets. */
export interface Info {
  /** Twelve hex digits. */
  readonly mac: string | undefined;
  readonly deviceId: string | undefined;
  readonly name: string | undefined;
  readonly model: string | undefined;
  readonly firmware: string | undefined;
}

/** One socket of a strip. */
export interface Outlet {
  /** Last node of its id: `00`. */
  readonly node: string;
  readonly name: string | undefined;
  readonly model?: string | undefined;
}

/** What identifies a device and rarely changes; a changed one makes a new announcement. */
interface Card {
  readonly node: string | undefined;
  readonly name: string;
  readonly mac: string | undefined;
  readonly model: string | undefined;
  readonly firmware: string | undefined;
}

/** Lets polls, switching and recollection take turns: a device answers one question at a time. */
export class SharedLink {
  readonly #link: Link;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(link: Link) {
    this.#link = link;
  }

  /** Runs `work` after everything before it has ended. */
  async turn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    let done: (() => void) | undefined;
    this.#last = new Promise<void>((resolve) => (done = resolve));
    try {
      await before;
      return await work();
    } finally {
      done?.();
    }
  }

  /** Only inside `turn`. */
  async ask(request: string, signal: AbortSignal): Promise<Json> {
    if (this.#closed) throw new LaresError('UNREACHABLE', 'this device is no longer watched');
    return record(await this.#link.ask(request, signal));
  }

  close(): void {
    this.#closed = true;
    this.#link.close();
  }
}

const stationOf = (info: Info, host: string): string => info.mac ?? info.deviceId ?? host;

export function pollOf(info: Info, host: string, answers: readonly Answer[]): Poll {
  const mac = info.mac === undefined ? undefined : macText(info.mac);
  return { station: stationOf(info, host), mac, answers };
}

export function switched(on: boolean | undefined): Values {
  return on === undefined ? {} : { is_on: on ? 1 : 0 };
}

/** Keeps announcements as long as nothing about their devices changes. */
export class Announcements {
  readonly #options: Pick<DeviceOptions, 'host' | 'name'>;
  readonly #kept = new Map<string, { readonly card: Card; readonly announcement: Announcement }>();

  constructor(options: Pick<DeviceOptions, 'host' | 'name'>) {
    this.#options = options;
  }

  /** What a device or one of its sockets says. `abilities` is called only for one that is new or has changed. */
  answer(
    info: Info,
    outlet: Outlet | undefined,
    values: Values,
    abilities: () => Pick<Announcement, 'switches' | 'remembers'>,
  ): Answer {
    const { host } = this.#options;
    const station = `kasa:${stationOf(info, host)}`;
    const own = this.#options.name ?? info.name ?? info.model ?? station;
    const node = outlet?.node;
    const mac = info.mac === undefined ? undefined : macText(info.mac);
    const model = outlet?.model ?? info.model;
    const name = outlet === undefined ? own : (outlet.name ?? `${own} ${outlet.node}`);
    const card = { node, name, mac, model, firmware: info.firmware };
    const id = node === undefined ? station : `${station}/${node}`;
    const announcement = this.#get(id, card, () => ({
      device: {
        id,
        source: 'kasa',
        name,
        model,
        firmware: info.firmware,
        mac,
        address: host,
        parent: node === undefined ? undefined : station,
      },
      ...abilities(),
    }));
    return { ...announcement, values };
  }

  #get(id: string, card: Card, make: () => Announcement): Announcement {
    const kept = this.#kept.get(id);
    if (kept !== undefined && same(kept.card, card)) return kept.announcement;
    const announcement = make();
    this.#kept.set(id, { card, announcement });
    return announcement;
  }
}

function same(a: Card, b: Card): boolean {
  return (
    a.name === b.name &&
    a.firmware === b.firmware &&
    a.mac === b.mac &&
    a.model === b.model &&
    a.node === b.node
  );
}

// A relay moves at once, but some firmware reports it a moment later.
const readBackTries = 3;
const readBackGapMs = 150;

/** Reads the state until it is the wanted one, a few times; resolves with what the device says last. Throws BAD_REPLY. */
export async function readBack(
  wanted: boolean,
  read: () => Promise<boolean | undefined>,
  { host, clock, signal }: { readonly host: string; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<boolean> {
  for (let tries = 1; ; tries += 1) {
    const state = await read();
    if (state === wanted) return state;
    if (tries === readBackTries) {
      if (state !== undefined) return state;
      throw new LaresError('BAD_REPLY', `${host} was switched but does not say whether it is on`);
    }
    await clock.sleep(readBackGapMs, signal);
  }
}
