import { generateKeyPairSync, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import {
  authHash,
  clientHash,
  KlapSession,
  matchHandshake,
  PassthroughCipher,
  passthroughLogin,
  serverHash,
} from './cipher.ts';
import { FrameReader, xorDecode, xorEncode, xorFrame } from './codec.ts';
import {
  discoveryPacket,
  isSound,
  keyProbe,
  localProbe,
  parseDiscovery,
  shortProbe,
} from './discovery-packet.ts';
import {
  macDigits,
  packRequests,
  parseRealtime,
  parseSysinfo,
  parseTime,
  sumOf,
  switchError,
  switchRequest,
} from './iot.codec.ts';
import { finite, parseReply, words } from './json.codec.ts';
import { builtInLogins } from './model.ts';
import { hostsOf, parseNetwork } from './networks.rules.ts';
import { sessionLifeMs } from './session.rules.ts';
import { sealDiscoveryInfo } from './sim-http.ts';
import { parseBatch, parseComponents, parseInfo, parseMeter, parseSmart } from './smart.codec.ts';

const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map((a) => Buffer.from(a));
const login = { username: 'alex@example.com', password: 'a password' };

describe('the scrambling of port 9999', () => {
  test('gives the bytes that devices expect for the question for sysinfo', () => {
    expect(xorFrame('{"system":{"get_sysinfo":{}}}').toString('hex')).toBe(
      '0000001dd0f281f88bff9af7d5ef94b6d1b4c09fec95e68fe187e8caf08bf68bf6',
    );
    expect(localProbe).toEqual(xorFrame('{"system":{"get_sysinfo":{}}}').subarray(4));
  });

  test('is undone by its inverse', () => {
    fc.assert(
      fc.property(bytes(300), (plain) => {
        expect(xorDecode(xorEncode(plain))).toEqual(plain);
      }),
    );
  });

  test('messages come out whole and in order however the stream is cut', () => {
    const messages = fc.array(fc.string({ unit: 'grapheme', maxLength: 40 }), { maxLength: 6 });
    const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(messages, cuts, (sent, sizes) => {
        const stream = Buffer.concat(sent.map(xorFrame));
        const reader = new FrameReader('x');
        const heard: string[] = [];
        const lent = Buffer.alloc(16);
        for (let at = 0, i = 0; at < stream.length; i += 1) {
          const size = sizes[i % sizes.length]!;
          // As sockets do: the memory of one segment holds the next one a moment later.
          const segment = lent.subarray(0, stream.copy(lent, 0, at, at + size));
          at += segment.length;
          reader.push(segment);
          for (let m = reader.take(); m !== undefined; m = reader.take()) heard.push(m);
        }
        expect(heard).toEqual(sent);
        expect(reader.pending).toBe(false);
      }),
    );
  });

  test('a length that no device sends is refused before memory is taken for it', () => {
    const reader = new FrameReader('192.0.2.7:9999');
    reader.push(Buffer.from('7fffffff', 'hex'));
    expect(() => reader.take()).toThrow(/192\.0\.2\.7:9999 announces 2147483647 bytes/);
  });
});

describe('KLAP', () => {
  const seeds = fc.tuple(
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );

  test('hashes logins as the two versions do', () => {
    // MD5(MD5('') MD5('')) and SHA-256(SHA-1('') SHA-1('')), made with Python's hashlib.
    expect(authHash(1, builtInLogins[2]!).toString('hex')).toBe('5873dd45edd01f09c1ef2e7819369e8e');
    expect(authHash(2, builtInLogins[2]!).toString('hex')).toBe(
      'b8628ab91c74f531603f6d5b45e730e54c123a7247b8978272c03f1e13560cea',
    );
  });

  test('one reply tells version and login, whichever of the eight it is', () => {
    fc.assert(
      fc.property(seeds, fc.constantFrom(1 as const, 2 as const), fc.nat(3), ([a, b], version, index) => {
        const [local, remote] = [Buffer.from(a), Buffer.from(b)];
        const used = [login, ...builtInLogins][index]!;
        const auth = authHash(version, used);
        const reply = Buffer.concat([remote, serverHash(version, local, remote, auth)]);
        expect(matchHandshake(local, reply, login)).toEqual({ version, auth, remote, login: used });
        expect(matchHandshake(local, reply, { username: 'sam@example.com', password: 'x' })?.login).toEqual(
          index === 0 ? undefined : used,
        );
      }),
    );
  });

  test('the two proofs of a handshake differ in both versions', () => {
    const [local, remote] = [randomBytes(16), randomBytes(16)];
    for (const version of [1, 2] as const) {
      const auth = authHash(version, login);
      expect(clientHash(version, local, remote, auth)).not.toEqual(serverHash(version, local, remote, auth));
    }
  });

  test('what one side seals the other opens, and a message that was touched anywhere is refused', () => {
    const [local, remote, auth] = [randomBytes(16), randomBytes(16), authHash(2, login)];
    const [ours, theirs] = [new KlapSession(local, remote, auth), new KlapSession(local, remote, auth)];
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (text, place, flip) => {
          const seq = ours.next();
          const sealed = ours.seal(seq, text);
          expect(theirs.open(seq, sealed)).toBe(text);
          expect(theirs.open(seq + 1, sealed)).toBeUndefined();
          sealed[place % sealed.length]! ^= flip;
          expect(theirs.open(seq, sealed)).toBeUndefined();
        },
      ),
    );
  });

  test('a message of any bytes is refused and never thrown over', () => {
    const session = new KlapSession(randomBytes(16), randomBytes(16), randomBytes(32));
    fc.assert(
      fc.property(bytes(200), fc.integer(), (message, seq) => {
        expect(session.open(seq | 0, message)).toBeUndefined();
      }),
    );
  });

  test('the counter goes from the largest 32-bit number on to the smallest, and messages go on', () => {
    // Seeds whose session happens to start 2,530 messages before the end of the counter.
    const remote = Buffer.alloc(16);
    remote.writeUInt32BE(3_037_107, 0);
    const seeds = [Buffer.alloc(16, 1), remote, Buffer.alloc(32, 2)] as const;
    const [ours, theirs] = [new KlapSession(...seeds), new KlapSession(...seeds)];
    for (let i = 0; i < 2_530; i += 1) ours.next();
    expect(ours.seq).toBe(2 ** 31 - 1);
    const seq = ours.next();
    expect(seq).toBe(-(2 ** 31));
    expect(theirs.open(seq, ours.seal(seq, 'wrapped'))).toBe('wrapped');
  });

  test('a session is renewed 20 minutes before its end, or at half time when it is short', () => {
    expect([86_400, 1_440, undefined, 0].map(sessionLifeMs)).toEqual([
      85_200_000, 720_000, 85_200_000, 85_200_000,
    ]);
  });
});

describe('securePassthrough', () => {
  test('writes logins in both forms', () => {
    expect(passthroughLogin({ username: 'user@example.com', password: 'Pa55word' }, false)).toEqual({
      username: Buffer.from('63a710569261a24b3766275b7000ce8d7b32e2f7').toString('base64'),
      password: Buffer.from('Pa55word').toString('base64'),
    });
    expect(Object.keys(passthroughLogin(login, true))).toEqual(['username', 'password2']);
  });

  test('opens what it sealed, and nothing that was damaged', () => {
    const cipher = new PassthroughCipher(randomBytes(32));
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(cipher.open(cipher.seal(text))).toBe(text);
      }),
    );
    fc.assert(
      fc.property(fc.base64String(), (text) => {
        expect(typeof cipher.open(text)).not.toBe('object');
      }),
    );
  });
});

describe('replies', () => {
  test('text that is no JSON object is refused without repeating it', () => {
    for (const text of ['', '[]', 'null', '17', '{"a":', '{"secret"'])
      expect(() => parseReply(text, '192.0.2.7:9999')).toThrow(
        new LaresError(
          'BAD_REPLY',
          `192.0.2.7:9999 sent something that is no JSON object (${text.length} characters)`,
        ),
      );
  });

  test('numbers that are none are read as missing', () => {
    expect(parseReply('{"a":nan,"b":[-inf, 1],"c":"nan: NaN","d": Infinity}', 'x')).toEqual({
      a: null,
      b: [null, 1],
      c: 'nan: NaN',
      d: null,
    });
    expect([Number.NaN, Number.POSITIVE_INFINITY, '1', null, 0].map(finite)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      0,
    ]);
  });

  test('names lose control characters and are cut', () => {
    expect([words('a\u0000\u001B[31mb\u2028'), words('x'.repeat(99))?.length, words(' '), words(7)]).toEqual([
      'a[31mb',
      64,
      undefined,
      undefined,
    ]);
  });

  test.each([
    [
      'W, V, A, kWh of the first HS110',
      { current: 0.0149, voltage: 231.07, power: 0.93, total: 55.139, err_code: 0 },
      { power_watts: 0.93, voltage_volts: 231.07, current_amps: 0.0149, energy_wh: 55_139 },
    ],
    [
      'mW, mV, mA, Wh of later ones',
      { current_ma: 451, voltage_mv: 230_837, power_mw: 61_753, total_wh: 16_323 },
      { power_watts: 61.753, voltage_volts: 230.837, current_amps: 0.451, energy_wh: 16_323 },
    ],
    [
      'the socket of a strip, with its number',
      { slot_id: 2, current_ma: 10, voltage_mv: 118_000, power_mw: 500, total_wh: 9, err_code: 0 },
      { power_watts: 0.5, voltage_volts: 118, current_amps: 0.01, energy_wh: 9 },
    ],
    ['a bulb that says power only', { power_mw: 10_800, err_code: 0 }, { power_watts: 10.8 }],
    [
      'a light strip that measures no voltage',
      { current_ma: 0, voltage_mv: 0, power_mw: 2_725, total_wh: 1_193 },
      { power_watts: 2.725, energy_wh: 1_193 },
    ],
    [
      'numbers that are none',
      { current_ma: null, voltage_mv: 230_000, power_mw: 'NaN', total_wh: -1 },
      { voltage_volts: 230 },
    ],
  ])('readings: %s', (_, meter, values) => {
    expect(parseRealtime({ emeter: { get_realtime: meter } }, 'plug')).toEqual(values);
    expect(parseRealtime({ 'smartlife.iot.common.emeter': { get_realtime: meter } }, 'bulb')).toEqual(values);
  });

  test.each([
    { emeter: { err_code: -1, err_msg: 'module not support' } },
    { emeter: { err_code: -2001, err_msg: 'Module not support' } },
    { emeter: { get_realtime: { err_code: -1, err_msg: 'module not support' } } },
    { emeter: { get_realtime: { err_code: -2, err_msg: 'member not support' } } },
    {},
  ])('a device that cannot meter says so as %j', (reply) =>
    expect(parseRealtime(reply, 'plug')).toBeUndefined(),
  );

  test('a strip sums its sockets, averages their voltage, and sums nothing that one of them does not tell', () => {
    const part = { power_watts: 62.43, voltage_volts: 118.4, current_amps: 0.544, energy_wh: 10 };
    expect(sumOf([part, { ...part, voltage_volts: 118.6 }])).toEqual({
      power_watts: 124.86,
      voltage_volts: 118.5,
      current_amps: 1.088,
      energy_wh: 20,
    });
    expect(sumOf([part, { power_watts: 1 }])).toEqual({ power_watts: 63.43 });
    expect(sumOf([])).toEqual({});
  });

  test('short ids of sockets are made whole, and foreign ones become no path', () => {
    const info = parseSysinfo({
      system: {
        get_sysinfo: {
          deviceId: '8006AB',
          mic_type: 'IOT.SMARTPLUGSWITCH',
          feature: 'TIM:ENE',
          mac: '02:00:00:00:00:01',
          children: [
            { id: '0', state: 1, alias: 'Lamp' },
            { id: '8006AB01', state: 0 },
            { id: '__proto__/../x', state: 2 },
          ],
        },
      },
    });
    expect(info?.sockets).toEqual([
      { id: '8006AB00', node: '00', name: 'Lamp', on: true },
      { id: '8006AB01', node: '01', name: undefined, on: false },
      { id: '__proto__/../x', node: '02', name: undefined, on: undefined },
    ]);
    expect(info).toMatchObject({
      kind: 'strip',
      metered: true,
      on: true,
      mac: '020000000001',
      deviceId: '8006ab',
    });
  });

  test('a strip that claims a thousand sockets is asked about the first few dozen', () => {
    const children = Array.from({ length: 1_000 }, (_, i) => ({ id: `s${i}`, state: 1 }));
    expect(
      parseSysinfo({ system: { get_sysinfo: { type: 'IOT.SMARTPLUGSWITCH', children } } })?.sockets,
    ).toHaveLength(64);
  });

  test('kinds are read off what the device can do', () => {
    const kind = (info: object) => parseSysinfo({ system: { get_sysinfo: info } })?.kind;
    expect([
      kind({ type: 'IOT.SMARTPLUGSWITCH', relay_state: 1 }),
      kind({ mic_type: 'IOT.SMARTBULB', light_state: { on_off: 1 } }),
      kind({ mic_type: 'IOT.SMARTBULB', light_state: { on_off: 1 }, length: 16 }),
      kind({ err_code: -1 }),
      kind({}),
    ]).toEqual(['plug', 'bulb', 'lightstrip', undefined, undefined]);
  });

  test('requests are split where the replies would not fit the memory of the device', () => {
    const commands = ['get_daystat', 'get_monthstat'].map((command) => ({
      module: 'm',
      command,
      parameters: {},
    }));
    const sysinfo = { module: 'system', command: 'get_sysinfo', parameters: {} };
    expect(packRequests([sysinfo, ...commands], { kind: 'plug' })).toEqual([
      '{"system":{"get_sysinfo":{}},"m":{"get_daystat":{},"get_monthstat":{}}}',
    ]);
    expect(packRequests([sysinfo, ...commands], { kind: 'bulb' })).toEqual([
      '{"system":{"get_sysinfo":{}},"m":{"get_daystat":{}}}',
      '{"m":{"get_monthstat":{}}}',
    ]);
    expect(packRequests([sysinfo, sysinfo], { kind: 'plug', child: 'c' })).toHaveLength(2);
  });

  test('switching names the module of the kind, and an error anywhere in the reply is found', () => {
    expect(switchRequest('strip', true, ['a', 'b'])).toBe(
      '{"context":{"child_ids":["a","b"]},"system":{"set_relay_state":{"state":1}}}',
    );
    expect(switchRequest('lightstrip', false, [])).toBe(
      '{"smartlife.iot.lightStrip":{"set_light_state":{"on_off":0}}}',
    );
    expect([
      switchError({ system: { set_relay_state: { err_code: 0 } } }),
      switchError({ system: { set_relay_state: { err_code: -3 } } }),
      switchError({ x: { err_code: -1 } }),
    ]).toEqual([0, -3, -1]);
  });

  test('power of a Tapo plug comes from the finest source that speaks', () => {
    const usage = { current_power: 1_003, today_energy: 20, month_energy: 971 };
    const emeter = { power_mw: 68_325, voltage_mv: 120_254, current_ma: 589, energy_wh: 249 };
    const power = { current_power: 68 };
    expect(parseMeter({ usage, emeter, power })).toEqual({
      power_watts: 68.325,
      voltage_volts: 120.254,
      current_amps: 0.589,
      energy_wh: 971,
    });
    expect(parseMeter({ usage, emeter: undefined, power })).toEqual({ power_watts: 1.003, energy_wh: 971 });
    expect(parseMeter({ usage: undefined, emeter: undefined, power })).toEqual({ power_watts: 68 });
    expect(parseMeter({ usage: {}, emeter: { voltage_mv: 0, current_ma: 0 }, power: {} })).toEqual({});
  });

  test('names of Tapo devices are base64', () => {
    expect(parseInfo({ nickname: Buffer.from('Küche').toString('base64'), device_on: true }).name).toBe(
      'Küche',
    );
    expect(parseComponents({ component_list: [{ id: 'device' }, 7] })).toEqual(new Set(['device']));
    expect(parseComponents({})).toBeUndefined();
    expect(parseTime({ year: 2026, month: 2, mday: 3, hour: 4, min: 5, sec: 6 })).toBe(
      Date.UTC(2026, 1, 3, 4, 5, 6),
    );
    expect(parseTime({ year: 1970, month: 1, mday: 1 })).toBeUndefined();
  });

  test('no reply of any shape makes a parser throw', () => {
    const keys = fc.constantFrom(
      'system',
      'get_sysinfo',
      'children',
      'emeter',
      'get_realtime',
      'result',
      'responses',
      'method',
      'error_code',
      'id',
      '__proto__',
      'light_state',
      'err_code',
    );
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        fc.jsonValue(),
        fc.dictionary(keys, tie('tree')),
        fc.array(tie('tree'), { maxLength: 3 }),
      ),
    }));
    fc.assert(
      fc.property(fc.dictionary(keys, tree), (reply) => {
        parseSysinfo(reply);
        parseRealtime(reply, 'plug');
        parseInfo(reply);
        parseComponents(reply);
        switchError(reply);
        parseTime(reply);
        parseBatch([{ method: 'a' }, { method: 'b' }], parseSmart(reply) ?? { code: 0, result: reply });
      }),
    );
  });
});

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
    expect(scheme({ encrypt_type: 'TPAP', http_port: 80 })[3]).toBe(
      'Third-Party Compatibility in its app: its firmware speaks only TPAP',
    );
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

  test('a network is its hosts with the broadcast address first; one wider than /16 is none', () => {
    const hosts = (cidr: string) => [...hostsOf(parseNetwork(cidr)!)];
    expect(hosts('192.0.2.77/30')).toEqual(['192.0.2.79', '192.0.2.77', '192.0.2.78']);
    expect(hosts('192.0.2.7/32')).toEqual(['192.0.2.7']);
    expect(hosts('10.0.0.0/24')).toHaveLength(255);
    expect(['10.0.0.0/8', '10.0.0.0', '300.0.0.0/24', '10.0.0.0/33'].map(parseNetwork)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('MAC addresses are read in every notation, and masked ones are none', () => {
    expect(
      ['02:00:00:00:00:AB', '02-00-00-00-00-ab', '0200000000AB', '00:00:00:00:00:00', 'x', 7].map(macDigits),
    ).toEqual(['0200000000ab', '0200000000ab', '0200000000ab', undefined, undefined, undefined]);
  });
});
