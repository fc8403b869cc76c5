import koffi from 'koffi';
import { LaresError } from '#kernel/errors.ts';
import type { Mac } from '../model.ts';
import { macBytes } from './codec/ethernet.ts';
import { assembleFilter } from './packet-filter.ts';

// Linux numbers; the same on x86-64 and arm64.
const [AF_PACKET, SOCK_RAW, SOCK_NONBLOCK, SOCK_CLOEXEC, ETH_P_ALL] = [17, 3, 0o4000, 0o2000000, 0x0003];
const [SOL_SOCKET, SO_RCVBUF, SO_ATTACH_FILTER] = [1, 8, 26];
const [SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_MULTICAST] = [263, 1, 0];
const [POLLIN, MSG_DONTWAIT] = [1, 0x40];
const [EPERM, EACCES, EAGAIN, ENODEV, ENETDOWN, ENXIO, EINTR, ENOBUFS] = [1, 13, 11, 19, 100, 6, 4, 105];
const packetOutgoing = 4;
/** How long one wait occupies a thread of libuv's pool; also how late a stop may be noticed. */
const pollMs = 200;

const mdnsGroups: readonly Mac[] = ['01:00:5e:00:00:fb', '33:33:00:00:00:fb'];

function bind() {
  const libc = koffi.load(null);
  // koffi knows no ssize_t; intptr_t has the same size.
  return {
    socket: libc.func('int socket(int domain, int type, int protocol)'),
    bind: libc.func('int bind(int fd, const void *address, uint32_t length)'),
    setsockopt: libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'),
    send: libc.func('intptr_t send(int fd, const void *bytes, size_t length, int flags)'),
    recvfrom: libc.func(
      'intptr_t recvfrom(int fd, void *bytes, size_t length, int flags, void *address, void *addressLength)',
    ),
    poll: libc.func('int poll(void *fds, unsigned long count, int timeoutMs)'),
    close: libc.func('int close(int fd)'),
    ifNameToIndex: libc.func('uint32_t if_nametoindex(const char *name)'),
  };
}
let bound: ReturnType<typeof bind> | undefined;
const libc = () => (bound ??= bind());

/** A raw Ethernet socket on one interface. Needs CAP_NET_RAW. */
export interface PacketSocket {
  readonly index: number;
  /** Sends one frame. False when the kernel's queue is full: try again later. Throws UNREACHABLE when the interface is down or gone. */
  send(frame: Uint8Array): boolean;
  /**
   * Hands over frames of others until the signal aborts, then closes the socket.
   * Throws UNREACHABLE when the interface goes down. The bytes are valid only during the call.
   */
  receive(frame: (bytes: Uint8Array) => void, signal: AbortSignal): Promise<void>;
  close(): void;
}

const down = (name: string, errno: number) =>
  new LaresError('UNREACHABLE', `interface ${name} is ${errno === ENETDOWN ? 'down' : 'gone'}`);

/**
 * Opens the socket; `filtered` keeps everything but ARP, DHCP, mDNS and neighbour discovery in the kernel.
 * Throws PERMISSION_MISSING without CAP_NET_RAW and UNREACHABLE for an interface that is not there.
 */
export function openPacketSocket(name: string, filtered = true): PacketSocket {
  const c = libc();
  const index: number = c.ifNameToIndex(name);
  if (index === 0) throw new LaresError('UNREACHABLE', `there is no interface ${name}`);
  const protocol = Buffer.alloc(2);
  protocol.writeUInt16BE(ETH_P_ALL);
  // Protocol 0 hears nothing until bind, when the filter is already in place.
  const fd: number = c.socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    const errno = koffi.errno();
    const denied = errno === EPERM || errno === EACCES;
    throw new LaresError(
      denied ? 'PERMISSION_MISSING' : 'INTERNAL',
      denied
        ? 'raw ARP needs CAP_NET_RAW (systemd: AmbientCapabilities=CAP_NET_RAW)'
        : `cannot open a packet socket (errno ${errno})`,
    );
  }
  try {
    configure(fd, index, filtered);
    const address = Buffer.alloc(20);
    address.writeUInt16LE(AF_PACKET, 0);
    protocol.copy(address, 2);
    address.writeInt32LE(index, 4);
    if (c.bind(fd, address, address.length) !== 0) throw down(name, koffi.errno());
  } catch (error) {
    c.close(fd);
    throw error;
  }
  return new RawSocket(fd, name, index);
}

function configure(fd: number, index: number, filtered: boolean): void {
  const c = libc();
  const size = Buffer.alloc(4);
  size.writeInt32LE(1 << 20);
  c.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, size, 4);
  if (filtered) {
    const filter = assembleFilter();
    // struct sock_fprog: a count, padding, and a pointer.
    const program = Buffer.alloc(16);
    program.writeUInt16LE(filter.length / 8, 0);
    program.writeBigUInt64LE(koffi.address(filter), 8);
    if (c.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, program, program.length) !== 0)
      throw new LaresError('INTERNAL', `the kernel refused the packet filter (errno ${koffi.errno()})`);
  }
  // Without a membership, network cards throw multicast DNS away.
  for (const group of mdnsGroups) {
    const request = Buffer.alloc(16);
    request.writeInt32LE(index, 0);
    request.writeUInt16LE(PACKET_MR_MULTICAST, 4);
    request.writeUInt16LE(6, 6);
    request.set(macBytes(group), 8);
    c.setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, request, request.length);
  }
}

class RawSocket implements PacketSocket {
  readonly index: number;
  readonly #name: string;
  #fd: number;

  constructor(fd: number, name: string, index: number) {
    this.#fd = fd;
    this.#name = name;
    this.index = index;
  }

  send(frame: Uint8Array): boolean {
    if (libc().send(this.#fd, frame, frame.length, MSG_DONTWAIT) >= 0) return true;
    const errno = koffi.errno();
    if (errno === EAGAIN || errno === ENOBUFS || errno === EINTR) return false;
    if (errno === ENETDOWN || errno === ENXIO || errno === ENODEV) throw down(this.#name, errno);
    throw new LaresError('INTERNAL', `cannot send on ${this.#name} (errno ${errno})`);
  }

  async receive(frame: (bytes: Uint8Array) => void, signal: AbortSignal): Promise<void> {
    const bytes = Buffer.alloc(9216);
    const from = Buffer.alloc(20);
    const length = Buffer.alloc(4);
    const waiting = Buffer.alloc(8);
    waiting.writeInt32LE(this.#fd, 0);
    waiting.writeInt16LE(POLLIN, 4);
    try {
      while (!signal.aborted) {
        await new Promise<void>((resolve) => libc().poll.async(waiting, 1, pollMs, () => resolve()));
        for (;;) {
          if (signal.aborted) return;
          length.writeUInt32LE(20);
          const got = Number(libc().recvfrom(this.#fd, bytes, bytes.length, MSG_DONTWAIT, from, length));
          if (got < 0) {
            const errno = koffi.errno();
            if (errno === EAGAIN || errno === EINTR) break;
            throw down(this.#name, errno);
          }
          if (from[10] !== packetOutgoing) frame(bytes.subarray(0, Math.min(got, bytes.length)));
        }
      }
    } finally {
      this.close();
    }
  }

  close(): void {
    if (this.#fd >= 0) libc().close(this.#fd);
    this.#fd = -1;
  }
}
