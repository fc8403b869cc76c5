import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Aedes, AuthenticateError, Client } from 'aedes';
import type { Log } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import { systemClock } from '#platform/clock.ts';
import { complainer } from '#platform/complain.ts';
import type { BrokerAddress } from './client.ts';
import type { BrokerConfig } from './config.ts';
import { PacketSizes } from './packet-size.rules.ts';
import { covers, isTopic, matches } from './topics.rules.ts';

export interface BrokerStats {
  readonly connections: number;
  /** Since the start: sign-ins with a wrong name or password, or without any. */
  readonly refusedSignIns: number;
  /** Messages that their sender may not publish; dropped. */
  readonly deniedPublishes: number;
  readonly deniedSubscriptions: number;
  /** Connections cut because a packet was longer than allowed. */
  readonly oversized: number;
  /** Messages for a session that is away, dropped because its queue is full. */
  readonly overflowed: number;
}

export interface RunningBroker extends BrokerAddress {
  /** For our own clients: may do everything, known to nobody else, new at each start. */
  readonly username: string;
  readonly password: string;
  readonly port: number;
  readonly stats: BrokerStats;
  close(): Promise<void>;
}

const mostConnections = 200;
// Nobody has signed in yet when a connection is counted; a bridge or a container host needs some, not all.
const mostOfOneAddress = 50;
const mostPacketBytes = 65_536;
const mostQueued = 1_000;
const mostRetained = 10_000;
const mostSessions = 1_000;
// Where messages go that their sender may not publish; nobody may read it.
const nowhere = '$SYS/denied';

interface User {
  readonly name: string;
  readonly digest: Buffer;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

type Published = (error?: Error) => void;

/** What aedes keeps of its memory store that its types do not say. */
interface Internals {
  readonly clients: Readonly<Record<string, Client | undefined>>;
  readonly persistence: {
    outgoingEnqueueCombi(subs: readonly { clientId: string }[], packet: unknown): Promise<void>;
    countOffline(): Promise<{ clientsCount: number }>;
  };
  readonly mq: { emit(packet: unknown, done: unknown): unknown };
  publish(packet: unknown, client: unknown, done?: Published): void;
}

/**
 * The embedded broker (aedes, MQTT 3.1.1). Everybody signs in; each user may publish and read what the settings say.
 * Bounded: connections, bytes of a packet, sessions, messages kept for a client that is away, retained topics.
 * @throws LaresError UNREACHABLE when the port is taken, PERMISSION_MISSING, CONFIG_INVALID for a strange address.
 */
export async function startBroker(
  config: BrokerConfig,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<RunningBroker> {
  const { Aedes } = await import('aedes');
  const stats = {
    refusedSignIns: 0,
    deniedPublishes: 0,
    deniedSubscriptions: 0,
    oversized: 0,
    overflowed: 0,
  };
  const say = complainer(log, systemClock);
  const complain = (text: string) => say(`mqtt broker: ${text}`);
  const internal = {
    username: `lares-${randomBytes(6).toString('hex')}`,
    password: randomBytes(24).toString('hex'),
  };
  const door = signIn([
    ...config.users,
    { name: internal.username, password: internal.password, publish: ['#'], subscribe: ['#'] },
  ]);
  const users = new WeakMap<Client, User>();
  const retained = new Set<string>();
  let sessions = 0;

  const aedes = await Aedes.createBroker({
    connectTimeout: 10_000,
    drainTimeout: 30_000,
    maxTopicLevels: 64,
    maxInflightInbound: 100,
    preConnect(_client, packet, done) {
      // A session outlives its connection; beyond the bound nothing more is kept for anybody new.
      if (!packet.clean && sessions >= mostSessions) Object.assign(packet, { clean: true });
      done(null, true);
    },
    authenticate(client, username, password, done) {
      const user = door(username, password);
      const taken = internals(aedes).clients[client.id];
      const foreign = taken !== undefined && users.get(taken)?.name !== user?.name;
      if (user !== undefined && !foreign) {
        users.set(client, user);
        return done(null, true);
      }
      stats.refusedSignIns += 1;
      const who = config.users.find((u) => u.name === username)?.name;
      complain(
        `${addressOf(client)} was refused: ${
          user === undefined
            ? `wrong password or unknown user${who === undefined ? '' : ` (${who})`}`
            : 'another user is signed in under the same client id'
        }`,
      );
      // 4: bad user name or password; 2: client id rejected (MQTT 3.1.1, 3.2.2.3).
      const refused = Object.assign(new Error('refused'), { returnCode: user === undefined ? 4 : 2 });
      done(refused as unknown as AuthenticateError, null);
    },
    authorizePublish(client, packet, done) {
      const user = client === null ? undefined : users.get(client);
      const full = packet.retain && !retained.has(packet.topic) && retained.size >= mostRetained;
      const allowed =
        isTopic(packet.topic) &&
        !packet.topic.startsWith('$') &&
        (user?.publish.some((filter) => matches(filter, packet.topic)) ?? false);
      if (!allowed || full) {
        stats.deniedPublishes += 1;
        complain(
          `${user?.name ?? 'somebody'} may not publish ${JSON.stringify(packet.topic.slice(0, 100))}${full ? ': too many retained topics' : ''}`,
        );
        // MQTT 3.1.1 has no way to refuse a message: acknowledged like any other (3.3.5), and dropped.
        Object.assign(packet, { topic: nowhere, payload: Buffer.alloc(0), retain: false });
      } else if (packet.retain) {
        if (packet.payload.length === 0) retained.delete(packet.topic);
        else retained.add(packet.topic);
      }
      done(null);
    },
    authorizeSubscribe(client, subscription, done) {
      const user = users.get(client);
      const allowed =
        !subscription.topic.startsWith('$') &&
        (user?.subscribe.some((filter) => covers(filter, subscription.topic)) ?? false);
      if (!allowed) {
        stats.deniedSubscriptions += 1;
        complain(
          `${user?.name ?? 'somebody'} may not read ${JSON.stringify(subscription.topic.slice(0, 100))}`,
        );
      }
      done(null, allowed ? subscription : null);
    },
    // A session that was made under other rights, or a refused filter that aedes kept in one, delivers nothing.
    authorizeForward: (client, packet) =>
      users.get(client)?.subscribe.some((filter) => matches(filter, packet.topic)) === true ? packet : null,
  });
  aedes.on('clientError', (client, error) =>
    log.debug(`mqtt broker: ${addressOf(client)}: ${reason(error)}`),
  );
  aedes.on('connectionError', (client, error) =>
    log.debug(`mqtt broker: ${addressOf(client)}: ${reason(error)}`),
  );
  boundQueues(aedes, () => (stats.overflowed += 1));
  keepOrder(aedes);
  aedes.on('subscribe', () => {
    void internals(aedes)
      .persistence.countOffline()
      .then(({ clientsCount }) => (sessions = clientsCount))
      .catch((error: unknown) => log.debug(`mqtt broker: its sessions cannot be counted: ${reason(error)}`));
  });

  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    const from = socket.remoteAddress;
    if ([...sockets].filter((other) => other.remoteAddress === from).length >= mostOfOneAddress) {
      complain(`${from ?? 'somebody'} has ${mostOfOneAddress} connections already; more are refused`);
      return void socket.destroy();
    }
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    const sizes = new PacketSizes(mostPacketBytes);
    // aedes pulls with read(), which emits `data` for those who only watch.
    socket.on('data', (chunk) => {
      if (sizes.accept(chunk)) return;
      stats.oversized += 1;
      complain(`${socket.remoteAddress ?? 'somebody'} sent a packet of more than ${mostPacketBytes} bytes`);
      socket.destroy();
    });
    aedes.handle(socket);
  });
  server.maxConnections = mostConnections;
  try {
    await bind(server, config);
  } catch (error) {
    aedes.close();
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  const host = config.host === '0.0.0.0' ? '127.0.0.1' : config.host === '::' ? '::1' : config.host;
  const close = async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => aedes.close(resolve));
  };
  signal.addEventListener('abort', () => void close(), { once: true });
  if (signal.aborted) await close();
  log.info(`the embedded MQTT broker listens on ${config.host}:${port}`);
  return {
    url: `mqtt://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ...internal,
    port,
    get stats() {
      return { ...stats, connections: sockets.size };
    },
    close,
  };
}

const internals = (aedes: Aedes) => aedes as unknown as Internals;

const addressOf = (client: Client): string =>
  (client.conn as Partial<Socket> | undefined)?.remoteAddress ?? 'somebody';

/** Compares digests of fixed length in constant time, for an unknown name as well. */
function signIn(users: readonly BrokerConfig['users'][number][]) {
  const key = randomBytes(32);
  const digest = (text: string | Buffer) => createHmac('sha256', key).update(text).digest();
  const known = new Map<string, User>(
    users.map(({ name, password, publish, subscribe }) => [
      name,
      { name, digest: digest(password), publish, subscribe },
    ]),
  );
  const nobody = digest(randomBytes(32));
  return (name: string | undefined, password: Buffer | undefined): User | undefined => {
    const user = name === undefined ? undefined : known.get(name);
    const right = timingSafeEqual(user?.digest ?? nobody, digest(password ?? ''));
    return right ? user : undefined;
  };
}

/** aedes keeps everything for a session that is away; we keep the first thousand, so that a lost device costs no memory. */
function boundQueues(aedes: Aedes, onOverflow: () => void): void {
  const { persistence } = internals(aedes);
  const enqueue = persistence.outgoingEnqueueCombi.bind(persistence);
  const waiting = new Map<string, number>();
  persistence.outgoingEnqueueCombi = (subs, packet) => {
    const room = subs.filter(({ clientId }) => {
      const count = waiting.get(clientId) ?? 0;
      if (count >= mostQueued) onOverflow();
      else waiting.set(clientId, count + 1);
      return count < mostQueued;
    });
    return enqueue(room, packet);
  };
  aedes.on('ack', (_packet, client) => {
    waiting.set(client.id, Math.max(0, (waiting.get(client.id) ?? 0) - 1));
  });
  aedes.on('client', (client) => {
    if (client.clean) waiting.delete(client.id);
  });
}

/**
 * aedes numbers messages, stores those that are retained or of QoS 1 first, and takes whatever reaches a subscriber after
 * a higher number for a duplicate: a message that another overtook while it was stored was lost. So each waits until the
 * one before it was handed out.
 */
function keepOrder(aedes: Aedes): void {
  const broker = internals(aedes);
  const { mq } = broker;
  const [publish, emit] = [broker.publish.bind(aedes), mq.emit.bind(mq)];
  const waiting: (() => void)[] = [];
  let [underWay, draining] = [false, false];
  const next = () => {
    underWay = false;
    if (draining) return;
    draining = true;
    while (!underWay && waiting.length > 0) {
      underWay = true;
      waiting.shift()?.();
    }
    draining = false;
  };
  mq.emit = (packet, done) => {
    const emitted = emit(packet, done);
    next();
    return emitted;
  };
  broker.publish = (packet, from, then) => {
    // Its own notices come without a client.
    const [client, done] = typeof from === 'function' ? [null, from as Published] : [from, then];
    waiting.push(() =>
      publish(packet, client, (error) => {
        // What could not be stored is never handed out.
        if (error) next();
        done?.(error);
      }),
    );
    if (!underWay) next();
  };
}

const troubles: Readonly<
  Record<string, readonly ['UNREACHABLE' | 'PERMISSION_MISSING' | 'CONFIG_INVALID', string]>
> = {
  EADDRINUSE: ['UNREACHABLE', 'the port is taken by another program; choose another port'],
  EACCES: ['PERMISSION_MISSING', 'the system does not allow that port; choose one above 1023'],
  EADDRNOTAVAIL: ['CONFIG_INVALID', 'this machine does not have that address; check host'],
};

function bind(server: Server, { host, port }: BrokerConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const [code, text] = troubles[error.code ?? ''] ?? ['UNREACHABLE', reason(error)];
      reject(
        new LaresError(code, `the embedded MQTT broker cannot listen on ${host}:${port}: ${text}`, {
          cause: error,
        }),
      );
    });
    server.listen(port, host, resolve);
  });
}
