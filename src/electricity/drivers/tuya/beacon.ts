import { randomBytes } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { parseObject } from '../shared/json.codec.ts';
import { broadcastKey, Ecb } from './cipher.ts';
import { is66, pack55, pack66, unpack55, unpack66 } from './frame.ts';
import { commands, versions, type Beacon } from './model.ts';

const empty = Buffer.alloc(0);
const broadcastEcb = new Ecb(broadcastKey);

/** Reads a broadcast in any of its clothes: clear or ECB in a 55AA frame, bare ECB, or GCM in a 6699 frame. Undefined for anything else. */
export function readBeacon(packet: Buffer): Beacon | undefined {
  for (const open of [opened66, opened55, openedBare]) {
    const text = open(packet);
    const beacon = text === undefined ? undefined : parseBeacon(text);
    if (beacon !== undefined) return beacon;
  }
  return undefined;
}

const opened66 = (packet: Buffer) =>
  attempt(() => {
    if (packet.length < 50 || !is66(packet)) return undefined;
    return unpack66(packet, broadcastKey, true).body;
  });

const opened55 = (packet: Buffer) =>
  attempt(() => {
    if (packet.length < 24 || is66(packet)) return undefined;
    const { body } = unpack55(packet, { encrypted: false, fromDevice: true });
    return body[0] === 0x7b ? body : broadcastEcb.decrypt(body);
  });

const openedBare = (packet: Buffer) => attempt(() => broadcastEcb.decrypt(packet));

function attempt<T>(open: () => T | undefined): T | undefined {
  try {
    return open();
  } catch {
    return undefined;
  }
}

/** What the JSON of a broadcast says; undefined when it names no device and address. */
function parseBeacon(body: Buffer): Beacon | undefined {
  const { gwId, ip, version, productKey } =
    attempt(() => parseObject(body.toString('utf8'), 'a device')) ?? {};
  if (typeof gwId !== 'string' || !/^[\w-]{6,64}$/.test(gwId)) return undefined;
  if (typeof ip !== 'string' || !isIPv4(ip)) return undefined;
  return {
    id: gwId,
    ip,
    version: versions.find((v) => v === version),
    productId: typeof productKey === 'string' && /^[\w-]{1,64}$/.test(productKey) ? productKey : undefined,
  };
}

/** How a packet is clothed; `clear` is 3.1, `ecb` and `bare` 3.2 to 3.4, `gcm` 3.5. */
export type Clothing = 'clear' | 'ecb' | 'bare' | 'gcm';

/** A broadcast as a device sends it. For simulators and test vectors; the nonce is random unless given. */
export function writeBeacon(text: string, clothing: Clothing, iv: Buffer = randomBytes(12)): Buffer {
  const body = Buffer.from(text);
  if (clothing === 'bare') return broadcastEcb.encrypt(body);
  if (clothing === 'gcm')
    return pack66({ sequence: 0, command: commands.announce, retcode: 0, body }, broadcastKey, iv);
  const clear = clothing === 'clear';
  return pack55({
    sequence: 0,
    command: clear ? 0 : commands.announce,
    retcode: 0,
    body: clear ? body : broadcastEcb.encrypt(body),
  });
}

/** Asks 3.5 devices, which are silent otherwise, to announce themselves to `ip`. */
export function solicitation(ip: string): Buffer {
  const body = Buffer.from(JSON.stringify({ from: 'app', ip }));
  return pack66({ sequence: 0, command: commands.devinfo, body }, broadcastKey);
}

/** The address to answer to; undefined for anything that is no solicitation. */
export function readSolicitation(packet: Buffer): string | undefined {
  const body = attempt(() => {
    if (packet.length < 50 || !is66(packet)) return undefined;
    const message = unpack66(packet, broadcastKey, false);
    return message.command === commands.devinfo ? message.body : empty;
  });
  try {
    const { ip } = JSON.parse(body?.toString('utf8') ?? '{}') as { ip?: unknown };
    return typeof ip === 'string' && isIPv4(ip) ? ip : undefined;
  } catch {
    return undefined;
  }
}
