import { randomBytes } from 'node:crypto';
import type { Clock } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import { clientHash, KlapSession, matchHandshake, seedBytes, type KlapVersion } from './cipher.ts';
import { HttpPeer, type HttpReply } from './http-peer.ts';
import { parseObject } from '../shared/json.codec.ts';
import type { Link, Login } from './model.ts';
import { sessionLifeMs } from './session.rules.ts';

const handshakeBytes = 48;

interface Open {
  readonly keys: KlapSession;
  readonly cookie: string | undefined;
  /** Monotonic ms. */
  readonly endsAt: number;
}

export interface SessionOptions {
  readonly host: string;
  readonly port: number;
  readonly login: Login | undefined;
  readonly clock: Clock;
}

/** What to write when a device does not take the login. */
export function loginRefused(host: string, login: Login | undefined): LaresError {
  const hint = 'or allow Third-Party Compatibility in the app of TP-Link';
  return new LaresError(
    'AUTH_REFUSED',
    login === undefined
      ? `${host} wants a login: set username and password of electricity.kasa to those of the TP-Link account, ${hint}`
      : `${host}: wrong e-mail or password; write them exactly as in the TP-Link account (capitals count), ${hint}`,
  );
}

/** KLAP: an encrypted session over HTTP. Which version and which login a device uses is read off its first reply. */
export class KlapLink implements Link {
  readonly way = 'klap';
  readonly #options: SessionOptions;
  readonly #peer: HttpPeer;
  #open: Open | undefined;
  #version: KlapVersion | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#peer = new HttpPeer(options.host, options.port);
  }

  /** Known after the first handshake. */
  get version(): KlapVersion | undefined {
    return this.#version;
  }

  /** Makes a session now. Throws BAD_REPLY when the peer does not speak KLAP, AUTH_REFUSED when no login fits. */
  async handshake(signal: AbortSignal): Promise<void> {
    this.#open = undefined;
    const local = randomBytes(seedBytes);
    const first = await this.#peer.post('/app/handshake1', local, { signal });
    if (first.status !== 200 || first.body.length !== handshakeBytes)
      throw new LaresError('BAD_REPLY', `${this.#peer.shown} does not speak KLAP (status ${first.status})`);
    const match = matchHandshake(local, first.body, this.#options.login);
    if (match === undefined) throw loginRefused(this.#options.host, this.#options.login);
    const { auth, remote, version } = match;
    const cookie = first.session;
    const second = await this.#peer.post('/app/handshake2', clientHash(version, local, remote, auth), {
      signal,
      cookie,
    });
    if (second.status !== 200)
      throw new LaresError(
        'BAD_REPLY',
        `${this.#peer.shown} broke off its handshake (status ${second.status})`,
      );
    this.#version = version;
    const endsAt = this.#options.clock.monotonic() + sessionLifeMs(first.timeout);
    this.#open = { keys: new KlapSession(local, remote, auth), cookie, endsAt };
  }

  async ask(request: string, signal: AbortSignal): Promise<unknown> {
    const reply = (await this.#try(request, signal)) ?? (await this.#again(request, signal));
    return parseObject(reply, this.#peer.shown);
  }

  close(): void {
    this.#open = undefined;
    this.#peer.close();
  }

  /** Undefined when the device has ended the session. */
  async #try(request: string, signal: AbortSignal): Promise<string | undefined> {
    if (this.#open === undefined || this.#options.clock.monotonic() >= this.#open.endsAt)
      await this.handshake(signal);
    const open = this.#open!;
    const seq = open.keys.next();
    const sealed = open.keys.seal(seq, request);
    let reply: HttpReply;
    try {
      reply = await this.#peer.post(`/app/request?seq=${seq}`, sealed, { signal, cookie: open.cookie });
    } catch (error) {
      // Nobody knows which of the two counters went on.
      this.#open = undefined;
      throw error;
    }
    if (reply.status === 200) {
      const text = open.keys.open(seq, reply.body);
      if (text !== undefined) return text;
      this.#open = undefined;
      throw new LaresError(
        'BAD_REPLY',
        `${this.#peer.shown} sent a reply whose signature is wrong; it was refused`,
      );
    }
    this.#open = undefined;
    if (reply.status === 403 || reply.status === 401) return undefined;
    throw new LaresError('BAD_REPLY', `${this.#peer.shown} answered with status ${reply.status}`);
  }

  async #again(request: string, signal: AbortSignal): Promise<string> {
    const reply = await this.#try(request, signal);
    if (reply !== undefined) return reply;
    throw new LaresError(
      'BAD_REPLY',
      `${this.#peer.shown} refuses requests right after a handshake (status 403); close the app, or restart the device`,
    );
  }
}
