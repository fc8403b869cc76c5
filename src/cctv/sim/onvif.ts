import { createSocket, type Socket as Datagram } from 'node:dgram';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { randomBytes } from 'node:crypto';
import { probeIdOf, tokenDigest } from '../onvif/soap.ts';
import { at, escaped, parseXml, type Element } from '../onvif/xml.ts';

export interface SimProfile {
  readonly token: string;
  readonly name: string;
  readonly encoding: 'H264' | 'H265' | 'JPEG';
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  /** Frames from keyframe to keyframe. */
  readonly gop: number;
  readonly streamUrl: string;
  readonly snapshotUrl?: string;
  readonly analytics?: boolean;
}

export interface OnvifSimOptions {
  readonly username?: string;
  readonly password?: string;
  readonly name?: string;
  readonly hardware?: string;
  readonly manufacturer?: string;
  readonly model?: string;
  readonly firmware?: string;
  readonly profiles: readonly SimProfile[];
  /** Says the encoders only under GetVideoEncoderConfigurations, as some makes do. */
  readonly encodersApart?: boolean;
  readonly now?: () => number;
}

export type OnvifFault = 'none' | '401' | 'garbage' | 'silent';

const discoveryPort = 3702;
const group = '239.255.255.250';
const soap = 'http://www.w3.org/2003/05/soap-envelope';
const schema = 'http://www.onvif.org/ver10/schema';
// How far the time of a token may be from that of the device.
const tokenLifeMs = 300_000;

/** An ONVIF camera: WS-Discovery over UDP, device and media service over HTTP, and refusals on demand. */
export class OnvifSim {
  fault: OnvifFault = 'none';
  /** Seconds by which its clock is ahead. */
  driftSeconds = 0;
  /** The host that it claims in addresses, in place of its own: a camera behind another router. */
  claimedHost: string | undefined;
  /** Names of the requests that came, in order. */
  readonly requests: string[] = [];
  probes = 0;
  /** Logins that came, right or wrong. */
  proofs = 0;
  readonly #options: OnvifSimOptions;
  readonly #now: () => number;
  readonly #sockets = new Set<Socket>();
  #datagrams: Datagram[] = [];
  #host = '127.0.0.1';
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  constructor(options: OnvifSimOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  /** Listens on an address of its own, because WS-Discovery has one port only: 127.0.1.2, or one of a namespace. */
  async listen(host: string, port = 0): Promise<this> {
    this.#host = host;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, resolve);
    });
    this.#datagrams = [await this.#hear(host), await this.#hear(group)];
    return this;
  }

  get xaddr(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://${this.claimedHost ?? this.#host}:${port}/onvif/device_service`;
  }

  async close(): Promise<void> {
    for (const socket of this.#datagrams) socket.close();
    this.#datagrams = [];
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #hear(address: string): Promise<Datagram> {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    socket.on('message', (bytes, from) => {
      const id = probeIdOf(bytes.toString('utf8'));
      if (id === undefined || this.fault === 'silent') return;
      this.probes += 1;
      const answer = this.fault === 'garbage' ? randomBytes(200) : Buffer.from(this.#match(id));
      // From its own address, also to a question that went to the group.
      this.#datagrams[0]?.send(answer, from.port, from.address);
    });
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(discoveryPort, address, () => {
        if (address === group) socket.addMembership(group, this.#host);
        resolve(socket);
      });
    });
  }

  #match(id: string): string {
    const { name = 'Simulated camera', hardware = 'SIM-1' } = this.#options;
    const scope = (kind: string, value: string) =>
      `onvif://www.onvif.org/${kind}/${encodeURIComponent(value)}`;
    return (
      `<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="${soap}" xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">` +
      `<SOAP-ENV:Header><wsa:RelatesTo>uuid:${escaped(id)}</wsa:RelatesTo></SOAP-ENV:Header><SOAP-ENV:Body><d:ProbeMatches><d:ProbeMatch>` +
      `<d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>onvif://www.onvif.org/type/video_encoder ${scope('name', name)} ${scope('hardware', hardware)}</d:Scopes>` +
      `<d:XAddrs>${this.xaddr}</d:XAddrs></d:ProbeMatch></d:ProbeMatches></SOAP-ENV:Body></SOAP-ENV:Envelope>`
    );
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const root = parseXml(text);
    const call = at(root, 'Body')?.children[0];
    this.requests.push(call?.name ?? '');
    if (this.fault === 'silent') return;
    const reply = (status: number, body: string | Buffer) => {
      response.writeHead(status, { 'content-type': 'application/soap+xml; charset=utf-8' });
      response.end(body);
    };
    if (this.fault === 'garbage') return reply(200, randomBytes(300));
    if (this.fault === '401') return reply(401, '');
    const open = call?.name === 'GetSystemDateAndTime';
    if (call === undefined || (!open && !this.#allowed(root))) return reply(400, refused);
    const body = Object.hasOwn(answers, call.name) ? answers[call.name]?.(this.#view(), call) : undefined;
    reply(body === undefined ? 400 : 200, body === undefined ? unknown : wrapped(call.name, body));
  }

  #view(): View {
    return { options: this.#options, xaddr: this.xaddr, time: this.#time() };
  }

  #time(): number {
    return this.#now() + this.driftSeconds * 1000;
  }

  #allowed(root: Element | undefined): boolean {
    const { username, password = '' } = this.#options;
    if (username === undefined) return true;
    const token = at(root, 'Header', 'Security', 'UsernameToken');
    if (token !== undefined) this.proofs += 1;
    const created = at(token, 'Created')?.text ?? '';
    const nonce = Buffer.from(at(token, 'Nonce')?.text ?? '', 'base64');
    const fresh = Math.abs(Date.parse(created) - this.#time()) < tokenLifeMs;
    const proven = at(token, 'Password')?.text === tokenDigest(nonce, created, password);
    return fresh && proven && at(token, 'Username')?.text === username;
  }
}

interface View {
  readonly options: OnvifSimOptions;
  readonly xaddr: string;
  readonly time: number;
}

function wrapped(name: string, body: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="${soap}" xmlns:tt="${schema}"><env:Body><t:${name}Response xmlns:t="http://www.onvif.org/ver10">${body}</t:${name}Response></env:Body></env:Envelope>`;
}

function fault(code: string, subcode: string, reason: string): string {
  return `<env:Envelope xmlns:env="${soap}" xmlns:ter="http://www.onvif.org/ver10/error"><env:Body><env:Fault><env:Code><env:Value>env:${code}</env:Value><env:Subcode><env:Value>ter:${subcode}</env:Value></env:Subcode></env:Code><env:Reason><env:Text xml:lang="en">${reason}</env:Text></env:Reason></env:Fault></env:Body></env:Envelope>`;
}

const refused = fault('Sender', 'NotAuthorized', 'Sender not Authorized');
const unknown = fault('Receiver', 'ActionNotSupported', 'Optional Action Not Implemented');

function encoder(profile: SimProfile): string {
  const own =
    profile.encoding === 'JPEG'
      ? ''
      : `<tt:${profile.encoding}><tt:GovLength>${profile.gop}</tt:GovLength></tt:${profile.encoding}>`;
  return `<tt:Encoding>${profile.encoding}</tt:Encoding><tt:Resolution><tt:Width>${profile.width}</tt:Width><tt:Height>${profile.height}</tt:Height></tt:Resolution><tt:RateControl><tt:FrameRateLimit>${profile.fps}</tt:FrameRateLimit><tt:BitrateLimit>2048</tt:BitrateLimit></tt:RateControl>${own}`;
}

function named(view: View, call: Element): SimProfile | undefined {
  const token = at(call, 'ProfileToken')?.text;
  return view.options.profiles.find((profile) => profile.token === token);
}

function uri(text: string | undefined): string | undefined {
  return text === undefined ? undefined : `<t:MediaUri><tt:Uri>${escaped(text)}</tt:Uri></t:MediaUri>`;
}

const answers: Readonly<Record<string, (view: View, call: Element) => string | undefined>> = {
  GetSystemDateAndTime: ({ time }) => {
    const date = new Date(time);
    return `<t:SystemDateAndTime><tt:UTCDateTime><tt:Time><tt:Hour>${date.getUTCHours()}</tt:Hour><tt:Minute>${date.getUTCMinutes()}</tt:Minute><tt:Second>${date.getUTCSeconds()}</tt:Second></tt:Time><tt:Date><tt:Year>${date.getUTCFullYear()}</tt:Year><tt:Month>${date.getUTCMonth() + 1}</tt:Month><tt:Day>${date.getUTCDate()}</tt:Day></tt:Date></tt:UTCDateTime></t:SystemDateAndTime>`;
  },
  GetDeviceInformation: ({ options }) =>
    `<t:Manufacturer>${escaped(options.manufacturer ?? 'Lares')}</t:Manufacturer><t:Model>${escaped(options.model ?? 'SIM-1')}</t:Model><t:FirmwareVersion>${escaped(options.firmware ?? '1.0.0')}</t:FirmwareVersion><t:SerialNumber>0001</t:SerialNumber><t:HardwareId>${escaped(options.hardware ?? 'SIM-1')}</t:HardwareId>`,
  GetCapabilities: ({ xaddr }) =>
    `<t:Capabilities><tt:Media><tt:XAddr>${xaddr.replace('device_service', 'media_service')}</tt:XAddr></tt:Media></t:Capabilities>`,
  GetProfiles: ({ options }) =>
    options.profiles
      .map((profile) => {
        const inner = options.encodersApart === true ? '' : encoder(profile);
        const analytics = profile.analytics === true ? '<tt:VideoAnalyticsConfiguration token="a"/>' : '';
        return `<t:Profiles token="${escaped(profile.token)}"><tt:Name>${escaped(profile.name)}</tt:Name><tt:VideoEncoderConfiguration token="enc_${escaped(profile.token)}">${inner}</tt:VideoEncoderConfiguration>${analytics}</t:Profiles>`;
      })
      .join(''),
  GetVideoEncoderConfigurations: ({ options }) =>
    options.profiles
      .map(
        (profile) =>
          `<t:Configurations token="enc_${escaped(profile.token)}">${encoder(profile)}</t:Configurations>`,
      )
      .join(''),
  GetStreamUri: (view, call) => uri(named(view, call)?.streamUrl),
  GetSnapshotUri: (view, call) => uri(named(view, call)?.snapshotUrl),
};
