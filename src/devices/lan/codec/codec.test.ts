import fc from 'fast-check';
import packet from 'dns-packet';
import { describe, expect, test } from 'vitest';
import { buildArp, parseArp } from './arp.ts';
import { parseDhcp } from './dhcp.ts';
import { buildEthernet, etherType, macBytes, parseEthernet, parseUdp } from './ethernet.ts';
import { hear, type Ear } from './hear.ts';
import { cleanHostname } from './hostname.ts';
import {
  contains,
  encloses,
  formatIpv4,
  hostsOf,
  networkProblem,
  parseIpv4,
  parseNetwork,
  prefixOf,
} from './ipv4.ts';
import { announcedAddresses, buildReverseQuery, parseReverseAnswer } from './mdns.ts';
import { parseIpNeigh, parseProcArp } from './neighbours.ts';

const ours = '02:00:00:00:00:01';
const phone = '02:aa:bb:cc:dd:01';
const ip = (text: string) => parseIpv4(text) ?? 0;
const ear: Ear = { mac: ours, networks: [parseNetwork('10.77.0.0/24')] };
const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));

describe('networks', () => {
  test.each([
    [
      '10.0.0.0/8',
      '"10.0.0.0/8" has 16,777,216 addresses, too many to ask one by one; name networks of /16 or smaller, such as 10.0.0.0/24',
    ],
    ['192.0.2.0', '"192.0.2.0" has no prefix length; write 192.0.2.0/24'],
    ['192.0.2.0/33', 'expected a prefix length from 16 to 32, found "192.0.2.0/33"'],
    ['192.0.2/24', 'expected a network like 192.0.2.0/24, found "192.0.2/24"'],
    ['192.0.02.0/24', 'expected a network like 192.0.2.0/24, found "192.0.02.0/24"'],
    [
      '2001:db8::/64',
      'expected a network like 192.0.2.0/24, found "2001:db8::/64"; IPv6 cannot be swept, name the IPv4 network',
    ],
    ['224.0.0.0/24', '"224.0.0.0/24" is not a network of devices (multicast, loopback or reserved)'],
    ['127.0.0.0/24', '"127.0.0.0/24" is not a network of devices (multicast, loopback or reserved)'],
    ['192.0.2.0/24', undefined],
    ['10.0.0.0/16', undefined],
  ])('%s: %s', (text, problem) => expect(networkProblem(text)).toBe(problem));

  test('host bits are cleared', () => {
    expect(parseNetwork('192.0.2.77/24')).toEqual({ cidr: '192.0.2.0/24', base: 0xc0000200, prefix: 24 });
  });

  test('the network and broadcast addresses are nobody, except where there are no others', () => {
    const texts = (cidr: string) => hostsOf(parseNetwork(cidr)).map(formatIpv4);
    expect(texts('192.0.2.8/29')).toEqual([9, 10, 11, 12, 13, 14].map((n) => `192.0.2.${n}`));
    expect(texts('192.0.2.8/31')).toEqual(['192.0.2.8', '192.0.2.9']);
    expect(texts('192.0.2.8/32')).toEqual(['192.0.2.8']);
    expect(hostsOf(parseNetwork('10.77.0.0/16'))).toHaveLength(65_534);
  });

  test('every host of a network is inside it, and its neighbours are not', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0x01000000, max: 0x7effffff }),
        fc.integer({ min: 20, max: 32 }),
        (n, prefix) => {
          const network = parseNetwork(`${formatIpv4(n)}/${prefix}`);
          expect(hostsOf(network).every((host) => contains(network, host))).toBe(true);
          expect(contains(network, network.base - 1)).toBe(false);
          expect(contains(network, network.base + 2 ** (32 - prefix))).toBe(false);
          expect(encloses(network, { ...network, prefix: 32 })).toBe(true);
        },
      ),
    );
  });

  test('addresses survive being written and read', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (n) => parseIpv4(formatIpv4(n)) === n));
  });

  test('a netmask has a prefix length', () => {
    expect(['255.255.255.0', '255.255.0.0', '255.255.255.255', '0.0.0.0'].map(prefixOf)).toEqual([
      24, 16, 32, 0,
    ]);
  });
});

const request = hex(`
  ff ff ff ff ff ff 02 00 00 00 00 01 08 06
  00 01 08 00 06 04 00 01 02 00 00 00 00 01 0a 4d 00 01 00 00 00 00 00 00 0a 4d 00 0b
  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00`);

describe('ARP', () => {
  const asked = {
    op: 'request',
    senderMac: ours,
    senderIp: ip('10.77.0.1'),
    targetMac: '00:00:00:00:00:00',
    targetIp: ip('10.77.0.11'),
  } as const;

  test('a request has the bytes of RFC 826', () => {
    expect(Buffer.from(buildArp(asked)).toString('hex')).toBe(Buffer.from(request).toString('hex'));
    expect(parseArp(parseEthernet(request)!.payload)).toEqual(asked);
  });

  test('a tag of a virtual LAN is skipped', () => {
    const tagged = Uint8Array.from([...request.slice(0, 12), 0x81, 0x00, 0x00, 0x05, ...request.slice(12)]);
    expect(parseArp(parseEthernet(tagged)!.payload)).toEqual(asked);
  });

  test.each([
    ['another hardware', 0, 2],
    ['another protocol', 3, 1],
    ['a longer address', 4, 8],
    ['an unknown operation', 7, 9],
  ])('%s is not ours', (_, at, value) => {
    const payload = Uint8Array.from(request.slice(14));
    payload[at] = value;
    expect(parseArp(payload)).toBeUndefined();
  });
});

/** A DHCP message in UDP in IPv4 in Ethernet, from `mac`. */
function dhcpFrame(options: readonly number[], mac = phone): Uint8Array {
  const message = new Uint8Array(240 + options.length + 1);
  message.set([1, 1, 6, 0], 0);
  message.set(macBytes(mac), 28);
  message.set([0x63, 0x82, 0x53, 0x63], 236);
  message.set([...options, 255], 240);
  return udpFrame(message, '0.0.0.0', 68, 67, mac);
}

function udpFrame(
  payload: Uint8Array,
  from: string,
  sourcePort: number,
  targetPort: number,
  mac = phone,
): Uint8Array {
  const udp = new DataView(new ArrayBuffer(8));
  udp.setUint16(0, sourcePort);
  udp.setUint16(2, targetPort);
  udp.setUint16(4, 8 + payload.length);
  const header = new DataView(new ArrayBuffer(20));
  header.setUint8(0, 0x45);
  header.setUint16(2, 28 + payload.length);
  header.setUint8(9, 17);
  header.setUint32(12, ip(from));
  const bytes = [...new Uint8Array(header.buffer), ...new Uint8Array(udp.buffer), ...payload];
  return buildEthernet('ff:ff:ff:ff:ff:ff', mac, etherType.ipv4, Uint8Array.from(bytes));
}

const text = (code: number, value: string) => [code, Buffer.byteLength(value), ...Buffer.from(value)];
const joining = [
  53,
  1,
  3,
  50,
  4,
  10,
  77,
  0,
  11,
  ...text(12, 'alex-phone'),
  55,
  4,
  1,
  3,
  6,
  15,
  ...text(60, 'android-dhcp-14'),
  61,
  3,
  1,
  2,
  0xaf,
];

describe('DHCP', () => {
  test('a request tells address, name, operating system and identity', () => {
    const frame = parseEthernet(dhcpFrame(joining))!;
    expect(parseDhcp(parseUdp(frame.type, frame.payload)!.payload)).toEqual({
      type: 'request',
      mac: phone,
      ip: ip('10.77.0.11'),
      hostname: 'alex-phone',
      fingerprint: '1,3,6,15',
      vendorClass: 'android-dhcp-14',
      clientId: '0102af',
    });
  });

  test('without option 12 the name comes from option 81', () => {
    const option81 = [81, 3 + 13, 0, 0, 0, ...Buffer.from('sam.home.arpa')];
    const frame = parseEthernet(dhcpFrame([53, 1, 1, ...option81]))!;
    expect(parseDhcp(parseUdp(frame.type, frame.payload)!.payload)?.hostname).toBe('sam');
  });

  test('an option that runs past the end is not read', () => {
    const frame = parseEthernet(dhcpFrame([53, 1, 1, 12, 200, 65]))!;
    expect(parseDhcp(parseUdp(frame.type, frame.payload)!.payload)).toMatchObject({
      type: 'discover',
      hostname: undefined,
    });
  });
});

describe('multicast DNS', () => {
  const announced = packet.encode({
    type: 'response',
    answers: [{ type: 'A', name: 'Alexs-Phone.local', data: '10.77.0.11', ttl: 120 }],
    additionals: [{ type: 'AAAA', name: 'Alexs-Phone.local', data: 'fe80::1', ttl: 120 }],
  });

  test('an announcement gives names to addresses', () => {
    expect(announcedAddresses(announced)).toEqual([
      { name: 'Alexs-Phone', address: '10.77.0.11' },
      { name: 'Alexs-Phone', address: 'fe80::1' },
    ]);
  });

  test('a device answers what its address is called', () => {
    const query = packet.decode(Buffer.from(buildReverseQuery('10.77.0.11', 7)));
    expect(query.questions).toEqual([{ type: 'PTR', class: 'IN', name: '11.0.77.10.in-addr.arpa' }]);
    const answer = packet.encode({
      type: 'response',
      answers: [{ type: 'PTR', name: '11.0.77.10.IN-ADDR.arpa', data: 'Alexs-Phone.local' }],
    });
    expect(parseReverseAnswer(answer, '10.77.0.11')).toBe('Alexs-Phone');
    expect(parseReverseAnswer(answer, '10.77.0.12')).toBeUndefined();
  });

  test('a name that points at itself is refused, not followed for ever', () => {
    expect(
      announcedAddresses(hex('0000 8400 0000 0001 0000 0000 c00c 0001 0001 00000078 0004 0a4d000b')),
    ).toEqual([]);
  });
});

describe('what a frame proves', () => {
  const reply = (senderIp: string, senderMac = phone, from = senderMac) => {
    const frame = buildArp(
      { op: 'reply', senderMac, senderIp: ip(senderIp), targetMac: ours, targetIp: ip('10.77.0.1') },
      ours,
    );
    frame.set(macBytes(from), 6);
    return frame;
  };
  const seen = { mac: phone, ip: '10.77.0.11', network: '10.77.0.0/24' };

  test('an answer to us', () =>
    expect(hear(reply('10.77.0.11'), ear)).toEqual({ ...seen, via: 'arp-reply' }));
  test('our own frame proves nothing', () => expect(hear(request, ear)).toBeUndefined());
  test('an address outside the configured networks proves nothing', () =>
    expect(hear(reply('10.78.0.11'), ear)).toBeUndefined());
  test('somebody who speaks for another proves nothing', () =>
    expect(hear(reply('10.77.0.11', phone, '02:aa:bb:cc:dd:99'), ear)).toBeUndefined());

  test('a device that tries an address is there, without an address yet', () => {
    const probe = buildArp({
      op: 'request',
      senderMac: phone,
      senderIp: 0,
      targetMac: '00:00:00:00:00:00',
      targetIp: ip('10.77.0.11'),
    });
    expect(hear(probe, ear)).toEqual({ ...seen, ip: undefined, via: 'arp-heard' });
  });

  test('a DHCP request, with everything it says', () => {
    expect(hear(dhcpFrame(joining), ear)).toEqual({
      ...seen,
      via: 'dhcp',
      hostname: 'alex-phone',
      dhcpFingerprint: '1,3,6,15',
      dhcpVendorClass: 'android-dhcp-14',
    });
  });

  test('a DHCP release is a goodbye', () => expect(hear(dhcpFrame([53, 1, 7]), ear)).toBeUndefined());

  test('multicast DNS, with the name of the sender only', () => {
    const message = packet.encode({
      type: 'response',
      answers: [
        { type: 'A', name: 'tv.local', data: '10.77.0.99' },
        { type: 'A', name: 'alex.local', data: '10.77.0.11' },
      ],
    });
    expect(hear(udpFrame(message, '10.77.0.11', 5353, 5353), ear)).toEqual({
      ...seen,
      via: 'mdns',
      hostname: 'alex',
    });
  });

  test('a neighbour solicitation, with the lasting half of the link-local address', () => {
    const packet6 =
      hex(`60000000 0020 3a ff fe80000000000000 0211 22ff fe33 4455 ff020000000000000000000000000001
      87 00 0000 00000000 fe800000000000000000000000000001 0101 000000000000`);
    expect(hear(buildEthernet('33:33:00:00:00:01', phone, etherType.ipv6, packet6), ear)).toEqual({
      ...seen,
      ip: undefined,
      via: 'arp-heard',
      ipv6Suffix: '021122fffe334455',
    });
  });

  test('garbage is never an error', () => {
    const head = fc.constantFrom(etherType.arp, etherType.ipv4, etherType.ipv6, etherType.vlan, 0);
    fc.assert(
      fc.property(head, fc.uint8Array({ maxLength: 400 }), (type, bytes) => {
        hear(bytes, ear);
        const heard = hear(buildEthernet(ours, phone, type, bytes), ear);
        expect([undefined, '10.77.0.0/24']).toContain(heard?.network);
      }),
      { numRuns: 2_000 },
    );
  });

  test('a damaged frame is never an error', () => {
    const frames = [
      reply('10.77.0.11'),
      dhcpFrame(joining),
      udpFrame(buildReverseQuery('10.77.0.1', 1), '10.77.0.11', 5353, 5353),
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...frames),
        fc.array(fc.tuple(fc.nat(600), fc.nat(255)), { maxLength: 8 }),
        fc.nat(600),
        (frame, changes, length) => {
          const bytes = Uint8Array.from(frame.slice(0, length));
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          hear(bytes, ear);
          announcedAddresses(bytes.subarray(42));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('host names from the network', () => {
  test.each<[string, string | Uint8Array, string | undefined]>([
    ['plain', 'alex-phone', 'alex-phone'],
    ['multicast', 'Alexs-Phone.local', 'Alexs-Phone'],
    ['dots', '..alex..lan.', 'alex.lan'],
    ['a line break and a forged log line', 'alex\nERROR wifi', 'alex ERROR wifi'],
    ['terminal escapes', '\u001b[31malex\u0007', '[31malex'],
    ['text direction tricks', 'al\u202eex\u200b', 'alex'],
    ['invalid UTF-8', Uint8Array.of(0x61, 0xff, 0xfe, 0x62), 'ab'],
    ['nothing but control characters', '\u0000\u0001', undefined],
    ['empty', '', undefined],
    ['dashes', '---', undefined],
    ['an emoji', 'sam 📱', 'sam 📱'],
    ['4 KB', 'x'.repeat(4_096), 'x'.repeat(63)],
  ])('%s', (_, raw, clean) => expect(cleanHostname(raw)).toBe(clean));

  test('whatever comes in, a short printable name comes out', () => {
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 5_000 }),
      fc.string({ unit: 'binary', maxLength: 5_000 }),
    );
    fc.assert(
      fc.property(anything, (raw) => {
        const name = cleanHostname(raw) ?? 'x';
        expect(name).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]|^\s|\s$|^\.|\.$|\.\./u);
        expect(name.length).toBeLessThanOrEqual(255);
        expect(name.split('.').every((label) => label.length > 0 && label.length <= 63)).toBe(true);
        expect(cleanHostname(name) ?? 'x').toBe(name);
      }),
    );
  });
});

describe("the kernel's neighbour table", () => {
  test('ip -j -s neigh', () => {
    const printed = `[{"dst":"10.77.0.11","lladdr":"02:AA:bb:cc:dd:01","used":1,"confirmed":3,"updated":3,"probes":1,"state":["REACHABLE"]},
      {"dst":"10.77.0.12","probes":3,"state":["FAILED"]},{"dst":"fe80::1","state":["STALE"]},7,null]`;
    expect(parseIpNeigh(printed, 'eth0')).toEqual([
      { ip: '10.77.0.11', mac: phone, device: 'eth0', state: 'reachable', confirmedAgoS: 3 },
      { ip: '10.77.0.12', mac: undefined, device: 'eth0', state: 'failed', confirmedAgoS: undefined },
    ]);
  });

  test('no entries, and no JSON', () => {
    expect([parseIpNeigh(''), parseIpNeigh('Object "-j" is unknown'), parseIpNeigh('{}')]).toEqual([
      [],
      undefined,
      undefined,
    ]);
  });

  test('/proc/net/arp', () => {
    const table = `IP address       HW type     Flags       HW address            Mask     Device
10.77.0.11       0x1         0x2         02:aa:bb:cc:dd:01     *        eth0
10.77.0.12       0x1         0x0         00:00:00:00:00:00     *        eth0
10.77.0.13       0x1         0x6         02:aa:bb:cc:dd:03     *        eth0
`;
    expect(parseProcArp(table).map(({ ip: at, mac, state }) => [at, mac, state])).toEqual([
      ['10.77.0.11', phone, 'unknown'],
      ['10.77.0.12', undefined, 'incomplete'],
      ['10.77.0.13', '02:aa:bb:cc:dd:03', 'permanent'],
    ]);
  });

  test('garbage is never an error', () => {
    fc.assert(
      fc.property(fc.string(), fc.json(), (plain, json) => {
        parseIpNeigh(plain, 'eth0');
        parseIpNeigh(json, 'eth0');
        parseProcArp(plain);
      }),
    );
  });
});
