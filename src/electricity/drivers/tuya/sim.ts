import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Faults } from '../shared/sim-faults.ts';
import { readSolicitation, writeBeacon, type Clothing } from './beacon.ts';
import type { DataValue } from './model.ts';
import { SimDevice } from './sim-device.ts';
import { Peer, type SimHost, type TuyaFault, type TuyaSimOptions } from './sim-peer.ts';

export { tuyaFaults, type TuyaFault, type TuyaSimOptions } from './sim-peer.ts';

/** A Tuya device on a real socket, in any version, with an appliance behind its meter. */
export class TuyaSim implements SimHost {
  readonly options: TuyaSimOptions;
  readonly device: SimDevice;
  /** Node ids of sub-devices that do not answer. */
  readonly away = new Set<string>();
  /** Commands that arrived, newest last, at most 200. */
  readonly heard: number[] = [];
  connections = 0;
  readonly #faults = new Faults<TuyaFault>();
  readonly #peers = new Set<Peer>();
  readonly #server: Server;
  #said: Map<number, DataValue>;
  #udp: UdpSocket | undefined;
  #announcing: NodeJS.Timeout | undefined;

  constructor(options: TuyaSimOptions) {
    this.options = options;
    this.device = new SimDevice(options);
    this.#said = this.device.measure();
    this.#server = createServer({ noDelay: true }, (socket) => this.#welcome(socket));
  }

  listen(port = 0, host = '127.0.0.1'): Promise<this> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => resolve(this));
    });
  }

  get host(): string {
    return (this.#server.address() as AddressInfo).address;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    clearInterval(this.#announcing);
    this.#udp?.close();
    this.#faults.clear();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const peer of this.#peers) peer.socket.destroy();
    await closed;
  }

  /** Misbehaves for `ms` milliseconds, or until `mend`. */
  fault(name: TuyaFault, ms?: number): void {
    this.#faults.begin(name, ms);
    if (name === 'drop') this.disconnect();
  }

  /** Connections that it serves now. */
  get clients(): number {
    return this.#peers.size;
  }

  mend(): void {
    this.#faults.clear();
  }

  has(fault: TuyaFault): boolean {
    return this.#faults.has(fault);
  }

  /** Cuts every connection. */
  disconnect(): void {
    for (const peer of this.#peers) peer.socket.destroy();
  }

  /** Says its state unasked, as after a press of its button. */
  push(): void {
    this.#said = this.device.measure();
    for (const peer of this.#peers) peer.pushState(this.#said);
  }

  /** Sends its broadcast to an address; a test's own ear, or the broadcast address of a network. */
  async announce(host: string, port: number): Promise<void> {
    const socket = createSocket('udp4');
    const packet = this.beacon();
    await new Promise<void>((resolve) => {
      socket.bind(0, this.host, () => {
        socket.setBroadcast(true);
        socket.send(packet, port, host, () => resolve());
      });
    });
    socket.close();
  }

  /** Announces itself again and again, every 5 s as real ones do unless told otherwise. */
  keepAnnouncing(host: string, port: number, everyMs = 5_000): void {
    clearInterval(this.#announcing);
    this.#announcing = setInterval(() => void this.announce(host, port), everyMs);
    this.#announcing.unref();
  }

  /** Answers solicitations that reach this port on the device's own address. */
  answerSolicitations(port: number): Promise<void> {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    this.#udp = socket;
    socket.on('message', (packet) => {
      const to = readSolicitation(packet);
      if (to !== undefined) socket.send(this.beacon(), port, to);
    });
    return new Promise((resolve) => socket.bind(port, this.host, () => resolve()));
  }

  /** Its broadcast packet. */
  beacon(): Buffer {
    const { id, version, productId = 'simulatedproduct' } = this.options;
    const clothing: Clothing = version === '3.1' ? 'clear' : version === '3.5' ? 'gcm' : 'ecb';
    const text = {
      ip: this.host,
      gwId: id,
      active: 2,
      ablilty: 0,
      encrypt: true,
      productKey: productId,
      version,
    };
    return writeBeacon(JSON.stringify(text), clothing);
  }

  /** What the device says now; old numbers where it is one that measures only on request. */
  state(): Map<number, DataValue> {
    const fresh = this.device.measure();
    if (this.options.stale === true) {
      const { switchDp } = this.device;
      return new Map([...this.#said].map(([dp, value]) => [dp, dp === switchDp ? fresh.get(dp)! : value]));
    }
    return (this.#said = fresh);
  }

  refresh(): Map<number, DataValue> {
    return (this.#said = this.device.measure());
  }

  #welcome(socket: Socket): void {
    this.connections += 1;
    socket.on('error', () => {});
    const { secondClient = 'refuse' } = this.options;
    const second = this.#peers.size > 0 && secondClient !== 'serve';
    if (this.has('drop') || (second && secondClient === 'refuse')) return void socket.destroy();
    if (second) return;
    const peer = new Peer(this, socket);
    this.#peers.add(peer);
    socket.on('close', () => this.#peers.delete(peer));
  }
}
