import { createHash } from 'node:crypto';
import type { Credentials } from './digest.ts';
import { all, at, escaped, numberAt, parseXml, textAt, type Element } from './xml.ts';

/** SOAP messages of ONVIF: device and media service (ONVIF Core and Media, version 1), and WS-Discovery. */

const soapName = 'http://www.w3.org/2003/05/soap-envelope';
const securityName = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity';
const passwordDigest =
  'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest';
const base64Name =
  'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary';

/** Password digest of a UsernameToken (WS-Security UsernameToken Profile 1.0): Base64(SHA-1(nonce + created + password)). */
export function tokenDigest(nonce: Buffer, created: string, password: string): string {
  return createHash('sha1').update(nonce).update(created).update(password).digest('base64');
}

function securityHeader({ username, password }: Credentials, nonce: Buffer, created: string): string {
  return [
    `<s:Header><w:Security s:mustUnderstand="1" xmlns:w="${securityName}-secext-1.0.xsd"><w:UsernameToken>`,
    `<w:Username>${escaped(username)}</w:Username>`,
    `<w:Password Type="${passwordDigest}">${tokenDigest(nonce, created, password)}</w:Password>`,
    `<w:Nonce EncodingType="${base64Name}">${nonce.toString('base64')}</w:Nonce>`,
    `<u:Created xmlns:u="${securityName}-utility-1.0.xsd">${created}</u:Created>`,
    '</w:UsernameToken></w:Security></s:Header>',
  ].join('');
}

export interface Proof {
  readonly credentials: Credentials;
  /** 16 random bytes, new for each message. */
  readonly nonce: Buffer;
  /** Epoch milliseconds by the clock of the device: cameras refuse a token of another time. */
  readonly createdAt: number;
}

/** A SOAP 1.2 envelope around the XML of a request. */
export function envelope(body: string, proof?: Proof): string {
  const created = new Date(proof?.createdAt ?? 0).toISOString();
  const header = proof === undefined ? '' : securityHeader(proof.credentials, proof.nonce, created);
  return `<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="${soapName}">${header}<s:Body>${body}</s:Body></s:Envelope>`;
}

const device = 'http://www.onvif.org/ver10/device/wsdl';
const media = 'http://www.onvif.org/ver10/media/wsdl';
const schema = 'http://www.onvif.org/ver10/schema';

/** The requests that are sent, by name. */
export const requests = {
  clock: () => `<GetSystemDateAndTime xmlns="${device}"/>`,
  information: () => `<GetDeviceInformation xmlns="${device}"/>`,
  capabilities: () => `<GetCapabilities xmlns="${device}"><Category>Media</Category></GetCapabilities>`,
  profiles: () => `<GetProfiles xmlns="${media}"/>`,
  encoders: () => `<GetVideoEncoderConfigurations xmlns="${media}"/>`,
  stream: (token: string) =>
    `<GetStreamUri xmlns="${media}"><StreamSetup><Stream xmlns="${schema}">RTP-Unicast</Stream><Transport xmlns="${schema}"><Protocol>RTSP</Protocol></Transport></StreamSetup><ProfileToken>${escaped(token)}</ProfileToken></GetStreamUri>`,
  snapshot: (token: string) =>
    `<GetSnapshotUri xmlns="${media}"><ProfileToken>${escaped(token)}</ProfileToken></GetSnapshotUri>`,
} as const;

/** The one element within the body of an envelope, or why there is none. */
export type Reply =
  | { readonly kind: 'reply'; readonly element: Element }
  | { readonly kind: 'fault'; readonly refused: boolean; readonly reason: string }
  | { readonly kind: 'garbage' };

/** Reads a SOAP envelope. Never throws. */
export function parseReply(text: string): Reply {
  const root = parseXml(text);
  const body = at(root, 'Body');
  if (root?.name !== 'Envelope' || body === undefined) return { kind: 'garbage' };
  const [element] = body.children;
  if (element === undefined) return { kind: 'garbage' };
  if (element.name !== 'Fault') return { kind: 'reply', element };
  const codes = [
    textAt(element, 'Code', 'Value'),
    textAt(element, 'Code', 'Subcode', 'Value'),
    textAt(element, 'Code', 'Subcode', 'Subcode', 'Value'),
    textAt(element, 'faultcode'),
  ].join(' ');
  const reason = textAt(element, 'Reason', 'Text') ?? textAt(element, 'faultstring') ?? 'no reason given';
  const refused = /NotAuthorized|FailedAuthentication|Unauthorized/i.test(`${codes} ${reason}`);
  return { kind: 'fault', refused, reason };
}

/** Epoch milliseconds of a GetSystemDateAndTimeResponse; undefined when it tells no UTC time. */
export function clockOf(reply: Element): number | undefined {
  const utc = at(reply, 'SystemDateAndTime', 'UTCDateTime');
  const [year, month, day] = ['Year', 'Month', 'Day'].map((name) => numberAt(utc, 'Date', name));
  const [hour, minute, second] = ['Hour', 'Minute', 'Second'].map((name) => numberAt(utc, 'Time', name));
  if (year === undefined || month === undefined || day === undefined) return undefined;
  if (hour === undefined || minute === undefined || second === undefined) return undefined;
  // A token for a year of another length cannot be written.
  if (year < 1970 || year > 9_000) return undefined;
  const time = Date.UTC(year, month - 1, day, hour, minute, second);
  return Math.abs(time) < 1e14 ? time : undefined;
}

export interface DeviceInformation {
  readonly manufacturer?: string;
  readonly model?: string;
  readonly firmware?: string;
  readonly serial?: string;
  readonly hardware?: string;
}

export function informationOf(reply: Element): DeviceInformation {
  return present({
    manufacturer: textAt(reply, 'Manufacturer'),
    model: textAt(reply, 'Model'),
    firmware: textAt(reply, 'FirmwareVersion'),
    serial: textAt(reply, 'SerialNumber'),
    hardware: textAt(reply, 'HardwareId'),
  });
}

export function mediaAddressOf(reply: Element): string | undefined {
  return textAt(reply, 'Capabilities', 'Media', 'XAddr');
}

/** How a stream is encoded, as configured. */
export interface Encoding {
  /** `h264`, `h265`, `mjpeg`, `mpeg4`; lower case as written where it is none of these. */
  readonly codec: string;
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
  /** Frames from keyframe to keyframe. */
  readonly gop?: number;
  /** Kilobits a second. */
  readonly kilobits?: number;
}

export interface Profile {
  readonly token: string;
  readonly name?: string;
  /** Token of its encoder, when the encoder stands apart. */
  readonly encoder?: string;
  readonly encoding?: Encoding;
  /** The camera analyses the pictures itself, which costs it frames. */
  readonly analytics: boolean;
}

const mostProfiles = 32;
const longestToken = 64;

export function profilesOf(reply: Element): Profile[] {
  return all(reply, 'Profiles')
    .slice(0, mostProfiles)
    .flatMap((profile): Profile[] => {
      const token = profile.attributes.get('token') ?? '';
      if (token === '' || token.length > longestToken) return [];
      const encoder = at(profile, 'VideoEncoderConfiguration');
      return [
        {
          token,
          analytics: at(profile, 'VideoAnalyticsConfiguration') !== undefined,
          ...present({
            name: textAt(profile, 'Name'),
            encoder: encoder?.attributes.get('token'),
            encoding: encoder === undefined ? undefined : encodingOf(encoder),
          }),
        },
      ];
    });
}

/** Encoders by token. */
export function encodersOf(reply: Element): Map<string, Encoding> {
  return new Map(
    all(reply, 'Configurations')
      .slice(0, mostProfiles)
      .flatMap((encoder) => {
        const encoding = encodingOf(encoder);
        return encoding === undefined ? [] : [[encoder.attributes.get('token') ?? '', encoding] as const];
      }),
  );
}

const codecs: Readonly<Record<string, string>> = { jpeg: 'mjpeg', hevc: 'h265' };

function encodingOf(encoder: Element): Encoding | undefined {
  const name = textAt(encoder, 'Encoding')?.toLowerCase();
  if (name === undefined) return undefined;
  const own = at(encoder, 'H264') ?? at(encoder, 'H265') ?? at(encoder, 'MPEG4');
  return {
    codec: (Object.hasOwn(codecs, name) ? codecs[name] : undefined) ?? name,
    ...present({
      width: positive(numberAt(encoder, 'Resolution', 'Width')),
      height: positive(numberAt(encoder, 'Resolution', 'Height')),
      fps: positive(numberAt(encoder, 'RateControl', 'FrameRateLimit')),
      gop: positive(numberAt(own, 'GovLength')),
      kilobits: positive(numberAt(encoder, 'RateControl', 'BitrateLimit')),
    }),
  };
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 && value < 1e6 ? value : undefined;
}

export function uriOf(reply: Element): string | undefined {
  return at(reply, 'MediaUri', 'Uri')?.text.slice(0, 1000);
}

/** Leaves out what is not known. */
function present<T extends object>(values: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]?: Exclude<T[Key], undefined>;
  };
}

const addressing = 'http://schemas.xmlsoap.org/ws/2004/08/addressing';
const discovery = 'http://schemas.xmlsoap.org/ws/2005/04/discovery';

/** A WS-Discovery probe for network video transmitters; `id` is a UUID. */
export function probeMessage(id: string): string {
  return [
    `<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="${soapName}" xmlns:a="${addressing}"><s:Header>`,
    `<a:Action s:mustUnderstand="1">${discovery}/Probe</a:Action><a:MessageID>uuid:${id}</a:MessageID>`,
    '<a:To s:mustUnderstand="1">urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header>',
    `<s:Body><Probe xmlns="${discovery}"><Types xmlns:n="http://www.onvif.org/ver10/network/wsdl">n:NetworkVideoTransmitter</Types></Probe></s:Body></s:Envelope>`,
  ].join('');
}

/** The message id of a probe, without `uuid:`; undefined when it is none. */
export function probeIdOf(text: string): string | undefined {
  const root = parseXml(text);
  if (at(root, 'Body', 'Probe') === undefined) return undefined;
  return textAt(root, 'Header', 'MessageID')?.replace(/^(urn:)?uuid:/, '');
}

export interface ProbeMatch {
  readonly xaddrs: readonly string[];
  readonly name?: string;
  readonly hardware?: string;
}

/** The answers within a ProbeMatches message to our probe; empty for anything else. Never throws. */
export function probeMatchesOf(text: string, id: string): ProbeMatch[] {
  const root = parseXml(text);
  if (textAt(root, 'Header', 'RelatesTo')?.replace(/^(urn:)?uuid:/, '') !== id) return [];
  return all(at(root, 'Body', 'ProbeMatches'), 'ProbeMatch')
    .slice(0, 4)
    .map((match) => {
      const scopes = (at(match, 'Scopes')?.text ?? '').split(/\s+/);
      return {
        xaddrs: (at(match, 'XAddrs')?.text ?? '')
          .split(/\s+/)
          .filter((word) => /^https?:\/\//.test(word))
          .slice(0, 8),
        ...present({ name: scopeOf(scopes, 'name'), hardware: scopeOf(scopes, 'hardware') }),
      };
    });
}

function scopeOf(scopes: readonly string[], kind: string): string | undefined {
  const start = `onvif://www.onvif.org/${kind}/`;
  const value = scopes.find((scope) => scope.startsWith(start))?.slice(start.length);
  if (value === undefined || value === '') return undefined;
  try {
    return decodeURIComponent(value)
      .replace(/\p{Cc}+/gu, ' ')
      .slice(0, 100);
  } catch {
    return value.slice(0, 100);
  }
}
