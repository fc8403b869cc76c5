import { createServer as createHttp } from 'node:http';
import { createServer as createTcp, type AddressInfo, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { alertBody } from '#guard/channels/alert.render.ts';

/** Ends of alerts on loopback: what a trial house tells is received and kept here. */

export type WebhookAlert = ReturnType<typeof alertBody>;

export interface Received {
  readonly alert: WebhookAlert;
  /** Epoch ms at which all of it was there. */
  readonly at: number;
}

export interface WebhookSink {
  readonly url: string;
  /** In the order in which they came, doubles among them. */
  readonly received: readonly Received[];
  close(): Promise<void>;
}

const mostBytes = 1_000_000;

const listen = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });

export async function webhookSink(): Promise<WebhookSink> {
  const received: Received[] = [];
  const server = createHttp((request, reply) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > mostBytes) request.destroy();
      else chunks.push(chunk);
    });
    request.on('end', () => {
      const at = Date.now();
      try {
        received.push({ alert: JSON.parse(Buffer.concat(chunks).toString()) as WebhookAlert, at });
        reply.writeHead(204).end();
      } catch {
        reply.writeHead(400).end();
      }
    });
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}/alerts`,
    received,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface MailSink {
  readonly port: number;
  /** Headers and body of each mail, as it came. */
  readonly mails: readonly string[];
  close(): Promise<void>;
}

/** Answers by the first word; RFC 5321 section 4.1. `DATA` begins a mail and a line with one dot ends it. */
const replies: Readonly<Record<string, string>> = {
  EHLO: '250 loopback',
  HELO: '250 loopback',
  MAIL: '250 ok',
  RCPT: '250 ok',
  RSET: '250 ok',
  NOOP: '250 ok',
  DATA: '354 go on',
  QUIT: '221 bye',
};

/** A mail server that takes everything from this machine and passes nothing on. */
export async function mailSink(): Promise<MailSink> {
  const mails: string[] = [];
  const sockets = new Set<Socket>();
  const server = createTcp((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    let mail: string[] | undefined;
    const say = (line: string) => socket.write(`${line}\r\n`);
    say('220 loopback');
    createInterface({ input: socket, crlfDelay: Infinity }).on('line', (line) => {
      if (mail !== undefined) {
        if (line !== '.') return void mail.push(line.startsWith('.') ? line.slice(1) : line);
        mails.push(mail.join('\n'));
        mail = undefined;
        return void say('250 taken');
      }
      const word = line.split(' ')[0]!.toUpperCase();
      if (word === 'DATA') mail = [];
      say(Object.hasOwn(replies, word) ? replies[word]! : '502 not known here');
      if (word === 'QUIT') socket.end();
    });
  });
  const port = await listen(server);
  return {
    port,
    mails,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
