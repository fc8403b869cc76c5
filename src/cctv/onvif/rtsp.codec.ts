/** RTSP 1.0 (RFC 2326) and SDP (RFC 4566) as bytes and text; everything from the network is bounded. */

export interface RtspMessage {
  /** Of a request. */
  readonly method?: string;
  readonly url?: string;
  /** Of a reply. */
  readonly status?: number;
  readonly reason?: string;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly body: string;
}

/** What lies at the start of what has come in so far. */
export type Taken =
  | { readonly kind: 'more' }
  | { readonly kind: 'garbage' }
  | { readonly kind: 'packet'; readonly channel: number; readonly payload: Buffer; readonly rest: Buffer }
  | { readonly kind: 'message'; readonly message: RtspMessage; readonly rest: Buffer };

const longestHead = 16_384;
const longestBody = 262_144;
const mostHeaders = 100;

/** Takes one message or interleaved packet from the front. Never throws. */
export function takeRtsp(bytes: Buffer): Taken {
  if (bytes.length === 0) return { kind: 'more' };
  if (bytes[0] === 0x24) {
    if (bytes.length < 4) return { kind: 'more' };
    const end = 4 + bytes.readUInt16BE(2);
    if (bytes.length < end) return { kind: 'more' };
    const payload = bytes.subarray(4, end);
    return { kind: 'packet', channel: bytes[1] ?? 0, payload, rest: bytes.subarray(end) };
  }
  // Some cameras put empty lines between messages.
  if (bytes[0] === 0x0d || bytes[0] === 0x0a) return takeRtsp(bytes.subarray(blankLines(bytes)));
  // A message starts with a word in capitals; anything else never becomes one.
  if (
    !/^[A-Z][A-Z_/.0-9]*( |$)/.test(
      bytes.toString('latin1', 0, Math.min(bytes.length, 24)).split(' ')[0] + ' ',
    )
  )
    return { kind: 'garbage' };
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return { kind: bytes.length > longestHead ? 'garbage' : 'more' };
  if (headEnd > longestHead) return { kind: 'garbage' };
  const head = parseHead(bytes.toString('utf8', 0, headEnd));
  if (head === undefined) return { kind: 'garbage' };
  const length = contentLength(head.headers);
  if (length === undefined) return { kind: 'garbage' };
  const end = headEnd + 4 + length;
  if (bytes.length < end) return { kind: 'more' };
  const body = bytes.toString('utf8', headEnd + 4, end);
  return { kind: 'message', message: { ...head, body }, rest: bytes.subarray(end) };
}

function blankLines(bytes: Buffer): number {
  let at = 0;
  while (bytes[at] === 0x0d || bytes[at] === 0x0a) at += 1;
  return at;
}

function contentLength(headers: RtspMessage['headers']): number | undefined {
  const text = headers.get('content-length')?.[0] ?? '0';
  const length = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  return length <= longestBody ? length : undefined;
}

function parseHead(text: string): Omit<RtspMessage, 'body'> | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  if (lines.length > mostHeaders) return undefined;
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const name = line.slice(0, colon).trim().toLowerCase();
    const values = headers.get(name) ?? [];
    values.push(line.slice(colon + 1).trim());
    headers.set(name, values);
  }
  const reply = /^RTSP\/\d\.\d (\d{3})(?: (.*))?$/.exec(first);
  if (reply !== null) return { status: Number(reply[1]), reason: (reply[2] ?? '').slice(0, 200), headers };
  const request = /^([A-Z_]{3,20}) (\S{1,2000}) RTSP\/\d\.\d$/.exec(first);
  if (request === null) return undefined;
  return { method: request[1] ?? '', url: request[2] ?? '', headers };
}

/** The first value of a header. */
export function header(message: RtspMessage, name: string): string | undefined {
  return message.headers.get(name)?.[0];
}

/** The bytes of a request or reply; line breaks within values are taken out, so that no value adds a header. */
export function writeRtsp(
  start: string,
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  body = '',
): Buffer {
  const lines = [start];
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    for (const one of typeof value === 'string' ? [value] : value) lines.push(`${name}: ${one}`);
  }
  if (body !== '') lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
  return Buffer.from(`${lines.map((line) => line.replace(/[\r\n]+/g, ' ')).join('\r\n')}\r\n\r\n${body}`);
}

/** One `m=` section of a session description. */
export interface Track {
  readonly media: 'video' | 'audio' | 'other';
  /** Lower case; `h265` also for HEVC, `mjpeg` for JPEG; the name as announced where it is none of ours. */
  readonly codec: string;
  /** Frames a second as announced. */
  readonly fps?: number;
  readonly width?: number;
  readonly height?: number;
  /** Where the track is set up, as written: relative or absolute. */
  readonly control?: string;
}

const longestSdp = 2000;
const mostTracks = 16;

/** Payload types that need no `rtpmap`: RFC 3551 table 4 and 5. */
const staticTypes: Readonly<Record<string, string>> = {
  '0': 'pcmu',
  '3': 'gsm',
  '8': 'pcma',
  '9': 'g722',
  '14': 'mp3',
  '26': 'mjpeg',
  '31': 'h261',
  '32': 'mpeg2video',
  '33': 'mpegts',
  '34': 'h263',
};

const aliases: Readonly<Record<string, string>> = {
  hevc: 'h265',
  jpeg: 'mjpeg',
  'mp4v-es': 'mpeg4',
  'mpeg4-generic': 'aac',
  'mp4a-latm': 'aac',
};

/** The tracks of a session description; lines that are not understood are passed over. Never throws. */
export function parseSdp(sdp: string): Track[] {
  const tracks: { -readonly [key in keyof Track]: Track[key] }[] = [];
  let payloadType = '';
  for (const line of sdp.split(/\r?\n/, longestSdp)) {
    const media = /^m=(\w{1,20}) \d{1,5}(?:\/\d+)? [\w/]{1,40}(?: (\d{1,3}))?/.exec(line);
    if (media !== null) {
      if (tracks.length >= mostTracks) break;
      payloadType = media[2] ?? '';
      tracks.push({ media: mediaOf(media[1]), codec: known(staticTypes, payloadType) ?? 'unknown' });
      continue;
    }
    const track = tracks.at(-1);
    if (track === undefined) continue;
    const map = /^a=rtpmap:(\d{1,3}) ([\w.-]{1,40})/.exec(line);
    if (map !== null && map[1] === payloadType) {
      const name = (map[2] ?? '').toLowerCase();
      track.codec = known(aliases, name) ?? name;
    }
    const rate = /^a=framerate:\s*(\d{1,4}(?:\.\d{1,6})?)/.exec(line);
    if (rate !== null && Number(rate[1]) > 0) track.fps = Number(rate[1]);
    const size = /^a=(?:x-dimensions:\s*|framesize:\d+ )(\d{2,5})[,-]\s*(\d{2,5})/.exec(line);
    if (size !== null) [track.width, track.height] = [Number(size[1]), Number(size[2])];
    const control = /^a=control:(\S{1,500})/.exec(line);
    if (control !== null) track.control = control[1] ?? '';
  }
  return tracks;
}

function mediaOf(word: string | undefined): Track['media'] {
  return word === 'video' || word === 'audio' ? word : 'other';
}

function known(table: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** Where a track is set up: its control joined to the base of the description (RFC 2326 C.1.1). */
export function controlUrl(base: string, control: string | undefined): string {
  if (control === undefined || control === '*' || control === '') return base;
  if (/^rtsps?:\/\//i.test(control)) return control;
  return `${base.replace(/\/$/, '')}/${control.replace(/^\//, '')}`;
}
