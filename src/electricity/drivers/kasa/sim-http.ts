import { constants, hash, publicEncrypt, randomBytes } from 'node:crypto';
import {
  authHash,
  clientHash,
  KlapSession,
  PassthroughCipher,
  serverHash,
  type KlapVersion,
} from './cipher.ts';
import type { Login } from './model.ts';
import { branch, parseQuestion } from './sim-brain.ts';
import type { Cut } from './sim-wire.ts';

export interface HttpQuestion {
  readonly path: string;
  readonly cookie: string | undefined;
  readonly body: Buffer;
}

/** Cuts POST requests with a length out of a stream. */
export const cutHttp: Cut<HttpQuestion> = (bytes) => {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = bytes.toString('latin1', 0, end + 2);
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  if (bytes.length < end + 4 + length) return undefined;
  return {
    question: {
      path: /^\S+ (\S+)/.exec(head)?.[1] ?? '/',
      cookie: /TP_SESSIONID=(\w+)/.exec(head)?.[1],
      body: bytes.subarray(end + 4, end + 4 + length),
    },
    bytes: end + 4 + length,
  };
};

export function httpReply(status: number, body: Buffer | string = '', headers = ''): Buffer {
  const text = `HTTP/1.1 ${status} ${status === 200 ? 'OK' : 'NO'}\r\nServer: SHIP 2.0\r\nContent-Type: text/html\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n`;
  return Buffer.concat([
    Buffer.from(text, 'latin1'),
    typeof body === 'string' ? Buffer.from(body, 'utf8') : body,
  ]);
}

export interface SessionSimOptions {
  /** The login that the device takes now; a flip changes it. */
  readonly login: () => Login;
  readonly answer: (question: string) => string;
  readonly has: (fault: 'forbidden' | 'bad-tag') => boolean;
  /** Seconds of the cookie TIMEOUT. */
  readonly sessionSeconds: number;
}

/** Sessions of a simulated device behind HTTP. */
export interface SessionSim {
  /** Sessions made since the start. */
  readonly handshakes: number;
  reply(question: HttpQuestion): Buffer;
  /** Ends all sessions. */
  expire(): void;
}

const mostSessions = 8;
const newId = () => randomBytes(16).toString('hex').toUpperCase();
const cookieFor = (id: string, seconds: number) => `Set-Cookie: TP_SESSIONID=${id};TIMEOUT=${seconds}\r\n`;

/** Devices have room for a few sessions; the oldest gives way. */
function keep<T>(sessions: Map<string, T>, id: string, session: T): void {
  sessions.set(id, session);
  const oldest = sessions.keys().next().value;
  if (sessions.size > mostSessions && oldest !== undefined) sessions.delete(oldest);
}

export class KlapSessions implements SessionSim {
  readonly #options: SessionSimOptions;
  readonly #version: KlapVersion;
  readonly #sessions = new Map<string, { local: Buffer; remote: Buffer; auth: Buffer; keys?: KlapSession }>();
  handshakes = 0;

  constructor(version: KlapVersion, options: SessionSimOptions) {
    this.#version = version;
    this.#options = options;
  }

  expire(): void {
    this.#sessions.clear();
  }

  reply({ path, cookie, body }: HttpQuestion): Buffer {
    const version = this.#version;
    if (path === '/app/handshake1') {
      if (body.length !== 16) return httpReply(400);
      const [id, local, remote] = [newId(), Buffer.from(body), randomBytes(16)];
      const auth = authHash(version, this.#options.login());
      keep(this.#sessions, id, { local, remote, auth });
      return httpReply(
        200,
        Buffer.concat([remote, serverHash(version, local, remote, auth)]),
        cookieFor(id, this.#options.sessionSeconds),
      );
    }
    const session = cookie === undefined ? undefined : this.#sessions.get(cookie);
    if (session === undefined || this.#options.has('forbidden'))
      return httpReply(path.startsWith('/app/') ? 403 : 404);
    const { local, remote, auth } = session;
    if (path === '/app/handshake2') {
      if (!clientHash(version, local, remote, auth).equals(body)) return httpReply(403);
      session.keys = new KlapSession(local, remote, auth);
      this.handshakes += 1;
      return httpReply(200);
    }
    const seq = Number(/^\/app\/request\?seq=(-?\d+)$/.exec(path)?.[1] ?? Number.NaN);
    const question = Number.isInteger(seq) ? session.keys?.open(seq, body) : undefined;
    if (question === undefined || session.keys === undefined) return httpReply(403);
    const sealed = session.keys.seal(seq, this.#options.answer(question));
    if (this.#options.has('bad-tag')) sealed[5]! ^= 1;
    return httpReply(200, sealed);
  }
}

export class AesSessions implements SessionSim {
  readonly #options: SessionSimOptions;
  readonly #sessions = new Map<string, { cipher: PassthroughCipher; token?: string }>();
  handshakes = 0;

  constructor(options: SessionSimOptions) {
    this.#options = options;
  }

  expire(): void {
    this.#sessions.clear();
  }

  reply({ path, cookie, body }: HttpQuestion): Buffer {
    if (!path.startsWith('/app') || path.startsWith('/app/')) return httpReply(404);
    const outer = parseQuestion(body.toString('utf8'));
    const params = branch(outer['params']);
    if (outer['method'] === 'handshake') return this.#handshake(params['key']);
    const session = cookie === undefined ? undefined : this.#sessions.get(cookie);
    if (session === undefined || this.#options.has('forbidden')) return httpReply(200, '{"error_code":9999}');
    if (outer['method'] !== 'securePassthrough') return httpReply(200, '{"error_code":1003}');
    const question = session.cipher.open(String(params['request']));
    if (question === undefined) return httpReply(200, '{"error_code":-1003}');
    const inner = parseQuestion(question);
    let answer: string;
    if (inner['method'] === 'login_device') answer = this.#login(session, branch(inner['params']));
    else if (session.token === undefined || path !== `/app?token=${session.token}`)
      answer = '{"error_code":-40401}';
    else answer = this.#options.answer(question);
    const sealed = session.cipher.seal(answer);
    return httpReply(
      200,
      JSON.stringify({
        error_code: 0,
        result: { response: this.#options.has('bad-tag') ? `AAAA${sealed.slice(4)}` : sealed },
      }),
    );
  }

  #handshake(pem: unknown): Buffer {
    const secret = randomBytes(32);
    const id = newId();
    try {
      const key = publicEncrypt({ key: String(pem), padding: constants.RSA_PKCS1_PADDING }, secret).toString(
        'base64',
      );
      keep(this.#sessions, id, { cipher: new PassthroughCipher(secret) });
      const reply = JSON.stringify({ error_code: 0, result: { key } });
      return httpReply(200, reply, cookieFor(id, this.#options.sessionSeconds));
    } catch {
      return httpReply(200, '{"error_code":-1010}');
    }
  }

  #login(session: { token?: string }, params: Readonly<Record<string, unknown>>): string {
    const { username, password } = this.#options.login();
    const base64 = (text: string) => Buffer.from(text, 'utf8').toString('base64');
    const right =
      params['username'] === base64(hash('sha1', username, 'hex')) &&
      (params['password'] === base64(password) ||
        params['password2'] === base64(hash('sha1', password, 'hex')));
    if (!right) return '{"error_code":-1501}';
    session.token = newId();
    this.handshakes += 1;
    return JSON.stringify({ error_code: 0, result: { token: session.token } });
  }
}

/** The encrypted part of a discovery reply, for a client that sent its RSA key. */
export function sealDiscoveryInfo(pem: string, info: object): object | undefined {
  try {
    const secret = randomBytes(32);
    const key = publicEncrypt(
      { key: pem, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
      secret,
    );
    return {
      sym_schm: 'AES',
      key: key.toString('base64'),
      data: new PassthroughCipher(secret).seal(JSON.stringify(info)),
    };
  } catch {
    return undefined;
  }
}
