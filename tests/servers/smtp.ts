import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import path from 'node:path';
import { SMTPServer } from 'smtp-server';
import { freePort, scratch } from './process.ts';

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  /** Whether it came over TLS, and who signed in. */
  readonly secure: boolean;
  readonly user: string | undefined;
  readonly raw: string;
}

/** What goes wrong, as the real ones do it. */
export interface SmtpFaults {
  /** Reply to MAIL FROM, to RCPT TO, or to the end of DATA: `452 4.3.1 full`. */
  sender?: string | undefined;
  recipient?: string | undefined;
  /** Replies to RCPT TO of single addresses. */
  recipients?: Readonly<Record<string, string>>;
  data?: string | undefined;
  /** Says nothing more after MAIL FROM, or after DATA. */
  hang?: 'sender' | 'data' | undefined;
  /** Takes the whole mail, keeps it, and cuts the line before it says so. */
  dropAfterData?: boolean | undefined;
}

export interface SmtpServer {
  readonly port: number;
  readonly mails: ReceivedMail[];
  readonly faults: SmtpFaults;
  /** PEM file of the authority of its certificate. */
  readonly caFile: string;
  close(): Promise<void>;
}

/** A mail server on loopback. `users` are passwords by name; without them nobody signs in. */
export async function smtpServer(
  options: {
    users?: Readonly<Record<string, string>>;
    tls?: 'starttls' | 'implicit' | 'none';
    maxBytes?: number;
    port?: number;
    authMethods?: string[];
  } = {},
): Promise<SmtpServer> {
  const { dir, remove } = scratch('smtp');
  const file = (name: string) => path.join(dir, name);
  const request =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost';
  execFileSync(
    '/usr/bin/openssl',
    [
      ...request.split(' '),
      '-addext',
      'subjectAltName=DNS:localhost,IP:127.0.0.1',
      '-keyout',
      file('key'),
      '-out',
      file('crt'),
    ],
    { stdio: 'ignore' },
  );
  const mails: ReceivedMail[] = [];
  const faults: SmtpFaults = {};
  const sockets = new Set<Socket>();
  const refuse = (reply: string) =>
    Object.assign(new Error(reply.slice(4)), { responseCode: Number(reply.slice(0, 3)) });
  const { users, tls = 'starttls', maxBytes } = options;
  const server = new SMTPServer({
    secure: tls === 'implicit',
    key: readFileSync(file('key')),
    cert: readFileSync(file('crt')),
    disabledCommands: [...(tls === 'starttls' ? [] : ['STARTTLS']), ...(users === undefined ? ['AUTH'] : [])],
    authOptional: users === undefined,
    ...(options.authMethods === undefined ? {} : { authMethods: options.authMethods }),
    allowInsecureAuth: true,
    disableReverseLookup: true,
    closeTimeout: 100,
    ...(maxBytes === undefined ? {} : { size: maxBytes }),
    onAuth: ({ username = '', password }, _session, done) =>
      users?.[username] === password && password !== undefined
        ? done(null, { user: username })
        : done(refuse(`535 5.7.8 no entry for ${username} with ${password}`)),
    onMailFrom: (_address, _session, done) => {
      if (faults.hang === 'sender') return;
      done(faults.sender === undefined ? null : refuse(faults.sender));
    },
    onRcptTo: ({ address }, _session, done) => {
      const reply = faults.recipients?.[address] ?? faults.recipient;
      done(reply === undefined ? null : refuse(reply));
    },
    onData: (stream, session, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        if (faults.hang === 'data') return;
        if (faults.data !== undefined) return done(refuse(faults.data));
        if (stream.sizeExceeded === true) return done(refuse('552 5.3.4 too big'));
        mails.push({
          from: session.envelope.mailFrom === false ? '' : session.envelope.mailFrom.address,
          to: session.envelope.rcptTo.map((r) => r.address),
          secure: session.secure,
          user: session.user as string | undefined,
          raw: Buffer.concat(chunks).toString('utf8'),
        });
        if (faults.dropAfterData === true) for (const socket of sockets) socket.destroy();
        else done();
      });
    },
  });
  server.on('error', () => {});
  server.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  // A port that is still free when the server is away for a while.
  const port = options.port ?? (await freePort());
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    port: (server.server.address() as AddressInfo).port,
    mails,
    faults,
    caFile: file('crt'),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      remove();
    },
  };
}

/** A port that takes connections and never says a word. */
export async function mutePort(): Promise<{ port: number; close: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** The value of a header, unfolded; undefined when the mail has none of that name. */
export function header(raw: string, name: string): string | undefined {
  const head = raw.slice(0, raw.search(/\r?\n\r?\n/)).replaceAll(/\r?\n[ \t]+/g, ' ');
  const line = head.split(/\r?\n/).find((l) => l.toLowerCase().startsWith(`${name.toLowerCase()}:`));
  return line?.slice(name.length + 1).trim();
}
