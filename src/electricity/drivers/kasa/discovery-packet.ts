import type { KeyObject } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { openDiscoveryInfo } from './cipher.ts';
import { xorDecode, xorEncode } from './codec.ts';
import { idText, macDigits, parseSysinfo, sysinfoRequest } from './iot.codec.ts';
import { finite, label, parseObject, record, type Json } from '../shared/json.codec.ts';
import type { Family, Way } from './model.ts';

const headerBytes = 16;
const crcSeed = 0x5a6b7c8d;

/** What a device tells about itself to everybody who asks. */
export interface Reply {
  /** MAC digits, else the device's own id: the same in both kinds of reply. */
  readonly id: string | undefined;
  readonly mac: string | undefined;
  readonly name: string | undefined;
  readonly model: string | undefined;
  readonly firmware: string | undefined;
  readonly metered: boolean | undefined;
  /** Undefined where no way of ours is open until somebody does what `needs` says. */
  readonly way: Way | undefined;
  readonly family: Family | undefined;
  /** TCP port of `way`, where the reply names it. */
  readonly port: number | undefined;
  /** With a way the login, which may also be one that devices carry from the factory. */
  readonly needs: string | undefined;
}

/** Port 9999: the question for sysinfo, scrambled, without a length. */
export const localProbe: Buffer = xorEncode(Buffer.from(sysinfoRequest, 'utf8'));

/** Ports 20002 and 20004, without a key: the encrypted part of the reply stays closed. */
export const shortProbe: Buffer = Buffer.from('020000010000000000000000463cb5d3', 'hex');

/**
 * Ports 20002 and 20004 with an RSA public key (PEM), to which the device encrypts a part of its reply. Header, big-endian:
 * version 2, type 0 (u8), operation 1, payload length (u16), flags 17, padding (u8), serial, CRC-32 (u32) of the whole packet
 * with a fixed number in the place of the CRC.
 */
export function keyProbe(pem: string, serial: number): Buffer {
  const payload = Buffer.from(JSON.stringify({ params: { rsa_key: pem } }), 'utf8');
  return discoveryPacket({ operation: 1, flags: 17, serial, payload });
}

/** One packet of the encrypted discovery, question or reply. */
export function discoveryPacket(parts: {
  readonly operation: number;
  readonly flags: number;
  readonly serial: number;
  readonly payload: Buffer;
}): Buffer {
  const packet = Buffer.alloc(headerBytes + parts.payload.length);
  packet.writeUInt8(2, 0);
  packet.writeUInt16BE(parts.operation, 2);
  packet.writeUInt16BE(parts.payload.length, 4);
  packet.writeUInt8(parts.flags, 6);
  packet.writeUInt32BE(parts.serial, 8);
  packet.writeUInt32BE(crcSeed, 12);
  parts.payload.copy(packet, headerBytes);
  packet.writeUInt32BE(crc32(packet), 12);
  return packet;
}

/** Whether the checksum of a packet of the encrypted discovery is right. */
export function isSound(packet: Buffer): boolean {
  if (packet.length < headerBytes) return false;
  const copy = Buffer.from(packet);
  copy.writeUInt32BE(crcSeed, 12);
  return crc32(copy) === packet.readUInt32BE(12);
}

/** A reply of either kind; undefined for anything else. `key` opens the encrypted part, where there is one for us. */
export function parseDiscovery(packet: Buffer, key: KeyObject | undefined): Reply | undefined {
  try {
    return packet[0] === 2 && packet.length > headerBytes
      ? parseEncrypted(parseObject(packet.toString('utf8', headerBytes), 'discovery'), key)
      : parseLocal(parseObject(xorDecode(packet).toString('utf8'), 'discovery'));
  } catch {
    return undefined;
  }
}

function parseLocal(reply: Json): Reply | undefined {
  const info = parseSysinfo(reply);
  if (info === undefined) return undefined;
  const { mac, deviceId, name, model, firmware, metered } = info;
  return {
    id: mac ?? deviceId,
    mac,
    name,
    model,
    firmware,
    metered,
    way: 'xor',
    family: 'iot',
    port: undefined,
    needs: undefined,
  };
}

// They answer the same question but neither meter nor switch anything.
const otherThings = /CAMERA|HUB|VACUUM|DOORBELL|CHIME|LOCK|SENSOR/i;

const wayOf: Readonly<Record<string, Way | undefined>> = { XOR: 'xor', KLAP: 'klap', AES: 'aes' };

function parseEncrypted(reply: Json, key: KeyObject | undefined): Reply | undefined {
  const outer = record(reply['result']);
  if (finite(reply['error_code']) !== 0 && Object.keys(outer).length === 0) return undefined;
  // Opening the encrypted part costs a millisecond, so it is left closed where the open one says enough.
  const enough =
    macDigits(outer['mac']) !== undefined && 'mgt_encrypt_schm' in outer && 'device_type' in outer;
  const result = enough ? outer : { ...outer, ...hidden(record(outer['encrypt_info']), key) };
  const type = label(result['device_type']) ?? '';
  const mac = macDigits(result['mac']);
  const id = mac ?? idText(result['device_id']);
  if (id === undefined || type === '' || otherThings.test(type)) return undefined;
  const scheme = record(result['mgt_encrypt_schm']);
  const kind = label(scheme['encrypt_type'], 16) ?? '';
  const https = scheme['is_support_https'] === true;
  const known = Object.hasOwn(wayOf, kind) ? wayOf[kind] : undefined;
  const way = https && known !== 'xor' ? undefined : known;
  const port = finite(scheme['http_port']);
  const metered = type.startsWith('IOT.') ? undefined : meteredModel(label(result['device_model']));
  return {
    id,
    mac,
    name: undefined,
    model: label(result['device_model']),
    firmware: undefined,
    metered,
    way,
    family: type.startsWith('IOT.') ? 'iot' : 'smart',
    port:
      way !== undefined && way !== 'xor' && port !== undefined && port > 0 && port < 65_536
        ? port
        : undefined,
    needs: needs(way, https ? 'HTTPS' : kind),
  };
}

function needs(way: Way | undefined, kind: string): string | undefined {
  const hint = 'Third-Party Compatibility in its app';
  if (way === undefined)
    return `${hint}: its firmware speaks only ${kind === '' ? 'a protocol that it does not name' : kind}`;
  return way === 'xor' ? undefined : `the login of the TP-Link account, or ${hint}`;
}

// Tapo names its models after what they can do: P110, P115, P125M … meter, P100 and P105 do not.
const metersByName = /^(?:T?P11\d|P12[15]M?|KP125M?|EP25|P210M|P304M?|P306|P316M)/i;

function meteredModel(model: string | undefined): boolean | undefined {
  return model !== undefined && metersByName.test(model) ? true : undefined;
}

function hidden(info: Json, key: KeyObject | undefined): Json {
  const [sealedKey, data] = [label(info['key'], 1_024), label(info['data'], 8_192)];
  if (key === undefined || sealedKey === undefined || data === undefined) return {};
  const text = openDiscoveryInfo(key, sealedKey, data);
  return text === undefined ? {} : parseObject(text, 'discovery');
}
