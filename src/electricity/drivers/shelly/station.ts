import { LaresError } from '#kernel/errors.ts';
import type { Answer, ElectricityContext, Poll, Station } from '../../driver.ts';
import type { EnergySlot, Remembers, Switches } from '../../model.ts';
import { ShellyClient } from './client.ts';
import { label, record } from '../shared/json.codec.ts';
import { within, type Channel, type Identity, type Memory, type Reading, type Turning } from './codec.ts';
import { addLogs, parseLog, readGen1 } from './gen1.codec.ts';
import { minutes, parseBlocks, parseHistory, readGen2, type Block } from './gen2.codec.ts';

export interface StationOptions {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string | undefined;
  /** What the settings call it. */
  readonly name: string | undefined;
}

/** Beyond this the clock of a device is wrong rather than late. */
const skewMs = 30_000;
// A device of the weakest kind hands out about 60 records a second, so a page or two is what one time limit allows.
const mostPages = 2_000;

interface Known {
  readonly identity: Identity;
  /** `/settings` or `Shelly.GetConfig`: the names of its channels. */
  readonly config: unknown;
  readonly revision: number | undefined;
}

/** One Shelly of any generation. One request a poll, and one more whenever its settings have changed. */
export class ShellyStation implements Station {
  readonly #options: StationOptions;
  readonly #client: ShellyClient;
  readonly #now: () => number;
  #known: Known | undefined;
  /** How far the clock of the device is ahead of ours, ms; 0 within the tolerance, undefined while it has no time. */
  #aheadMs: number | undefined = 0;

  constructor(options: StationOptions, context: Pick<ElectricityContext, 'clock'>) {
    this.#options = options;
    this.#client = new ShellyClient(options.host, options.port, options);
    this.#now = () => context.clock.now();
  }

  async poll(signal: AbortSignal): Promise<Poll> {
    const known = this.#known;
    // A host that went away may come back with another firmware, or be another one.
    this.#known = undefined;
    const { fresh, reading } = await this.#read(known, signal);
    this.#known = fresh;
    this.#aheadMs = this.#skew(reading.unixTime);
    const { station, mac } = fresh.identity;
    return { station, mac, answers: reading.channels.map((c) => this.#answer(fresh.identity, c, reading)) };
  }

  close(): void {
    this.#client.close();
  }

  async #read(
    known: Known | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly fresh: Known; readonly reading: Reading }> {
    const identity = known?.identity ?? (await this.#client.identify(signal));
    const status = await this.#status(identity, signal);
    const reading = decode(identity, known?.config, status);
    // Another Shelly has taken over the address.
    const moved = reading.mac !== undefined && reading.mac !== identity.mac;
    if (moved && known === undefined)
      throw new LaresError('BAD_REPLY', 'the Shelly gives two different MAC addresses');
    if (moved) return this.#read(undefined, signal);
    if (known !== undefined && known.revision === reading.revision) return { fresh: known, reading };
    const config = await this.#config(identity, signal);
    const fresh: Known = { identity: named(identity, config), config, revision: reading.revision };
    return { fresh, reading: decode(identity, config, status) };
  }

  #status(identity: Identity, signal: AbortSignal): Promise<unknown> {
    return identity.gen === 1
      ? this.#client.get('/status', signal)
      : this.#client.call('Shelly.GetStatus', {}, signal);
  }

  async #config(identity: Identity, signal: AbortSignal): Promise<unknown> {
    try {
      return await (identity.gen === 1
        ? this.#client.get('/settings', signal)
        : this.#client.call('Shelly.GetConfig', {}, signal));
    } catch (error) {
      // Names are no reason to lose the readings.
      if (error instanceof LaresError && error.code === 'BAD_REPLY') return {};
      throw error;
    }
  }

  #skew(unixTime: number | undefined): number | undefined {
    if (unixTime === undefined) return undefined;
    const ahead = unixTime * 1000 - this.#now();
    return Math.abs(ahead) > skewMs ? ahead : 0;
  }

  #answer(identity: Identity, channel: Channel, reading: Reading): Answer {
    const { key, turning, memory } = channel;
    return {
      device: {
        id: `${identity.station}/${key}`,
        source: 'shelly',
        name: this.#name(identity, channel, reading.channels.length),
        model: identity.model,
        firmware: identity.firmware,
        mac: identity.mac,
        address: this.#options.host,
        parent: identity.station,
        notes: [...channel.notes, ...this.#clockNote(memory)],
      },
      values: channel.values,
      ...(turning !== undefined && { switches: this.#switches(turning) }),
      ...(memory !== undefined && { remembers: this.#remembers(memory) }),
    };
  }

  #name(identity: Identity, channel: Channel, channels: number): string {
    const own = this.#options.name ?? identity.name;
    const whole = own ?? `${identity.model ?? 'Shelly'} ${identity.mac.slice(-8).replaceAll(':', '')}`;
    if (channels === 1) return this.#options.name ?? channel.name ?? whole;
    return `${whole} ${channel.name ?? channel.key.replace(':', ' ')}`;
  }

  #clockNote(memory: Memory | undefined): string[] {
    if (memory === undefined) return [];
    if (this.#aheadMs === undefined)
      return ['it does not know the time, so its history cannot be used: give it a time server'];
    if (this.#aheadMs === 0) return [];
    const minutesOff = Math.round(Math.abs(this.#aheadMs) / 60_000);
    const off = minutesOff === 0 ? 'less than a minute' : `${minutesOff} min`;
    return [
      `its clock is ${off} ${this.#aheadMs > 0 ? 'ahead' : 'behind'}; its history is shifted by as much`,
    ];
  }

  #switches(turning: Turning): Switches {
    const client = this.#client;
    const ask = async (on: boolean | undefined, signal: AbortSignal): Promise<unknown> => {
      if ('path' in turning) {
        const path = on === undefined ? turning.path : `${turning.path}?turn=${on ? 'on' : 'off'}`;
        return record(await client.get(path, signal))['ison'];
      }
      if (on !== undefined) return client.call(`${turning.rpc}.Set`, { id: turning.id, on }, signal);
      return record(await client.call(`${turning.rpc}.GetStatus`, { id: turning.id }, signal))['output'];
    };
    return {
      turn: async (on, signal) => {
        await ask(on, signal);
        const state = await ask(undefined, signal);
        if (typeof state === 'boolean') return state;
        throw new LaresError('BAD_REPLY', 'the Shelly does not say whether it is on');
      },
    };
  }

  #remembers(memory: Memory): Remembers {
    return {
      energy: async (from, to, signal) => {
        const ahead = this.#aheadMs;
        if (ahead === undefined) return [];
        const slots = await this.#recall(memory, from + ahead, to + ahead, signal);
        const ours = slots.map((slot) => ({ ...slot, from: slot.from - ahead, to: slot.to - ahead }));
        return within(ours, from, to);
      },
    };
  }

  async #recall(memory: Memory, from: number, to: number, signal: AbortSignal): Promise<EnergySlot[]> {
    if (memory.depth === 'logs') {
      const logs: EnergySlot[][] = [];
      for (const path of memory.paths) logs.push(parseLog(await this.#client.file(path, signal)));
      return addLogs(logs);
    }
    const { depth, rpc, id } = memory;
    return depth === 'weeks'
      ? this.#history(rpc, id, from, to, signal)
      : minutes(await this.#client.call(`${rpc}.GetStatus`, { id }, signal));
  }

  /** `from` and `to` in epoch ms of the device. Asks only for stretches that it has, page by page. */
  async #history(
    rpc: string,
    id: number,
    from: number,
    to: number,
    signal: AbortSignal,
  ): Promise<EnergySlot[]> {
    const wanted = { ts: Math.floor(from / 1000), end: Math.ceil(to / 1000) };
    const slots: EnergySlot[] = [];
    for (const block of await this.#blocks(rpc, id, wanted, signal)) {
      let next: number | undefined = block.ts;
      for (let page = 0; next !== undefined && next < block.end && page < mostPages; page += 1) {
        const params = { id, ts: next, end_ts: block.end - 1 };
        const history = parseHistory(await this.#client.call(`${rpc}.GetData`, params, signal));
        slots.push(...history.slots);
        // A page that does not lead on would be asked for for ever.
        next = history.next !== undefined && history.next > next ? history.next : undefined;
      }
    }
    return slots;
  }

  async #blocks(rpc: string, id: number, wanted: Block, signal: AbortSignal): Promise<Block[]> {
    const found: Block[] = [];
    let ts: number | undefined = 0;
    for (let page = 0; ts !== undefined && page < mostPages; page += 1) {
      const answer = parseBlocks(await this.#client.call(`${rpc}.GetRecords`, { id, ts }, signal));
      found.push(...answer.blocks);
      ts =
        answer.next !== undefined && answer.next > ts && answer.next < wanted.end ? answer.next : undefined;
    }
    return found
      .filter((block) => block.end > wanted.ts && block.ts < wanted.end)
      .map(({ ts: start, end }) => ({ ts: Math.max(start, wanted.ts), end: Math.min(end, wanted.end) }));
  }
}

function decode(identity: Identity, config: unknown, status: unknown): Reading {
  if (!Object.hasOwn(record(status), identity.gen === 1 ? 'mac' : 'sys'))
    throw new LaresError('BAD_REPLY', 'the Shelly sent a status without its own MAC');
  return identity.gen === 1 ? readGen1(identity, config, status) : readGen2(config, status);
}

/** The name lies in `/shelly` of new firmware and in the settings of old. */
function named(identity: Identity, config: unknown): Identity {
  const top = record(config);
  const name = top['name'] ?? record(record(top['sys'])['device'])['name'];
  return { ...identity, name: label(name) ?? identity.name };
}
