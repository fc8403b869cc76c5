import { LaresError } from '#kernel/errors.ts';
import { webRequest } from '#platform/http-client.ts';
import type { Answer, Poll, Station } from '../../driver.ts';
import type { Switches } from '../../model.ts';
import { parseJson, record } from '../shared/json.codec.ts';
import { parseStatus, readRelays, readSensor, type Identity } from './codec.ts';
import { deviceOf, layout } from './layout.rules.ts';

export interface TasmotaAddress {
  /** With a port where that is not 80. */
  readonly host: string;
  readonly username: string;
  readonly password: string | undefined;
}

/** The sentence for a device that asks for its web password in the words of Tasmota. */
export const passwordNeeded =
  'the Tasmota wants its web password; set password for this device or for all of them';

/**
 * One command over HTTP, and its reply. The web server of an ESP8266 closes after each reply.
 * Throws AUTH_REFUSED, BAD_REPLY, TIMEOUT or UNREACHABLE; the text never holds the query, which carries the password.
 */
export async function command(
  { host, username, password }: TasmotaAddress,
  words: string,
  signal: AbortSignal,
): Promise<unknown> {
  const query = new URLSearchParams({
    ...(password !== undefined && { user: username, password }),
    cmnd: words,
  });
  // The firmware does not take `+` for a space.
  const url = `http://${host}/cm?${query.toString().replaceAll('+', '%20')}`;
  const reply = await webRequest({ url, signal, deadlineMs: 60_000, maxBytes: 65_536 }).catch(
    (error: Error) => {
      throw signal.aborted
        ? new LaresError('TIMEOUT', `${host} did not answer in time`, { cause: error })
        : error;
    },
  );
  // Old firmware refuses with 200, new firmware with 401, both in these words.
  if (/"WARNING":\s*"Need user/i.test(reply.text.slice(0, 200)))
    throw new LaresError('AUTH_REFUSED', passwordNeeded);
  if (reply.status === 401)
    throw new LaresError('AUTH_REFUSED', `${host} wants a sign-in, but not as a Tasmota does`);
  if (reply.status !== 200)
    throw new LaresError(
      reply.status >= 500 ? 'UNREACHABLE' : 'BAD_REPLY',
      `${host} answers with status ${reply.status}; is it a Tasmota with its web server on?`,
    );
  return parseJson(reply.text, host);
}

/** Who answers `Status 0` there. Throws BAD_REPLY when it is no Tasmota. */
export function tasmotaOf(reply: unknown): {
  readonly station: string;
  readonly mac: string;
  readonly identity: Identity;
} {
  const { identity } = parseStatus(reply);
  const { mac } = identity;
  if (mac === undefined)
    throw new LaresError('BAD_REPLY', 'what answers there is no Tasmota: Status 0 names no MAC');
  return { station: `tasmota:${mac.replaceAll(':', '')}`, mac, identity };
}

/** One Tasmota over HTTP: one request a poll. */
export class TasmotaStation implements Station {
  readonly #address: TasmotaAddress;
  readonly #name: string | undefined;

  constructor(address: TasmotaAddress, name: string | undefined) {
    this.#address = address;
    this.#name = name;
  }

  async poll(signal: AbortSignal): Promise<Poll> {
    const reply = await command(this.#address, 'Status 0', signal);
    const { station, mac, identity } = tasmotaOf(reply);
    const parts = new Map(
      readSensor({ StatusSNS: record(reply)['StatusSNS'] }).map((p) => [p.key, p.values]),
    );
    const relays = readRelays({ StatusSTS: record(reply)['StatusSTS'] });
    const units = layout(parts.keys(), relays.keys());
    const answers = units.map((unit): Answer => {
      const on = unit.relay === undefined ? undefined : relays.get(unit.relay);
      return {
        device: deviceOf(unit, units, {
          base: station,
          address: this.#address.host,
          name: this.#name,
          fallback: parseStatus(reply).topic ?? `Tasmota ${mac.slice(-8).replaceAll(':', '')}`,
          identity,
        }),
        values: { ...parts.get(unit.key), ...(on !== undefined && { is_on: on ? 1 : 0 }) },
        ...(unit.relay !== undefined && { switches: this.#switches(unit.relay) }),
      };
    });
    return { station, mac, answers };
  }

  close(): void {
    // Every request ends its own connection.
  }

  #switches(relay: string): Switches {
    return {
      turn: async (on, signal) => {
        await command(this.#address, `Power${relay} ${on ? 'ON' : 'OFF'}`, signal);
        const states = readRelays(await command(this.#address, `Power${relay}`, signal));
        // A device with one relay answers without its number, and with it under SetOption26.
        const state = states.get(relay) ?? (states.size === 1 ? [...states.values()][0] : undefined);
        if (state !== undefined) return state;
        throw new LaresError('BAD_REPLY', `${this.#address.host} does not say whether it is on`);
      },
    };
  }
}
