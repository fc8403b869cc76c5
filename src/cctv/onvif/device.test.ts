import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OnvifSim, type OnvifSimOptions, type SimProfile } from '../sim/onvif.ts';
import { readDevice, sameHost, withoutLogin } from './device.ts';
import { discoverCameras, interfacesIn } from './discover.ts';
import { networkOf } from '#devices/lan/codec/ipv4.ts';
import { RtspSim } from '../sim/rtsp.ts';
import { createSocket } from 'node:dgram';
import { probeMatchesOf, probeMessage } from './soap.ts';

const host = '127.0.1.10';
// Cameras tell whole seconds: the middle of one is no second off.
const now = () => Date.UTC(2026, 10, 21, 10, 5, 7, 500);
const alex = { username: 'alex', password: 'open sesame' };

const main: SimProfile = {
  token: 'main',
  name: 'Main & large',
  encoding: 'H265',
  width: 2560,
  height: 1440,
  fps: 20,
  gop: 40,
  streamUrl: `rtsp://alex:open@${host}:8554/main?a=1&b=2`,
  snapshotUrl: `http://${host}/snapshot.jpg`,
  analytics: true,
};
const sub: SimProfile = {
  token: 'sub',
  name: 'Sub',
  encoding: 'H264',
  width: 640,
  height: 360,
  fps: 10,
  gop: 20,
  streamUrl: `rtsp://${host}:8554/sub`,
};

let sims: OnvifSim[] = [];
async function camera(options: Partial<OnvifSimOptions> = {}, address = host): Promise<OnvifSim> {
  const sim = await new OnvifSim({
    ...alex,
    profiles: [main, sub],
    firmware: '2.8.1',
    now,
    ...options,
  }).listen(address);
  sims.push(sim);
  return sim;
}

beforeEach(() => {
  sims = [];
});
afterEach(async () => {
  await Promise.all(sims.map((sim) => sim.close()));
});

const whole = {
  manufacturer: 'Lares',
  model: 'SIM-1',
  firmware: '2.8.1',
  serial: '0001',
  hardware: 'SIM-1',
  clockDriftSeconds: 0,
  streams: [
    {
      token: 'main',
      name: 'Main & large',
      encoder: 'enc_main',
      encoding: { codec: 'h265', width: 2560, height: 1440, fps: 20, gop: 40, kilobits: 2048 },
      analytics: true,
      url: `rtsp://${host}:8554/main?a=1&b=2`,
      snapshotUrl: `http://${host}/snapshot.jpg`,
    },
    {
      token: 'sub',
      name: 'Sub',
      encoder: 'enc_sub',
      encoding: { codec: 'h264', width: 640, height: 360, fps: 10, gop: 20, kilobits: 2048 },
      analytics: false,
      url: `rtsp://${host}:8554/sub`,
    },
  ],
  warnings: [],
};

describe('an ONVIF camera', () => {
  test('tells firmware, clock, profiles and addresses without their passwords', async () => {
    const sim = await camera();
    expect(await readDevice({ xaddr: sim.xaddr, credentials: alex, timeoutMs: 30_000, now })).toEqual(whole);
  });

  test.each([90, -3600, -1_750_000_000, 3_000_000_000])(
    'whose clock is %i s off is told so, and its tokens are made for its own time',
    async (drift) => {
      const sim = await camera();
      sim.driftSeconds = drift;
      const device = await readDevice({ xaddr: sim.xaddr, credentials: alex, timeoutMs: 30_000, now });
      expect(device).toEqual({ ...whole, clockDriftSeconds: drift });
    },
  );

  test('that describes its encoders apart is read as well', async () => {
    const sim = await camera({ encodersApart: true });
    expect(await readDevice({ xaddr: sim.xaddr, credentials: alex, timeoutMs: 30_000, now })).toEqual(whole);
  });

  test.each([
    ['with a wrong password', { username: 'alex', password: 'guess' }, 'refused the user name and password'],
    ['without any', undefined, 'asks for a user name and password'],
  ])('asked %s refuses, in words that hold no secret', async (_, credentials, words) => {
    const sim = await camera();
    const failure = await readDevice({ xaddr: sim.xaddr, ...(credentials && { credentials }) }).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({
      code: 'AUTH_REFUSED',
      message: expect.stringContaining(words) as string,
    });
    expect(String(failure)).not.toMatch(/guess|sesame/);
  });

  test.each([
    ['401', 'AUTH_REFUSED'],
    ['garbage', 'BAD_REPLY'],
    ['silent', 'TIMEOUT'],
  ] as const)('that is %s is named', async (fault, code) => {
    const sim = await camera();
    sim.fault = fault;
    await expect(
      readDevice({ xaddr: sim.xaddr, credentials: alex, timeoutMs: fault === 'silent' ? 300 : 30_000, now }),
    ).rejects.toMatchObject({
      code,
    });
  });

  test('cannot send us to another host', async () => {
    const profiles = [
      { ...main, streamUrl: 'rtsp://192.0.2.9/main', snapshotUrl: 'http://169.254.169.254/' },
      sub,
    ];
    const sim = await camera({ profiles });
    const { xaddr } = sim;
    sim.claimedHost = '192.0.2.9';
    const device = await readDevice({ xaddr, credentials: alex, timeoutMs: 30_000, now });
    expect(device.streams.map(({ url, snapshotUrl }) => [url, snapshotUrl])).toEqual([
      [undefined, undefined],
      [sub.streamUrl, undefined],
    ]);
    expect(device.warnings).toEqual([
      'its media service is said to be on another host; the address that answered is used instead',
      'the stream of profile main is said to be on another host and was left out',
    ]);
  });

  test.each([
    ['http://192.0.2.1/x', 'http://192.0.2.1:8080/y', 'http://192.0.2.1/x'],
    ['http://192.0.2.2/x', 'http://192.0.2.1/y', undefined],
    ['http://192.0.2.1@192.0.2.2/x', 'http://192.0.2.1/y', undefined],
    ['file:///etc/passwd', 'http://192.0.2.1/y', undefined],
    ['gopher://192.0.2.1/', 'http://192.0.2.1/y', undefined],
    ['http://0300.0.2.1/x', 'http://192.0.2.1/y', 'http://0300.0.2.1/x'],
    [undefined, 'http://192.0.2.1/y', undefined],
  ])('%s of %s is used as %s', (given, own, used) => {
    expect(sameHost(given, own)).toBe(used);
  });

  test('loses the login of an address and nothing else', () => {
    expect(withoutLogin('rtsp://a:b@c@192.0.2.1/x@y?z=@')).toBe('rtsp://192.0.2.1/x@y?z=@');
    expect(withoutLogin('rtsp://192.0.2.1/x@y')).toBe('rtsp://192.0.2.1/x@y');
  });
});

describe('discovery', () => {
  test('finds the cameras of the named networks only, with their names and open ports', async () => {
    const inside = await camera({ name: 'Front gate', hardware: 'X-100' });
    const outside = await camera({}, '127.0.1.33');
    const rtsp = await new RtspSim().listen({ host: '127.0.1.11' });
    const { port } = rtsp;
    const found = await discoverCameras({
      networks: ['127.0.1.8/29'],
      ports: [port],
      waitMs: 2_000,
    });
    await rtsp.close();
    expect(found).toEqual([
      { address: host, name: 'Front gate', hardware: 'X-100', xaddrs: [inside.xaddr], ports: [] },
      { address: '127.0.1.11', xaddrs: [], ports: [port] },
    ]);
    expect([inside.probes, outside.probes]).toEqual([1, 0]);
  });

  test('drops service addresses that lie on another host, and survives garbage', async () => {
    const liar = await camera();
    liar.claimedHost = '192.0.2.9';
    const noisy = await camera({}, '127.0.1.12');
    noisy.fault = 'garbage';
    const found = await discoverCameras({ networks: ['127.0.1.8/29'], waitMs: 2_000 });
    expect(found).toEqual([
      { address: host, name: 'Simulated camera', hardware: 'SIM-1', xaddrs: [], ports: [] },
    ]);
  });

  test('asks the group only where everybody who hears it lies in a named network', () => {
    const at = (address: string, cidr: string, internal = false) => ({
      address,
      cidr,
      internal,
      family: 'IPv4' as const,
      netmask: '',
      mac: '',
    });
    const interfaces = {
      lo: [at('127.0.0.1', '127.0.0.1/8', true)],
      eth0: [
        at('192.0.2.5', '192.0.2.5/24'),
        { ...at('2001:db8::1', '2001:db8::1/64'), family: 'IPv6' as const, scopeid: 0 },
      ],
      wlan0: [at('10.0.0.5', '10.0.0.5/16')],
    };
    const asked = (...named: string[]) => interfacesIn(named.map(networkOf), interfaces);
    expect(asked('192.0.2.0/24')).toEqual(['192.0.2.5']);
    expect(asked('192.0.0.0/16', '10.0.0.0/16')).toEqual(['192.0.2.5', '10.0.0.5']);
    expect(asked('192.0.2.0/28', '10.0.0.0/24', '127.0.0.0/8')).toEqual([]);
  });

  test('refuses a network that is too wide to be asked host by host', async () => {
    await expect(discoverCameras({ networks: ['10.0.0.0/8'] })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  });

  test('stops at once with its signal', async () => {
    const stop = new AbortController();
    const running = discoverCameras({ networks: ['127.0.1.0/24'], perSecond: 10, signal: stop.signal });
    stop.abort();
    expect(await running).toEqual([]);
  });

  test('is answered by the simulator also when the group is asked', async () => {
    await camera();
    const id = '11111111-2222-3333-4444-555555555555';
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, host, resolve));
    socket.setMulticastInterface(host);
    const answer = new Promise<string>((resolve) =>
      socket.once('message', (bytes) => resolve(bytes.toString())),
    );
    socket.send(probeMessage(id), 3702, '239.255.255.250');
    expect(probeMatchesOf(await answer, id)).toHaveLength(1);
    socket.close();
  });
});
