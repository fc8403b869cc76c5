import type { Clock } from '#kernel/driver.ts';
import { LaresError, type Code } from '#kernel/errors.ts';
import type { Poll, Station } from '../../driver.ts';
import { AesLink } from './aes-link.ts';
import { SharedLink, type KasaDevice } from './device.ts';
import { IotDevice } from './iot-device.ts';
import { sysinfoRequest } from './iot.codec.ts';
import { finite, record } from '../shared/json.codec.ts';
import { KlapLink } from './klap-link.ts';
import type { Family, KasaPorts, KasaTarget, Link, Login, Way } from './model.ts';
import { SmartDevice } from './smart-device.ts';
import { XorLink } from './xor-link.ts';

/** What is known about a target beyond the life of one station. */
export interface WayMemory {
  /** The way that worked last; tried first. */
  worked?: Way;
}

export interface StationOptions {
  readonly target: KasaTarget;
  readonly login: Login | undefined;
  readonly ports: Pick<KasaPorts, 'local' | 'http'>;
  readonly clock: Clock;
  readonly memory: WayMemory;
  /** What one poll may take, ms; a way that stays silent gets a share of it while others are left to try. */
  readonly timeoutMs: number;
}

const likelyShare = 0.6;
const otherShare = 0.3;

interface Connected {
  readonly device: KasaDevice;
  readonly link: SharedLink;
  readonly way: Way;
}

/** One plug, strip or bulb. Finds out at the first poll how it wants to be asked, and again when that stops working. */
export class KasaStation implements Station {
  readonly #options: StationOptions;
  #connected: Connected | undefined;

  constructor(options: StationOptions) {
    this.#options = options;
  }

  /** How it is asked; undefined before the first poll that worked. */
  get way(): Way | undefined {
    return this.#connected?.way;
  }

  async poll(signal: AbortSignal): Promise<Poll> {
    const connected = this.#connected;
    if (connected === undefined) return await this.#connect(signal);
    try {
      return await connected.device.poll(signal);
    } catch (error) {
      // A new firmware closes the old way or changes the language; a hang or a bad login says nothing about the way.
      if (isLares(error, 'UNREACHABLE') || isLares(error, 'BAD_REPLY')) this.#forget();
      throw error;
    }
  }

  close(): void {
    this.#forget();
  }

  #forget(): void {
    this.#connected?.link.close();
    this.#connected = undefined;
  }

  async #connect(signal: AbortSignal): Promise<Poll> {
    const { target, timeoutMs, memory } = this.#options;
    const likely = [memory.worked, target.way].filter((way) => way !== undefined);
    const ways = [...new Set<Way>([...likely, 'xor', 'klap', 'aes'])];
    const failures: unknown[] = [];
    for (const [index, way] of ways.entries()) {
      const share = index < likely.length ? likelyShare : otherShare;
      const isLast = index === ways.length - 1;
      const limit = isLast ? signal : AbortSignal.any([signal, AbortSignal.timeout(timeoutMs * share)]);
      try {
        return await this.#attempt(way, limit);
      } catch (error) {
        if (signal.aborted || isLares(error, 'AUTH_REFUSED')) throw error;
        failures.push(error);
      }
    }
    throw this.#hopeless(failures);
  }

  async #attempt(way: Way, signal: AbortSignal): Promise<Poll> {
    const { target, ports, clock } = this.#options;
    const { host, name } = target;
    const own = target.way === way ? target.port : undefined;
    const port = own ?? (way === 'xor' ? ports.local : ports.http);
    const login = target.login ?? this.#options.login;
    const raw = openLink(way, { host, port, login, clock });
    const link = new SharedLink(raw);
    try {
      const family = await this.#family(raw, signal);
      const parts = { link, host, name, clock };
      const device = family === 'iot' ? new IotDevice(parts) : new SmartDevice(parts);
      const poll = await device.poll(signal);
      this.#connected = { device, link, way };
      this.#options.memory.worked = way;
      return poll;
    } catch (error) {
      link.close();
      throw error;
    }
  }

  /** Version 1 of KLAP is spoken by the older family only, version 2 by both. */
  async #family(link: Link, signal: AbortSignal): Promise<Family> {
    if (link instanceof XorLink) return 'iot';
    if (!(link instanceof KlapLink)) return 'smart';
    await link.handshake(signal);
    if (link.version === 1) return 'iot';
    const known = this.#options.target.family;
    if (known !== undefined) return known;
    // The older family may crash on what it does not know; the newer one answers with an error.
    const reply = record(await link.ask(sysinfoRequest, signal));
    return finite(reply['error_code']) === undefined ? 'iot' : 'smart';
  }

  #hopeless(failures: readonly unknown[]): LaresError {
    const { host } = this.#options.target;
    const { local, http } = this.#options.ports;
    const advice = `is it a Kasa or Tapo device? After a firmware update, allow Third-Party Compatibility in its app`;
    const bad = failures.find((error) => isLares(error, 'BAD_REPLY'));
    if (bad !== undefined && failures.every((e) => isLares(e, 'BAD_REPLY') || isLares(e, 'UNREACHABLE')))
      return new LaresError(
        'BAD_REPLY',
        `${host} does not speak Kasa or Tapo (${(bad as Error).message}); ${advice}`,
        {
          cause: bad,
        },
      );
    if (failures.some((error) => isLares(error, 'TIMEOUT')))
      return new LaresError(
        'TIMEOUT',
        `${host} did not answer in time on port ${local} or ${http}; ${advice}`,
        {
          cause: failures[0],
        },
      );
    return new LaresError(
      'UNREACHABLE',
      `${host} cannot be reached on port ${local} or ${http}: ${text(failures[0])}; ${advice}`,
      {
        cause: failures[0],
      },
    );
  }
}

function openLink(way: Way, options: ConstructorParameters<typeof KlapLink>[0]): Link {
  if (way === 'xor') return new XorLink(options.host, options.port);
  return way === 'klap' ? new KlapLink(options) : new AesLink(options);
}

function isLares(error: unknown, code: Code): boolean {
  return error instanceof LaresError && error.code === code;
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error));
