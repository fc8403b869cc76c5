import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import {
  authHash,
  clientHash,
  KlapSession,
  matchHandshake,
  PassthroughCipher,
  passthroughLogin,
  serverHash,
  type KlapVersion,
} from '#electricity/drivers/kasa/cipher.ts';
import { FrameReader, xorDecode, xorEncode, xorFrame } from '#electricity/drivers/kasa/codec.ts';
import { isSound, keyProbe, localProbe } from '#electricity/drivers/kasa/discovery-packet.ts';

/** How many vectors were judged and how many were right. Each byte string that can be compared is one. */
export interface VectorResult {
  readonly items: number;
  readonly right: number;
  /** One line per group, then one per vector that is wrong. */
  readonly report: string;
}

interface KlapVector {
  readonly version: KlapVersion;
  readonly username: string;
  readonly password: string;
  readonly local_seed: string;
  readonly remote_seed: string;
  readonly auth_hash: string;
  readonly server_hash: string;
  readonly handshake2_payload: string;
  readonly start_seq: number;
  readonly messages: readonly { readonly seq: number; readonly plain: string; readonly wire_hex: string }[];
}

interface Vectors {
  readonly xor?: readonly { readonly plain: string; readonly frame_hex: string; readonly udp_hex: string }[];
  readonly klap?: readonly KlapVector[];
  readonly aes?: readonly Readonly<Record<string, unknown>>[];
  readonly discovery_9999?: string;
  readonly discovery_20002?: readonly {
    readonly secret: string;
    readonly pem: string;
    readonly packet_hex: string;
  }[];
}

type Check = readonly [name: string, right: boolean];
const hex = (text: string) => Buffer.from(text, 'hex');

/** Judges `kasa.json` in the folder of vectors: scrambling, KLAP, securePassthrough and discovery, in both directions. */
export function kasaVectors(dir: string): VectorResult | undefined {
  const file = path.join(dir, 'kasa.json');
  if (!existsSync(file)) return undefined;
  const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors;
  const groups: Readonly<Record<string, Check[]>> = {
    xor: (vectors.xor ?? []).flatMap(xorChecks),
    klap: (vectors.klap ?? []).flatMap(klapChecks),
    aes: (vectors.aes ?? []).flatMap(aesChecks),
    discovery: [
      ...(vectors.discovery_9999 === undefined
        ? []
        : [['9999', localProbe.equals(hex(vectors.discovery_9999))] as const]),
      ...(vectors.discovery_20002 ?? []).flatMap(discoveryChecks),
    ],
  };
  const all = Object.values(groups).flat();
  const lines = Object.entries(groups).map(
    ([name, checks]) => `kasa ${name}: ${checks.filter(([, right]) => right).length} of ${checks.length}`,
  );
  const wrong = Object.entries(groups).flatMap(([group, checks]) =>
    checks.filter(([, right]) => !right).map(([name]) => `wrong: kasa ${group} ${name}`),
  );
  return {
    items: all.length,
    right: all.filter(([, right]) => right).length,
    report: [...lines, ...wrong].join('\n'),
  };
}

function xorChecks(
  { plain, frame_hex: frame, udp_hex: udp }: NonNullable<Vectors['xor']>[number],
  index: number,
): Check[] {
  const reader = new FrameReader('vector');
  reader.push(hex(frame));
  return [
    [`${index} frame`, xorFrame(plain).equals(hex(frame))],
    [`${index} datagram`, xorEncode(Buffer.from(plain, 'utf8')).equals(hex(udp))],
    [`${index} read from a stream`, reader.take() === plain],
    [`${index} read from a datagram`, xorDecode(hex(udp)).toString('utf8') === plain],
  ];
}

function klapChecks(vector: KlapVector, index: number): Check[] {
  const { version, username, password, messages } = vector;
  const [local, remote] = [hex(vector.local_seed), hex(vector.remote_seed)];
  const login = { username, password };
  const auth = authHash(version, login);
  const match = matchHandshake(local, Buffer.concat([remote, hex(vector.server_hash)]), login);
  const session = new KlapSession(local, remote, auth);
  const checks: Check[] = [
    [`${index} login`, auth.equals(hex(vector.auth_hash))],
    [
      `${index} proof of the device`,
      serverHash(version, local, remote, auth).equals(hex(vector.server_hash)),
    ],
    [`${index} version and login from one reply`, match?.version === version && match.auth.equals(auth)],
    [`${index} our proof`, clientHash(version, local, remote, auth).equals(hex(vector.handshake2_payload))],
    [`${index} first number`, session.seq === vector.start_seq],
  ];
  for (const { seq, plain, wire_hex: wire } of messages)
    checks.push(
      [`${index} message ${seq} sealed`, session.seal(seq, plain).equals(hex(wire))],
      [`${index} message ${seq} opened`, session.open(seq, hex(wire)) === plain],
    );
  return checks;
}

function aesChecks(vector: Readonly<Record<string, unknown>>, index: number): Check[] {
  const text = (key: string) => String(vector[key]);
  if ('cipher_b64' in vector) {
    const cipher = new PassthroughCipher(hex(text('key') + text('iv')));
    return [
      [`${index} sealed`, cipher.seal(text('plain')) === vector['cipher_b64']],
      [`${index} opened`, cipher.open(text('cipher_b64')) === vector['plain']],
    ];
  }
  const second = vector['login_v2'] === true;
  const login = passthroughLogin({ username: text('username'), password: text('password') }, second);
  return [
    [`${index} user`, login['username'] === vector['un']],
    [`${index} password`, login[second ? 'password2' : 'password'] === vector['pw']],
  ];
}

function discoveryChecks(vector: NonNullable<Vectors['discovery_20002']>[number]): Check[] {
  const packet = hex(vector.packet_hex);
  return [
    [`20002 ${vector.secret}`, keyProbe(vector.pem, hex(vector.secret).readUInt32BE(0)).equals(packet)],
    [`20002 ${vector.secret} checksum`, isSound(packet)],
  ];
}
