import { randomBytes } from 'node:crypto';
import type { Socket as Datagram } from 'node:dgram';
import type { Socket } from 'node:net';
import type { Clip, VideoCodec } from './clip.ts';
import { payloads, rtpPacket, senderReport } from './rtp.ts';
import type { Faults, Medium, PathOptions } from './rtsp.model.ts';

/** Where packets go: into the RTSP connection, or to a pair of UDP ports. */
export type Outlet =
  | { readonly kind: 'tcp'; readonly channel: number }
  | { readonly kind: 'udp'; readonly socket: Datagram; readonly host: string; readonly port: number };

/** What a session needs of the path that it plays. Read anew for each picture, so that changes act at once. */
export interface Stage {
  readonly medium: Medium;
  readonly faults: Faults;
  readonly options: PathOptions;
  count(pictures: number, bytes: number): void;
}

const payloadType = 96;
// Ticks a millisecond of the RTP clock of video.
const ticks = 90;
// What a camera lets pile up for a slow reader before it throws pictures away.
const mostPending = 4_000_000;
const reportEveryMs = 5000;

/** One client that plays: sends the pictures of a medium at their time, for ever. */
export class RtspSession {
  readonly id: string = randomBytes(6).toString('hex');
  readonly source: number = randomBytes(4).readUInt32BE();
  readonly firstTimestamp: number;
  readonly firstSequence: number = randomBytes(2).readUInt16BE();
  readonly #stage: Stage;
  readonly #socket: Socket;
  readonly #outlet: Outlet;
  readonly #random: () => number;
  #sequence = this.firstSequence;
  #medium: Medium | undefined;
  #startedAt = 0;
  #reportedAt = 0;
  #packets = 0;
  #bytes = 0;
  /** Ticks since the start at which the present round of the clip began. */
  #origin = 0;
  #index = 0;
  #timer: NodeJS.Timeout | undefined;
  #leave: (() => void) | undefined;
  #running = false;

  constructor(stage: Stage, socket: Socket, outlet: Outlet, random: () => number) {
    this.firstTimestamp = stage.options.firstTimestamp ?? randomBytes(4).readUInt32BE();
    this.#stage = stage;
    this.#socket = socket;
    this.#outlet = outlet;
    this.#random = random;
  }

  get outlet(): Outlet {
    return this.#outlet;
  }

  get playing(): boolean {
    return this.#running;
  }

  play(): void {
    if (this.#running) return;
    this.#running = true;
    this.#startedAt = performance.now();
    this.#enter();
  }

  pause(): void {
    this.#running = false;
    this.#leave?.();
    clearTimeout(this.#timer);
  }

  end(): void {
    this.pause();
    if (this.#outlet.kind !== 'udp') return;
    this.#outlet.socket.close();
  }

  /** Goes on with the medium that the path has now: from its first picture, at timestamps that go on. */
  change(): void {
    if (!this.#running) return;
    this.#leave?.();
    clearTimeout(this.#timer);
    this.#enter();
  }

  #now(): number {
    return (performance.now() - this.#startedAt) * ticks;
  }

  #enter(): void {
    const { medium } = this.#stage;
    this.#medium = medium;
    this.#origin = this.#now();
    this.#index = 0;
    this.#leave = undefined;
    if (medium.kind === 'clip') return this.#step(medium);
    let offset: number | undefined;
    this.#leave = medium.subscribe((unit) => {
      if (offset === undefined && !unit.key) return;
      offset ??= this.#origin - unit.time;
      this.#send(medium.codec, unit.nals, unit.key, offset + unit.time, medium.sets);
    });
  }

  #step(clip: Clip): void {
    for (;;) {
      const unit = clip.units[this.#index];
      if (unit === undefined) {
        this.#origin += clip.duration;
        this.#index = 0;
        continue;
      }
      const wait = this.#origin + unit.due - this.#now();
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#step(clip), Math.ceil(wait / ticks));
        return;
      }
      this.#index += 1;
      this.#send(clip.codec, unit.nals, unit.key, this.#origin + unit.time, clip.sets);
      if (!this.#running || this.#medium !== clip) return;
    }
  }

  #send(
    codec: VideoCodec,
    nals: readonly Buffer[],
    key: boolean,
    time: number,
    sets: readonly Buffer[],
  ): void {
    const { faults, options } = this.#stage;
    if (faults.halfOpen || (key && faults.noKeyframes)) return;
    if (this.#socket.writableLength > mostPending) return;
    if (faults.garbage) return this.#write([randomBytes(700)], false);
    const timestamp = Math.round(this.firstTimestamp + time - faults.lateMs * ticks);
    const inBand = key && options.sets !== 'description';
    const parts = payloads(codec, inBand ? [...sets, ...nals] : nals);
    // A single NAL unit that is only its header, of a type that means nothing, and a payload of no bytes at all.
    if (faults.empty) parts.unshift(Buffer.alloc(0), Buffer.alloc(codec === 'h264' ? 1 : 2));
    const packets: Buffer[] = [];
    for (const [index, payload] of parts.entries()) {
      const packet = rtpPacket(
        {
          type: payloadType,
          marker: index === parts.length - 1,
          sequence: this.#sequence,
          timestamp: timestamp % 2 ** 32,
          source: this.source,
        },
        payload,
      );
      this.#sequence += 1;
      if (faults.corrupt > 0 && this.#random() < faults.corrupt) this.#flip(packet);
      if (faults.loss > 0 && this.#random() < faults.loss) continue;
      packets.push(packet);
    }
    this.#write(packets, true);
    this.#packets += packets.length;
    const bytes = packets.reduce((sum, packet) => sum + packet.length, 0);
    this.#bytes += bytes;
    this.#stage.count(1, bytes);
    this.#report(timestamp);
  }

  #flip(packet: Buffer): void {
    for (let turn = 0; turn < 8; turn += 1) {
      const at = 12 + Math.floor(this.#random() * (packet.length - 12));
      packet[at] = (packet[at] ?? 0) ^ (1 << Math.floor(this.#random() * 8));
    }
  }

  #report(timestamp: number): void {
    const now = performance.now();
    if (this.#reportedAt > 0 && now - this.#reportedAt < reportEveryMs) return;
    this.#reportedAt = now;
    const report = senderReport(this.source, Date.now(), timestamp % 2 ** 32, this.#packets, this.#bytes);
    if (this.#outlet.kind === 'tcp') this.#socket.write(framed(report, this.#outlet.channel + 1));
    else this.#outlet.socket.send(report, this.#outlet.port + 1, this.#outlet.host);
  }

  #write(packets: readonly Buffer[], frame: boolean): void {
    const outlet = this.#outlet;
    if (outlet.kind === 'udp') {
      for (const packet of packets) outlet.socket.send(packet, outlet.port, outlet.host);
      return;
    }
    if (this.#socket.destroyed) return;
    this.#socket.write(
      Buffer.concat(packets.map((packet) => (frame ? framed(packet, outlet.channel) : packet))),
    );
  }
}

/** A packet within an RTSP connection (RFC 2326 10.12). */
function framed(packet: Buffer, channel: number): Buffer {
  const head = Buffer.from([0x24, channel, 0, 0]);
  head.writeUInt16BE(packet.length, 2);
  return Buffer.concat([head, packet]);
}
