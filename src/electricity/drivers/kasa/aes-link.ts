import { LaresError } from '#kernel/errors.ts';
import { openPassthrough, passthroughKey, passthroughLogin, type PassthroughCipher } from './cipher.ts';
import { HttpPeer } from './http-peer.ts';
import { finite, label, parseObject, record, type Json } from '../shared/json.codec.ts';
import { loginRefused, type SessionOptions } from './klap-link.ts';
import { builtInLogins, type Link, type Login } from './model.ts';
import { sessionLifeMs } from './session.rules.ts';
import { smartErrors } from './smart.codec.ts';

interface Channel {
  readonly cipher: PassthroughCipher;
  readonly cookie: string | undefined;
  /** Monotonic ms. */
  readonly endsAt: number;
}
interface Open extends Channel {
  readonly token: string;
}

interface Attempt {
  readonly login: Login;
  readonly second: boolean;
}

/** The device has ended the session. */
const over = Symbol('over');

/** securePassthrough of older Tapo firmware: RSA handshake, login, token, AES. */
export class AesLink implements Link {
  readonly way = 'aes';
  readonly #options: SessionOptions;
  readonly #peer: HttpPeer;
  #open: Open | undefined;
  #worked: Attempt | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#peer = new HttpPeer(options.host, options.port);
  }

  /**
   * Makes a session now. Throws BAD_REPLY when the peer does not speak securePassthrough, AUTH_REFUSED when it takes no login.
   */
  async handshake(signal: AbortSignal): Promise<void> {
    this.#open = undefined;
    const { login } = this.#options;
    // A device counts wrong logins and then locks, so only what can be right is tried: both forms of ours, then the
    // one that Tapo devices carry from the factory.
    const candidates = login === undefined ? [builtInLogins[1]!] : [login, builtInLogins[1]!];
    const attempts = candidates.flatMap((l) => [true, false].map((second) => ({ login: l, second })));
    for (const attempt of this.#worked === undefined ? attempts : [this.#worked, ...attempts]) {
      const channel = await this.#channel(signal);
      const token = await this.#signIn(channel, attempt, signal);
      if (token === undefined) continue;
      this.#worked = attempt;
      this.#open = { ...channel, token };
      return;
    }
    throw loginRefused(this.#options.host, login);
  }

  async ask(request: string, signal: AbortSignal): Promise<unknown> {
    const first = await this.#try(request, signal);
    const reply = first === over ? await this.#try(request, signal) : first;
    if (reply === over) throw this.#restless();
    return reply;
  }

  close(): void {
    this.#open = undefined;
    this.#peer.close();
  }

  #restless(): LaresError {
    return new LaresError('BAD_REPLY', `${this.#peer.shown} ends every session at once; restart the device`);
  }

  async #try(request: string, signal: AbortSignal): Promise<Json | typeof over> {
    if (this.#open === undefined || this.#options.clock.monotonic() >= this.#open.endsAt)
      await this.handshake(signal);
    const open = this.#open!;
    const reply = await this.#pass(open, `/app?token=${open.token}`, request, signal);
    if (reply !== over && !smartErrors.session.has(finite(reply['error_code']) ?? 0)) return reply;
    this.#open = undefined;
    return over;
  }

  async #channel(signal: AbortSignal): Promise<Channel> {
    const question = JSON.stringify({ method: 'handshake', params: { key: passthroughKey().pem } });
    const reply = await this.#peer.post('/app', question, { signal, json: true });
    const answer = reply.status === 200 ? parseObject(reply.body.toString('utf8'), this.#peer.shown) : {};
    const key = label(record(answer['result'])['key'], 1_024);
    if (key === undefined)
      throw new LaresError(
        'BAD_REPLY',
        `${this.#peer.shown} does not speak securePassthrough (status ${reply.status})`,
      );
    return {
      cipher: openPassthrough(key, this.#peer.shown),
      cookie: reply.session,
      endsAt: this.#options.clock.monotonic() + sessionLifeMs(reply.timeout),
    };
  }

  /** A token, or undefined for a login that the device does not take. */
  async #signIn(
    channel: Channel,
    { login, second }: Attempt,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const params = passthroughLogin(login, second);
    const request = JSON.stringify({
      method: 'login_device',
      params,
      request_time_milis: this.#options.clock.now(),
    });
    const reply = await this.#pass(channel, '/app', request, signal);
    if (reply === over) throw this.#restless();
    const code = finite(reply['error_code']);
    const token = label(record(reply['result'])['token'], 256);
    if (code === 0 && token !== undefined && /^[\w.-]+$/.test(token)) return token;
    if (code !== undefined && (smartErrors.login.has(code) || smartErrors.unknown.has(code)))
      return undefined;
    throw new LaresError('BAD_REPLY', `${this.#peer.shown} answered a login with error ${code ?? 'nothing'}`);
  }

  async #pass(
    channel: Channel,
    path: string,
    request: string,
    signal: AbortSignal,
  ): Promise<Json | typeof over> {
    const params = { request: channel.cipher.seal(request) };
    const question = JSON.stringify({ method: 'securePassthrough', params });
    const reply = await this.#peer.post(path, question, { signal, cookie: channel.cookie, json: true });
    if (reply.status === 403 || reply.status === 401) return over;
    if (reply.status !== 200)
      throw new LaresError('BAD_REPLY', `${this.#peer.shown} answered with status ${reply.status}`);
    const outer = parseObject(reply.body.toString('utf8'), this.#peer.shown);
    const code = finite(outer['error_code']) ?? 0;
    if (smartErrors.session.has(code)) return over;
    const sealed = label(record(outer['result'])['response'], 400_000);
    // Some firmware refuses outside of the encryption.
    if (sealed === undefined) return outer;
    const text = channel.cipher.open(sealed);
    if (text === undefined) {
      this.#open = undefined;
      throw new LaresError(
        'BAD_REPLY',
        `${this.#peer.shown} sent a reply that cannot be decrypted; it was refused`,
      );
    }
    return parseObject(text, this.#peer.shown);
  }
}
