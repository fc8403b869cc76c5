import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { xorEncode } from './codec.ts';
import { discoveryPacket, isSound, keyProbe, parseDiscovery, shortProbe } from './discovery-packet.ts';
import { macDigits } from './iot.codec.ts';
import { sealDiscoveryInfo } from './sim-http.ts';

const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map((a) => Buffer.from(a));

describe('discovery', () => {
  test('packets carry a checksum over themselves, also the short one', () => {
    const probe = keyProbe('-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n', 1);
    expect(probe.subarray(0, 16).toString('hex')).toBe('020000010055110000000001a571253b');
    expect([isSound(probe), isSound(shortProbe), isSound(Buffer.concat([probe, Buffer.from('x')]))]).toEqual([
      true,
      true,
      false,
    ]);
  });

  const reply = (result: object) =>
    discoveryPacket({
      operation: 2,
      flags: 0,
      serial: 1,
      payload: Buffer.from(JSON.stringify({ result, error_code: 0 })),
    });
  const base = {
    device_id: '00',
    device_type: 'SMART.TAPOPLUG',
    device_model: 'P110(UK)',
    mac: '02-00-00-00-00-01',
  };

  test('tells how a device wants to be asked', () => {
    const scheme = (mgt: object, type = 'SMART.TAPOPLUG') => {
      const { way, family, port, needs } = parseDiscovery(
        reply({ ...base, device_type: type, mgt_encrypt_schm: mgt }),
        undefined,
      )!;
      return [way, family, port, needs];
    };
    const login = 'the login of the TP-Link account, or Third-Party Compatibility in its app';
    expect(scheme({ encrypt_type: 'KLAP', http_port: 80, lv: 2 })).toEqual(['klap', 'smart', 80, login]);
    expect(scheme({ encrypt_type: 'AES', http_port: 80 })).toEqual(['aes', 'smart', 80, login]);
    expect(scheme({ encrypt_type: 'KLAP', http_port: 80, new_klap: 1 }, 'IOT.SMARTPLUGSWITCH')).toEqual([
      'klap',
      'iot',
      80,
      login,
    ]);
    expect(scheme({ encrypt_type: 'XOR', http_port: 80 }, 'IOT.SMARTPLUGSWITCH')).toEqual([
      'xor',
      'iot',
      undefined,
      undefined,
    ]);
    const closed = (what: string) => [
      undefined,
      'smart',
      undefined,
      `Third-Party Compatibility in its app: its firmware speaks only ${what}`,
    ];
    expect(scheme({ encrypt_type: 'TPAP', http_port: 80 })).toEqual(closed('TPAP'));
    expect(scheme({ encrypt_type: 'KLAP', http_port: 4433, is_support_https: true })).toEqual(
      closed('HTTPS'),
    );
    expect(scheme({})).toEqual(closed('a protocol that it does not name'));
  });

  test('cameras, hubs and vacuum cleaners answer too, and are passed over', () => {
    for (const type of ['SMART.IPCAMERA', 'SMART.TAPOHUB', 'SMART.TAPOROBOVACUUM', ''])
      expect(parseDiscovery(reply({ ...base, device_type: type }), undefined)).toBeUndefined();
  });

  test('what the open part of a reply leaves out is read from the part that was encrypted for us', () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const hidden = { mac: '02-00-00-00-00-09', mgt_encrypt_schm: { encrypt_type: 'AES', http_port: 80 } };
    const { mac: _, ...open } = base;
    const packet = reply({ ...open, encrypt_info: sealDiscoveryInfo(pem, hidden) });
    expect(parseDiscovery(packet, privateKey)).toMatchObject({ id: '020000000009', way: 'aes' });
    const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    expect([parseDiscovery(packet, stranger), parseDiscovery(packet, undefined)]).toEqual([
      undefined,
      undefined,
    ]);
  });

  test('nothing on the ports makes it throw', () => {
    fc.assert(
      fc.property(bytes(300), (packet) => {
        expect(parseDiscovery(packet, undefined)).toBeUndefined();
      }),
    );
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const payload = Buffer.from(JSON.stringify(value));
        parseDiscovery(discoveryPacket({ operation: 2, flags: 0, serial: 0, payload }), undefined);
        parseDiscovery(xorEncode(payload), undefined);
      }),
    );
  });

  test('MAC addresses are read in every notation, and masked ones are none', () => {
    expect(
      ['02:00:00:00:00:AB', '02-00-00-00-00-ab', '0200000000AB', '00:00:00:00:00:00', 'x', 7].map(macDigits),
    ).toEqual(['0200000000ab', '0200000000ab', '0200000000ab', undefined, undefined, undefined]);
  });
});
