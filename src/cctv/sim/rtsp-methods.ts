import { createSocket } from 'node:dgram';
import type { AddressInfo, Socket } from 'node:net';
import { digestResponse, parseParams } from '../onvif/digest.ts';
import { header, type RtspMessage } from '../onvif/rtsp.codec.ts';
import type { AuthScheme, Medium, PathOptions } from './rtsp.model.ts';
import { RtspSession, type Outlet, type Stage } from './rtsp-session.ts';

/** What the RTSP simulator answers to each method. */

/** A path as the methods see it. */
export interface Place extends Stage {
  readonly sessions: Set<RtspSession>;
  described(): void;
  began(): void;
}

export interface Call {
  readonly place: Place;
  readonly request: RtspMessage;
  readonly socket: Socket;
  /** Sessions of this connection. */
  readonly sessions: Set<RtspSession>;
  readonly random: () => number;
  readonly reply: (
    status: number,
    headers?: Readonly<Record<string, string | readonly string[]>>,
    body?: string,
  ) => void;
  readonly end: (session: RtspSession) => void;
}

const realm = 'simulated camera';
const trackName = 'trackID=0';
const sessionSeconds = 60;

/** The path of a request's URL without the name of the track. */
export function pathOf(url: string): string {
  const path = url.startsWith('rtsp') ? (URL.parse(url)?.pathname ?? '') : url;
  return path.replace(/\/trackID=\d+$/, '').replace(/(.)\/$/, '$1');
}

/** Values of `WWW-Authenticate`, one for each scheme that the path offers. */
export function challengesOf(options: PathOptions, nonce: string, stale = false): string[] {
  const old = stale ? ', stale=true' : '';
  const write: Readonly<Record<AuthScheme, string>> = {
    basic: `Basic realm="${realm}"`,
    digest: `Digest realm="${realm}", nonce="${nonce}"${old}`,
    'digest-sha256': `Digest realm="${realm}", nonce="${nonce}", algorithm=SHA-256, qop="auth"${old}`,
  };
  return schemesOf(options).map((scheme) => write[scheme]);
}

function schemesOf(options: PathOptions): readonly AuthScheme[] {
  return options.auth ?? ['digest'];
}

/** Whether a request carries the credentials that the path asks for. */
export function allowed(options: PathOptions, request: RtspMessage, nonce: string): boolean {
  const { username, password = '' } = options;
  if (username === undefined) return true;
  const given = header(request, 'authorization') ?? '';
  const basic = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(given);
  if (basic !== null)
    return (
      schemesOf(options).includes('basic') &&
      Buffer.from(basic[1] ?? '', 'base64').toString('utf8') === `${username}:${password}`
    );
  if (!/^Digest /i.test(given)) return false;
  const params = parseParams(given.slice(7));
  const algorithm = params.get('algorithm');
  if (!schemesOf(options).includes(algorithm === 'SHA-256' ? 'digest-sha256' : 'digest')) return false;
  const cnonce = params.get('cnonce');
  const expected = digestResponse({
    username,
    password,
    realm,
    nonce,
    algorithm,
    method: request.method ?? '',
    uri: params.get('uri') ?? '',
    ...(params.get('qop') === 'auth' &&
      cnonce !== undefined && { qop: { nc: params.get('nc') ?? '', cnonce } }),
  });
  return params.get('username') === username && params.get('response') === expected;
}

function describe(medium: Medium, { announce, sets: where }: PathOptions): string {
  const { codec, sets, fps } = medium;
  const [first, second, third] = sets.map((set) => set.toString('base64'));
  const format =
    codec === 'h264'
      ? `packetization-mode=1;profile-level-id=${sets[0]?.toString('hex', 1, 4) ?? ''};sprop-parameter-sets=${first},${second}`
      : `sprop-vps=${first};sprop-sps=${second};sprop-pps=${third}`;
  return [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=simulated camera',
    'c=IN IP4 0.0.0.0',
    't=0 0',
    'a=control:*',
    'm=video 0 RTP/AVP 96',
    `a=rtpmap:96 ${announce ?? codec.toUpperCase()}/90000`,
    `a=framerate:${fps}`,
    ...(announce === undefined && where !== 'band' ? [`a=fmtp:96 ${format}`] : []),
    `a=control:${trackName}`,
    '',
  ].join('\r\n');
}

/** Binds the socket from which packets go to the client's ports. */
function udpOutlet(port: number, local: string, remote: string): Promise<Outlet> {
  const socket = createSocket('udp4');
  // A client that has gone away answers with ICMP, which is no reason to stop.
  socket.on('error', () => undefined);
  return new Promise((resolve) =>
    socket.bind(0, local, () => resolve({ kind: 'udp', socket, host: remote, port })),
  );
}

async function setup({ place, request, socket, sessions, random, reply }: Call): Promise<void> {
  const transport = header(request, 'transport') ?? '';
  const ports = /client_port=(\d{1,5})/.exec(transport);
  const channel = /interleaved=(\d{1,3})/.exec(transport);
  if (ports === null && !transport.includes('RTP/AVP/TCP')) return reply(461);
  const outlet: Outlet =
    ports === null
      ? { kind: 'tcp', channel: Number(channel?.[1] ?? 0) }
      : await udpOutlet(
          Number(ports[1]),
          socket.localAddress ?? '127.0.0.1',
          socket.remoteAddress ?? '127.0.0.1',
        );
  const session = new RtspSession(place, socket, outlet, random);
  sessions.add(session);
  place.sessions.add(session);
  const own = outlet.kind === 'udp' ? (outlet.socket.address() as AddressInfo).port : 0;
  reply(200, {
    Session: `${session.id};timeout=${sessionSeconds}`,
    Transport:
      outlet.kind === 'tcp'
        ? `RTP/AVP/TCP;unicast;interleaved=${outlet.channel}-${outlet.channel + 1}`
        : `RTP/AVP;unicast;client_port=${outlet.port}-${outlet.port + 1};server_port=${own}-${own + 1}`,
  });
}

/** The session that a request names, or undefined after it was refused with 454. */
function named({ request, sessions, reply }: Call): RtspSession | undefined {
  const id = header(request, 'session')?.split(';')[0]?.trim();
  const session = [...sessions].find((one) => one.id === id);
  if (session === undefined) reply(454);
  return session;
}

type Handler = (call: Call) => void | Promise<void>;

export const handlers: Readonly<Record<string, Handler>> = {
  OPTIONS: ({ reply }) => reply(200, { Public: methods }),
  DESCRIBE: ({ place, request, reply }) => {
    place.described();
    reply(
      200,
      { 'Content-Type': 'application/sdp', 'Content-Base': `${(request.url ?? '').replace(/\/$/, '')}/` },
      describe(place.medium, place.options),
    );
  },
  SETUP: setup,
  PLAY: (call) => {
    const session = named(call);
    if (session === undefined) return;
    call.place.began();
    const url = `${(call.request.url ?? '').replace(/\/$/, '')}/${trackName}`;
    call.reply(200, {
      Session: session.id,
      Range: 'npt=0.000-',
      'RTP-Info': `url=${url};seq=${session.firstSequence};rtptime=${session.firstTimestamp}`,
    });
    session.play();
  },
  PAUSE: (call) => {
    const session = named(call);
    if (session === undefined) return;
    session.pause();
    call.reply(200, { Session: session.id });
  },
  TEARDOWN: (call) => {
    const session = named(call);
    if (session === undefined) return;
    call.end(session);
    call.reply(200);
  },
  GET_PARAMETER: ({ reply }) => reply(200),
  SET_PARAMETER: ({ reply }) => reply(200),
};

export const methods: string = Object.keys(handlers).join(', ');
