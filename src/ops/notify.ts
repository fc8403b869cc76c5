import { execFile } from 'node:child_process';
import { endianness } from 'node:os';
import { promisify } from 'node:util';
import type { Log } from '#kernel/driver.ts';
import { reason } from '#kernel/errors.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Tells the service manager how we are. Does nothing where there is none. */
export interface Notifier {
  /** Start-up, or a reload, is finished. */
  ready(): Promise<void>;
  reloading(): Promise<void>;
  stopping(): Promise<void>;
  /** One line for `systemctl status`. */
  status(text: string): Promise<void>;
  /** Pings until the signal aborts, but only while `healthy()`: systemd restarts a service that falls silent. */
  watch(healthy: () => boolean, signal: AbortSignal): void;
}

type Send = (message: string) => Promise<void>;

/** The socket of the service manager, from `NOTIFY_SOCKET` (sd_notify(3)); `direct` opens it. */
export async function openNotifier(env: Env, log: Log, direct = datagrams): Promise<Notifier> {
  const socket = env.NOTIFY_SOCKET;
  const send = socket === undefined || socket === '' ? undefined : await sender(socket, env, log, direct);
  let failed = false;
  const tell = async (message: string) => {
    try {
      await send?.(message);
    } catch (error) {
      if (!failed) log.warn(`systemd cannot be told how the service is: ${reason(error)}`, { error });
      failed = true;
    }
  };
  return {
    ready: () => tell('READY=1'),
    // CLOCK_MONOTONIC in microseconds, which Type=notify-reload asks for.
    reloading: () => tell(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: () => tell('STOPPING=1'),
    status: (text) => tell(`STATUS=${text.replaceAll(/[\p{Cc}]+/gu, ' ')}`),
    watch: (healthy, signal) => {
      const everyMs = send === undefined ? undefined : pingMs(env);
      if (everyMs === undefined || signal.aborted) return;
      const timer = setInterval(() => {
        if (healthy()) void tell('WATCHDOG=1');
      }, everyMs).unref();
      signal.addEventListener('abort', () => clearInterval(timer), { once: true });
    },
  };
}

/** A third of the time after which systemd gives us up; undefined when it does not watch this process. */
export function pingMs(env: Env, pid: number = process.pid): number | undefined {
  const usec = Number(env.WATCHDOG_USEC);
  if (!Number.isFinite(usec) || usec <= 0) return undefined;
  if (env.WATCHDOG_PID !== undefined && env.WATCHDOG_PID !== String(pid)) return undefined;
  return Math.max(1, Math.floor(usec / 3000));
}

/** The socket itself where it can be opened, otherwise the program `systemd-notify` (the unit then needs NotifyAccess=all). */
async function sender(socket: string, env: Env, log: Log, direct: typeof datagrams): Promise<Send> {
  try {
    return await direct(address(socket));
  } catch (error) {
    log.debug(`notifying through systemd-notify: ${reason(error)}`);
    const run = promisify(execFile);
    return async (message) => {
      await run('systemd-notify', message.split('\n'), {
        env: { ...env, NOTIFY_SOCKET: socket },
        timeout: 2_000,
      });
    };
  }
}

const longestPath = 108;
const AF_UNIX = 1;

/**
 * `struct sockaddr_un`: a path, or after `@` a name of the abstract namespace (unix(7)).
 * @throws RangeError for anything else, and for what does not fit in 108 bytes.
 */
export function address(socket: string): Buffer {
  if (!/^[/@]./.test(socket))
    throw new RangeError(`NOTIFY_SOCKET is ${JSON.stringify(socket)}, neither a path nor @name`);
  const abstract = socket.startsWith('@');
  const name = abstract ? Buffer.from(`\0${socket.slice(1)}`) : Buffer.from(`${socket}\0`);
  if (name.length > longestPath) throw new RangeError('NOTIFY_SOCKET is longer than 108 bytes');
  const family = Buffer.alloc(2);
  if (endianness() === 'LE') family.writeUInt16LE(AF_UNIX);
  else family.writeUInt16BE(AF_UNIX);
  return Buffer.concat([family, name]);
}

/** Node has no AF_UNIX datagrams, so libc sends them. Loaded only here: without systemd the library costs nothing. */
async function datagrams(to: Buffer): Promise<Send> {
  const { default: koffi } = await import('koffi');
  const libc = koffi.load(null);
  const open = libc.func('int socket(int domain, int type, int protocol)');
  const sendTo = libc.func(
    'intptr_t sendto(int fd, const void *bytes, size_t length, int flags, const void *to, uint32_t toLength)',
  );
  // Linux numbers: SOCK_DGRAM | SOCK_CLOEXEC, and MSG_DONTWAIT so that a full queue never stops the house.
  const fd: number = open(AF_UNIX, 2 | 0o2000000, 0);
  if (fd < 0) throw new Error(`no socket (errno ${koffi.errno()})`);
  return async (message) => {
    const bytes = Buffer.from(message);
    const sent = Number(sendTo(fd, bytes, bytes.length, 0x40, to, to.length));
    if (sent !== bytes.length) throw new Error(`sendto failed (errno ${koffi.errno()})`);
  };
}
