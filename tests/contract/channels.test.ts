import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { ChannelIo, ChannelSettings } from '#guard/channels/contract.ts';
import { someAlert, someIo, someSettings } from '#guard/channels/fixture.ts';
import { publisherAt } from '#guard/channels/mqtt/publisher.ts';
import type { AnyChannel } from '#guard/channels/place.ts';
import { actionSchema, channels, type ChannelKind } from '#guard/channels/registry.ts';
import { LaresError } from '#kernel/errors.ts';
import { Logger } from '#platform/log.ts';
import { mosquitto } from '../servers/mosquitto.ts';
import { freePort } from '../servers/process.ts';
import { mutePort, smtpServer } from '../servers/smtp.ts';
import { soundMachine } from '../servers/sound.ts';

/** A channel with a peer that can hang and die. */
interface Peer {
  readonly settings: ChannelSettings;
  readonly io?: Partial<ChannelIo>;
  /** How many alerts arrived; undefined where that cannot be counted from outside. */
  readonly arrived: () => number;
  readonly die: () => Promise<void>;
  readonly revive: () => Promise<void>;
  /** The same channel with a peer that never answers. */
  readonly hung: { readonly settings: ChannelSettings; readonly io?: Partial<ChannelIo> };
  /** What must never be shown. */
  readonly secrets: readonly string[];
}

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function hookServer() {
  let arrived = 0;
  const port = await freePort();
  const sockets = new Set<Socket>();
  let server: Server;
  const start = () =>
    new Promise<void>((resolve) => {
      server = createServer((request, response) => {
        request.resume();
        arrived += 1;
        response.end();
      });
      server.on(
        'connection',
        (socket) => (sockets.add(socket), socket.on('close', () => sockets.delete(socket))),
      );
      server.listen(port, '127.0.0.1', resolve);
    });
  const stop = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  await start();
  closers.push(stop);
  return { port, arrived: () => arrived, start, stop };
}

async function mute() {
  const made = await mutePort();
  closers.push(() => made.close());
  return made.port;
}

// Each registered channel with its peer; one that is registered without does not compile.
const peers: Record<ChannelKind, () => Promise<Peer>> = {
  speak: async () => {
    const sound = soundMachine();
    closers.push(() => sound.remove());
    sound.device('hung', 'hangs');
    const speakers = (device: string) => someSettings({ speakers: [{ id: 'living_room', device }] });
    return {
      settings: speakers('default'),
      io: { env: sound.env },
      arrived: () => sound.log().filter((line) => line === 'aplay end default').length,
      die: async () => sound.device('default', 'fails'),
      revive: async () => sound.device('default', 'plays'),
      hung: { settings: speakers('hung'), io: { env: sound.env } },
      secrets: [],
    };
  },
  email: async () => {
    const password = 'password-of-the-test';
    const users = { cctv: password };
    const first = await smtpServer({ users });
    let arrived = 0;
    let server = first;
    closers.push(() => server.close());
    const mails = (port: number) =>
      someSettings({
        monitoring: {
          email_alerts_enabled: true,
          email_to: 'alex@example.org',
          email_from: 'cctv@example.org',
          smtp_server: '127.0.0.1',
          smtp_port: port,
          smtp_username: 'cctv',
          smtp_password: password,
        },
      });
    return {
      settings: mails(first.port),
      arrived: () => arrived + server.mails.length,
      die: async () => {
        arrived += server.mails.length;
        server.mails.length = 0;
        await server.close();
      },
      revive: async () => void (server = await smtpServer({ users, port: first.port })),
      hung: { settings: mails(await mute()) },
      secrets: [password, Buffer.from(password).toString('base64')],
    };
  },
  webhook: async () => {
    const { port, arrived, start, stop } = await hookServer();
    const hooks = (to: number) =>
      someSettings({
        monitoring: {
          webhooks: [
            {
              id: 'phone',
              url: `http://127.0.0.1:${to}/path-of-the-test?key=query-of-the-test`,
              bearer_token: 'token-of-the-test',
              hmac_secret: 'secret-of-the-test',
            },
          ],
        },
      });
    return {
      settings: hooks(port),
      arrived,
      die: stop,
      revive: start,
      hung: { settings: hooks(await mute()) },
      secrets: ['path-of-the-test', 'query-of-the-test', 'token-of-the-test', 'secret-of-the-test'],
    };
  },
  mqtt: async () => {
    const password = 'password-of-the-test';
    const broker = await mosquitto({ users: { lares: password } });
    closers.push(() => broker.remove());
    const at = (url: string) => ({ publisher: publisherAt({ url, username: 'lares', password }, 'lares') });
    let arrived = 0;
    const counted = at(broker.url).publisher;
    return {
      settings: someSettings({ mqtt: {} }),
      io: {
        publisher: {
          ...counted,
          publish: async (...words) => {
            await counted.publish(...words);
            arrived += 1;
          },
        },
      },
      arrived: () => arrived,
      die: () => broker.stop('SIGKILL'),
      revive: () => broker.start(),
      hung: { settings: someSettings({ mqtt: {} }), io: at(`mqtt://127.0.0.1:${await mute()}`) },
      secrets: [password],
    };
  },
};

const all = Object.entries(channels) as [ChannelKind, AnyChannel][];
const never = new AbortController().signal;

function open(channel: AnyChannel, { settings, io = {} }: Peer['hung']) {
  const lines: string[] = [];
  const opened = channel.open(
    settings,
    someIo({ ...io, log: new Logger({ level: 'debug', write: (line) => lines.push(line) }) }),
  );
  closers.push(() => opened.close());
  return { opened, lines };
}

const now = () => someAlert({ at: Date.now() });

describe.each(all)('the channel %s', (kind, channel) => {
  const example = channel.action.parse(channel.example) as { type: string };

  test('is registered under its own kind, and its example is an action of rules', () => {
    expect(channel.kind).toBe(kind);
    expect(channel.title).not.toBe('');
    expect(example.type).toBe(kind);
    expect(actionSchema.parse(channel.example)).toEqual(example);
    expect(channel.staleAfterMs).toBeGreaterThan(0);
    expect(channel.lane(example)).toBe(channel.lane(example));
  });

  test('refuses unknown keys, and documents every setting of its action', () => {
    expect(() => channel.action.parse({ ...example, surprise: 1 })).toThrow(/surprise/);
    const shape = (channel.action as unknown as z.ZodObject).shape;
    const words = Object.values(shape).map((setting) => z.globalRegistry.get(setting));
    expect(words.every((w) => w?.title !== undefined && w.description !== undefined)).toBe(true);
  });

  test('says what the settings lack, and that nothing is lacking', async () => {
    const peer = await peers[kind]();
    expect(channel.lacks(example, peer.settings)).toBeUndefined();
    expect(channel.lacks(example, someSettings())).toMatch(/./);
  });

  test('delivers, survives the death of its peer with an error that asks for another try, and delivers again', async () => {
    const peer = await peers[kind]();
    const { opened } = open(channel, peer);
    await opened.deliver(now(), example, never);
    expect(peer.arrived()).toBe(1);
    expect(await opened.check(never)).toMatchObject({ state: 'ok' });
    expect(peer.arrived()).toBe(1);
    await peer.die();
    const error = await opened.deliver(now(), example, never).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(LaresError);
    expect(error).toMatchObject({ remedy: 'retry' });
    // A dead peer is known before it is needed.
    expect((await opened.check(never)).state).not.toBe('ok');
    await peer.revive();
    await opened.deliver(now(), example, never);
    expect(peer.arrived()).toBe(2);
  });

  test('ends within a second of its signal, also while its peer hangs', async () => {
    const { hung } = await peers[kind]();
    const { opened } = open(channel, hung);
    const stop = new AbortController();
    let ended: unknown;
    const done = opened.deliver(now(), example, stop.signal).catch((error: unknown) => (ended = error));
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(ended).toBeUndefined();
    stop.abort();
    const late = Symbol('still running after a second');
    let timer: NodeJS.Timeout | undefined;
    const second = new Promise((resolve) => (timer = setTimeout(() => resolve(late), 1_000)));
    expect(await Promise.race([done, second])).toBeInstanceOf(LaresError);
    clearTimeout(timer);
  });

  test('ends within a second when it is closed, and a check ends with its signal', async () => {
    const { hung } = await peers[kind]();
    const { opened } = open(channel, hung);
    const stop = new AbortController();
    const check = opened.check(stop.signal);
    stop.abort();
    expect((await check).detail).not.toBe('');
    await opened.close();
  });

  test('shows its secrets in no error, no log line and no state', async () => {
    const peer = await peers[kind]();
    const { opened, lines } = open(channel, peer);
    await opened.deliver(now(), example, never);
    await peer.die();
    const error = (await opened.deliver(now(), example, never).catch((caught: unknown) => caught)) as Error;
    const { detail } = await opened.check(never);
    const shown = [
      error.message,
      error.stack,
      JSON.stringify(error),
      String(error.cause),
      detail,
      ...lines,
    ].join('\n');
    for (const secret of peer.secrets) expect(shown).not.toContain(secret);
  });
});

test('an action of no channel is refused', () => {
  expect(() => actionSchema.parse({ type: 'pigeon' })).toThrow(/type/);
});
