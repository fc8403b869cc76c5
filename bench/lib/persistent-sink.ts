import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import type { Batch, Sink } from '#kernel/reading.ts';
import type { GraphiteConfig } from '#metrics/config.ts';
import { encode } from '#metrics/sinks/graphite/codec.ts';
import type { GraphiteIo } from '#metrics/sinks/graphite/sink.ts';

const pollMs = 100;
const stuckMs = 5_000;
const cursorKey = 'bench.cursor';

interface Sent {
  readonly at: number;
  readonly points: number;
  /** Bytes written on this connection when its last byte was written. */
  readonly end: number;
  readonly sentMs: number;
  acknowledged: boolean;
}

/**
 * The rival of the receipt by FIN: one lasting connection; a tick counts as sent when the peer's kernel acknowledged its
 * bytes (`tx_queue` of /proc/net/tcp, Linux and IPv4 only), and the cursor moves when that is `holdBackMs` ago. A new
 * connection starts at the cursor, and the replay window before it.
 */
export class PersistentSink implements Sink {
  readonly name = 'graphite';
  readonly #config: GraphiteConfig;
  readonly #io: GraphiteIo;
  readonly #holdBackMs: number;
  #socket: Socket | undefined;
  #sent: Sent[] = [];
  #stuckSince: number | undefined;
  #cursor = 0;
  #closed = false;
  replayed = 0;
  reconnects = 0;
  readonly acknowledgeMs: number[] = [];

  constructor(config: GraphiteConfig, io: GraphiteIo, holdBackMs: number) {
    this.#config = config;
    this.#io = io;
    this.#holdBackMs = holdBackMs;
  }

  offer(batch: Batch): void {
    if (this.#socket !== undefined) this.#write([batch]);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, state } = this.#io;
    this.#cursor = (await state.get<number>(cursorKey)) ?? clock.now() - this.#config.replay_minutes * 60_000;
    while (!signal.aborted) {
      if (this.#socket === undefined) await this.#connect();
      else this.#poll(this.#socket);
      await clock.sleep(pollMs, signal);
    }
    this.#closed = true;
    this.#socket?.destroy();
  }

  async #connect(): Promise<void> {
    const socket = connect({ host: this.#config.host, port: this.#config.port, noDelay: true });
    const ok = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
      setTimeout(() => resolve(false), this.#config.timeout_seconds * 1000);
    });
    socket.on('error', () => {});
    if (!ok || this.#closed) return void socket.destroy();
    socket.on('close', () => {
      if (this.#socket === socket) this.#socket = undefined;
    });
    socket.resume();
    this.#sent = [];
    this.#stuckSince = undefined;
    this.#socket = socket;
    this.reconnects += 1;
    const from = this.#cursor - this.#config.replay_minutes * 60_000;
    const missed: Batch[] = [];
    for await (const batch of this.#io.readings.range(from, this.#io.clock.now() + 1)) missed.push(batch);
    this.replayed += this.#write(missed);
  }

  #write(batches: readonly Batch[]): number {
    let total = 0;
    for (const batch of batches) {
      const { payload, points } = encode([batch]);
      this.#socket!.write(payload);
      total += points;
      const end = this.#socket!.bytesWritten;
      this.#sent.push({ at: batch.at, points, end, sentMs: performance.now(), acknowledged: false });
    }
    return total;
  }

  #poll(socket: Socket): void {
    const queued = unacknowledged(socket);
    if (queued === undefined) return;
    const now = performance.now();
    const acknowledged = socket.bytesWritten - socket.writableLength - queued;
    this.#stuckSince = queued > 0 ? (this.#stuckSince ?? now) : undefined;
    if (this.#stuckSince !== undefined && now - this.#stuckSince > stuckMs) return void socket.destroy();
    for (const one of this.#sent) {
      if (one.acknowledged || one.end > acknowledged) continue;
      one.acknowledged = true;
      this.acknowledgeMs.push(now - one.sentMs);
      this.#io.log.info(`Successfully sent ${one.points} metrics`);
    }
    const safe = this.#sent.filter((one) => one.acknowledged && now - one.sentMs > this.#holdBackMs);
    const last = safe.at(-1);
    if (last === undefined) return;
    this.#sent = this.#sent.slice(safe.length);
    this.#cursor = Math.max(this.#cursor, last.at + 1);
    void this.#io.state.set(cursorKey, this.#cursor);
  }
}

/** Bytes of this connection that the peer has not acknowledged. */
function unacknowledged(socket: Socket): number | undefined {
  const hex = (n: number) => n.toString(16).toUpperCase().padStart(4, '0');
  const [local, remote] = [`:${hex(socket.localPort ?? 0)}`, `:${hex(socket.remotePort ?? 0)}`];
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n')) {
    const [, here, there, , queues] = line.trim().split(/\s+/);
    if (here?.endsWith(local) && there?.endsWith(remote))
      return Number.parseInt(queues?.split(':')[0] ?? '0', 16);
  }
  return undefined;
}
