import { LaresError } from '#kernel/errors.ts';
import { label, parseJson, record } from '../shared/json.codec.ts';
import { parseIdentity, type Identity } from './codec.ts';
import { authorization, parseChallenge, type Challenge } from './digest.ts';
import { HttpLine, type HttpAsk, type HttpReply } from './http.ts';

const theShelly = 'the Shelly';
// A year of ten-minute lines.
const largestFile = 8 * 1024 * 1024;

export interface Login {
  readonly username: string;
  readonly password: string | undefined;
}

/** Speaks to one Shelly of any generation: plain paths on the first, RPC from the second on; signs in where it must. */
export class ShellyClient {
  readonly #line: HttpLine;
  readonly #login: Login;
  #challenge: Challenge | undefined;
  #count = 0;
  #basic = false;
  #serial = 0;

  constructor(host: string, port: number, login: Login) {
    this.#line = new HttpLine(host, port);
    this.#login = login;
  }

  /** `/shelly`, which every generation answers without a password. Throws BAD_REPLY when it is no Shelly. */
  async identify(signal: AbortSignal): Promise<Identity> {
    const reply = await this.#line.ask({ method: 'GET', path: '/shelly' }, signal);
    if (reply.status >= 500)
      throw new LaresError('UNREACHABLE', `the Shelly answers /shelly with status ${reply.status}`);
    if (reply.status !== 200)
      throw new LaresError('BAD_REPLY', `what answers there is no Shelly: status ${reply.status} at /shelly`);
    return parseIdentity(parseJson(reply.text, theShelly));
  }

  /** A path of the first generation: `/status`, `/relay/0?turn=on`. */
  async get(path: string, signal: AbortSignal): Promise<unknown> {
    const reply = await this.#signed({ method: 'GET', path }, signal);
    return parseJson(expectOk(reply, path).text, theShelly);
  }

  /** A file of the first generation. Throws UNREACHABLE while another one reads it: it hands out one at a time. */
  async file(path: string, signal: AbortSignal): Promise<string> {
    const reply = await this.#signed({ method: 'GET', path, mostBytes: largestFile }, signal);
    const { text } = expectOk(reply, path);
    if (text.startsWith('Another file transfer'))
      throw new LaresError('UNREACHABLE', 'the Shelly hands its history to somebody else at the moment');
    return text;
  }

  /** A method of the later generations. Throws BAD_REPLY with what the device says when it refuses. */
  async call(method: string, params: object, signal: AbortSignal): Promise<unknown> {
    this.#serial = (this.#serial % 1_000_000) + 1;
    const body = JSON.stringify({ id: this.#serial, method, params });
    const reply = await this.#signed({ method: 'POST', path: '/rpc', body }, signal);
    // Some firmware sends the refusal with an HTTP error status, some with 200.
    const answer = record(
      parseJson(
        reply.status === 500 || reply.status === 404 ? reply.text : expectOk(reply, method).text,
        theShelly,
      ),
    );
    const error = record('code' in answer && !('result' in answer) ? answer : answer['error']);
    if (typeof error['code'] === 'number') {
      if (error['code'] === 401) throw this.#refused();
      const text = label(error['message']) ?? 'no reason given';
      throw new LaresError('BAD_REPLY', `the Shelly refuses ${method}: ${text} (${error['code']})`);
    }
    if (!('result' in answer))
      throw new LaresError('BAD_REPLY', `the Shelly answers ${method} without a result`);
    if ('id' in answer && answer['id'] !== this.#serial && typeof answer['id'] === 'number')
      throw new LaresError('BAD_REPLY', `the Shelly answers ${method} with the reply to something else`);
    return answer['result'];
  }

  close(): void {
    this.#line.close();
  }

  /**
   * Signs with what the device asked for last. Firmware before 2.0 takes a nonce once and answers the next request
   * with 401 and a new one, later firmware takes it again with a higher count; a second 401 is a wrong password.
   */
  async #signed(what: HttpAsk, signal: AbortSignal): Promise<HttpReply> {
    const ask = () => this.#line.ask({ ...what, headers: this.#proof(what.method, what.path) }, signal);
    const reply = await ask();
    if (reply.status !== 401) return reply;
    if (this.#login.password === undefined) throw this.#refused();
    const wanted = reply.headers['www-authenticate'];
    this.#challenge = parseChallenge(wanted);
    this.#count = 0;
    this.#basic = this.#challenge === undefined && /^\s*basic\b/i.test(wanted ?? '');
    if (this.#challenge === undefined && !this.#basic)
      throw new LaresError('BAD_REPLY', 'the Shelly wants a sign-in of an unknown kind');
    const second = await ask();
    if (second.status !== 401) return second;
    this.#challenge = undefined;
    this.#basic = false;
    throw this.#refused();
  }

  #proof(method: string, uri: string): Readonly<Record<string, string>> {
    const { username, password } = this.#login;
    if (password === undefined) return {};
    if (this.#basic)
      return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
    if (this.#challenge === undefined) return {};
    this.#count += 1;
    const proof = { method, uri, username, password, count: this.#count };
    return { authorization: authorization(this.#challenge, proof) };
  }

  #refused(): LaresError {
    return new LaresError(
      'AUTH_REFUSED',
      this.#login.password === undefined
        ? 'the Shelly wants a password; set password for this device or for all Shellys'
        : 'the Shelly refuses the password; set the one that protects its own web page',
    );
  }
}

function expectOk(reply: HttpReply, what: string): HttpReply {
  if (reply.status === 200) return reply;
  throw new LaresError(
    reply.status >= 500 || reply.status === 429 ? 'UNREACHABLE' : 'BAD_REPLY',
    `the Shelly answers ${what.split('?')[0]} with status ${reply.status}`,
  );
}
