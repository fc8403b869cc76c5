import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Command } from 'commander';
import { afterEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { EventBook } from '#cctv/book/book.ts';
import { anEvent } from '#cctv/book/fixture.ts';
import { camerasConfig, cctvConfig, performanceConfig } from '#cctv/config.ts';
import { processingConfig } from '#cctv/detect/config.ts';
import { judgeRoom } from '#cctv/inspect.ts';
import { LaresError } from '#kernel/errors.ts';
import type { LanScanner, OpenScanner, WifiConfig } from '#devices/index.ts';
import { speakersConfig } from '#guard/channels/config.ts';
import { checkGraphite, graphiteConfig } from '#metrics/index.ts';
import { systemClock } from '#platform/clock.ts';
import { HomeAssistant } from '#platform/homeassistant/client.ts';
import { HomeAssistantSim } from '#platform/homeassistant/sim.ts';
import { silent } from '#platform/log.ts';
import { graphiteMissing, startGraphite } from '../../tests/servers/graphite.ts';
import { freePort, scratch } from '../../tests/servers/process.ts';
import { areas, doctorCommand } from './cli.ts';
import { judgeSpace, newEnough } from './checks/machine.ts';
import { scan, service } from './checks/peers.ts';
import { examine, passed, report, type DoctorIo, type DoctorSettings } from './doctor.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  process.exitCode = undefined;
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

function folder(): string {
  const { dir, remove } = scratch('doctor');
  cleanups.push(remove);
  return dir;
}

const wifi: WifiConfig = {
  networks: ['192.0.2.0/24'],
  mode: 'auto',
  scan_interval_seconds: 30,
  probe_interval_seconds: 10,
  retries: 4,
  listen: true,
  resolve_names: true,
  retention_days: 90,
};

function person(name: string, entity?: string) {
  return {
    person: name,
    homeassistant_entity: entity,
    homeassistant_device_trackers: [],
    wifi_macs: [],
    wifi_hostnames: [],
  };
}

/** A scanner that finds what it is told; it holds no socket. */
function simulated(found: number): OpenScanner {
  return async () =>
    ({
      method: 'simulated',
      why: 'simulated for a test',
      sweep: async (network) => ({
        network,
        at: 0,
        probed: 254,
        tookMs: 12,
        found: Array.from({ length: found }, (_, i) => ({
          mac: `02:00:5e:10:00:${(i + 1).toString(16).padStart(2, '0')}`,
          ip: `192.0.2.${i + 1}`,
          at: 0,
          via: 'arp-reply' as const,
          network,
        })),
      }),
      probe: async () => [],
      close: async () => {},
    }) satisfies LanScanner;
}

function io(settings: Partial<DoctorSettings>, over: Partial<DoctorIo> = {}): DoctorIo {
  return {
    settings: async () => ({ presence: { people: [] }, metrics: { interval_seconds: 5 }, ...settings }),
    configFile: 'lares.yaml',
    dataDir: '/nonexistent',
    env: process.env,
    secretFiles: [],
    now: Date.now,
    installedAt: 0,
    openScanner: simulated(20),
    mayUseRaw: () => true,
    checkGraphite,
    homeAssistant: (access) => new HomeAssistant(access),
    get: async () => ({ status: 'ok', attention: [] }),
    program: async () => undefined,
    machine: { cores: 4, memoryBytes: 8e9 },
    loadNative: async () => {},
    signal: AbortSignal.timeout(30_000),
    ...over,
  };
}

const states = (findings: readonly { state: string; text: string }[]) =>
  findings.map((f) => [f.state, f.text]);

describe('this machine', () => {
  test('a private, writable data directory is fine; an open one gets a command', async () => {
    const dataDir = path.join(folder(), 'data');
    const before = await areas.permissions(io({}, { dataDir }));
    mkdirSync(dataDir, { mode: 0o700 });
    const private_ = await areas.permissions(io({}, { dataDir }));
    chmodSync(dataDir, 0o755);
    const open = await areas.permissions(io({}, { dataDir }));
    expect([before, private_, open].map((f) => f[0]?.state)).toEqual(['ok', 'ok', 'warn']);
    expect(open[0]?.fix).toBe(`chmod 700 ${dataDir}`);
  });

  test('a data directory that is a file, or lies where nothing can be written, is a failure', async () => {
    const file = path.join(folder(), 'data');
    writeFileSync(file, '');
    const asFile = await areas.permissions(io({}, { dataDir: file }));
    const inProc = await areas.permissions(io({}, { dataDir: '/proc/lares/data' }));
    expect([asFile[0]?.state, inProc[0]?.state]).toEqual(['fail', 'fail']);
  });

  test('an env file that everybody can read is a warning with the fix', async () => {
    const file = path.join(folder(), 'presence-monitoring.env');
    writeFileSync(file, 'HOMEASSISTANT_TOKEN=x\n', { mode: 0o644 });
    chmodSync(file, 0o644);
    const [open] = await areas.permissions(io({}, { secretFiles: [file] }));
    chmodSync(file, 0o600);
    const closed = await areas.permissions(io({}, { secretFiles: [file, '/nonexistent.env'] }));
    expect([open?.state, open?.fix]).toEqual(['warn', `chmod 600 ${file}`]);
    expect(closed).toHaveLength(1);
  });

  test('a native library that does not load is a missing dependency', async () => {
    const broken = async () => Promise.reject(new Error('cannot find koffi.node'));
    expect((await areas.deps(io({}, { loadNative: broken }))).map((f) => f.state)).toEqual(['ok', 'fail']);
    expect(['24.11.0', '24.10.9', '23.99.0', '26.0.0'].map(newEnough)).toEqual([true, false, false, true]);
  });

  test('a missing capability says what is lost and how to grant it', async () => {
    const [finding] = await areas.capability(io({}, { mayUseRaw: () => false }));
    expect([finding?.state, finding?.fix]).toEqual([
      'warn',
      expect.stringContaining('AmbientCapabilities=CAP_NET_RAW'),
    ]);
  });

  test.each([
    ['before the program was made', { now: () => 1e12, installedAt: 1.7e12 }, undefined, 'fail'],
    ['without a time server', {}, 'no\n', 'warn'],
    ['synchronised', {}, 'yes\n', 'ok'],
  ])('a clock %s', async (_title, over, said, state) => {
    const [finding] = await areas.clock(io({}, { ...over, program: async () => said }));
    expect(finding?.state).toBe(state);
  });

  test('little space is a warning, none a failure', async () => {
    const mib = 2 ** 20;
    expect([5000 * mib, 500 * mib, 50 * mib].map((free) => judgeSpace('/data', free).state)).toEqual([
      'ok',
      'warn',
      'fail',
    ]);
    expect((await areas.disk(io({})))[0]?.text).toContain('MiB free for /nonexistent');
  });
});

describe('the configuration', () => {
  test('its own error is the finding, and what depends on it says so', async () => {
    const settings = async () => {
      throw new LaresError(
        'CONFIG_INVALID',
        'lares.yaml:3:5 presence.poeple: unknown key; did you mean people?',
      );
    };
    const { config, graphite } = areas;
    const findings = await examine({ config, graphite }, io({}, { settings }));
    expect(states(findings)).toEqual([
      ['fail', 'lares.yaml:3:5 presence.poeple: unknown key; did you mean people?'],
      ['warn', 'not looked at, because the settings are not valid'],
    ]);
  });

  test('no file at all points to lares init', async () => {
    const none = io({}, { configFile: undefined });
    const [finding] = await areas.config(none);
    expect([finding?.state, finding?.fix]).toEqual(['warn', 'lares init']);
    expect(states(await areas.network(none))).toEqual([['ok', 'not configured; nothing is scanned']]);
  });
});

describe('the network', () => {
  test('a scan counts the devices that answered', async () => {
    const { found, findings } = await scan(io({ wifi }));
    expect(found).toHaveLength(20);
    expect(states(findings)).toEqual([
      ['ok', '192.0.2.0/24: 20 of 254 addresses answered in 12 ms (simulated)'],
    ]);
  });

  test('a scan that finds nobody says how it asked and where to look', async () => {
    const { findings } = await scan(io({ wifi }, { openScanner: simulated(0) }));
    expect(findings[0]).toMatchObject({
      state: 'fail',
      text: expect.stringContaining('simulated for a test'),
    });
    expect(findings[0]?.fix).toContain('ip -brief address');
  });

  test('a network without an interface is named', async () => {
    const openScanner = async () => {
      throw new LaresError('UNREACHABLE', 'interface eth9 is down; bring it up (ip link set eth9 up)');
    };
    const findings = await areas.network(io({ wifi }, { openScanner }));
    expect(states(findings)).toEqual([
      ['fail', '192.0.2.0/24: interface eth9 is down; bring it up (ip link set eth9 up)'],
    ]);
  });
});

describe('Home Assistant', () => {
  async function assistant() {
    const sim = await new HomeAssistantSim({ token: 'a-long-lived-token' }).listen();
    cleanups.push(() => sim.close());
    return { sim, url: sim.url };
  }
  const people = [person('alex', 'person.alex'), person('sam', 'person.sma'), person('jo', 'person.jo')];

  test('each configured entity is asked for and shown with its status and state', async () => {
    const { sim, url } = await assistant();
    sim.setState('person.alex', 'home');
    sim.setState('person.jo', 'unknown');
    const homeassistant = { url, token: 'a-long-lived-token', verify_tls: true };
    const findings = await areas.homeassistant(io({ homeassistant, presence: { people } }));
    expect(states(findings)).toEqual([
      ['ok', `${url}: API running.`],
      ['ok', 'person.alex: Status: 200, State: home'],
      ['fail', 'person.sma: Status: 404, it does not exist'],
      ['warn', 'person.jo: Status: 200, State: unknown'],
    ]);
  });

  test('a refused token and a silent address are failures that never show the token', async () => {
    const { url } = await assistant();
    const wrong = { url, token: 'wrong-long-lived-token', verify_tls: true };
    const gone = { ...wrong, url: `http://127.0.0.1:${await freePort()}` };
    for (const homeassistant of [wrong, gone]) {
      const findings = await areas.homeassistant(io({ homeassistant, presence: { people } }));
      expect(findings.map((f) => f.state)).toEqual(['fail']);
      expect(JSON.stringify(findings)).not.toContain('wrong-long-lived-token');
    }
  });
});

describe('Carbon', () => {
  test('nobody there, and somebody who never confirms, are failures', async () => {
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket.on('error', () => {}));
      socket.resume();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    cleanups.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const ask = async (port: number) => {
      const graphite = graphiteConfig.parse({ host: '127.0.0.1', port, timeout_seconds: 0.3 });
      return (await areas.graphite(io({ graphite })))[0];
    };
    const { port: mute } = server.address() as AddressInfo;
    expect((await ask(await freePort()))?.text).toContain('refuses connections; is Carbon running?');
    expect((await ask(mute))?.text).toContain('did not confirm within 0.3 s');
  });

  test.skipIf(graphiteMissing !== undefined)(
    `a good one is read back, a coarse one is told how to keep every point${graphiteMissing === undefined ? '' : ` (needs: ${graphiteMissing})`}`,
    async () => {
      for (const [schema, expected] of [
        ['5s:1d', ['ok', 'ok']],
        ['60s:1d', ['ok', 'fail']],
      ] as const) {
        const server = await startGraphite({ schema });
        cleanups.push(() => server.stop());
        const graphite = graphiteConfig.parse({
          host: server.host,
          port: server.port,
          render_url: server.renderUrl,
        });
        const findings = await areas.graphite(io({ graphite }));
        expect(findings.map((f) => f.state)).toEqual(expected);
        expect(findings.at(-1)?.text).toContain(
          schema === '5s:1d' ? 'one point per 5 s' : 'storage-schemas.conf',
        );
      }
    },
    90_000,
  );

  test.skipIf(graphiteMissing !== undefined)(
    'series that a running service sends but Graphite lacks are counted',
    async () => {
      const server = await startGraphite({ schema: '5s:1d' });
      cleanups.push(() => server.stop());
      const graphite = graphiteConfig.parse({
        host: server.host,
        port: server.port,
        render_url: server.renderUrl,
      });
      const get = async () => ({ status: 'ok', uptime_seconds: 900, attention: [] });
      const findings = await areas.graphite(
        io({ graphite, presence: { people: [person('alex')] } }, { get }),
      );
      expect(findings.at(-1)?.text).toMatch(/^7 series are confirmed but missing in Graphite/);
    },
  );
});

describe('the command', () => {
  async function doctor(args: string[], settings: Partial<DoctorSettings> = {}) {
    const printed: { data: unknown; text: string }[] = [];
    const program = new Command('lares').exitOverride();
    doctorCommand(program, {
      config: async () => ({ presence: { people: [] }, metrics: { interval_seconds: 5 }, ...settings }),
      configFile: () => 'lares.yaml',
      dataDir: () => path.join(folder(), 'data'),
      store: async () => Promise.reject(new LaresError('INTERNAL', 'not needed')),
      get: async () => Promise.reject(new LaresError('UNREACHABLE', 'Lares does not answer')),
      log: silent,
      env: {},
      print: (data, human) => printed.push({ data, text: human() }),
      progress: () => {},
      signal: AbortSignal.timeout(20_000),
    });
    await program.parseAsync(['doctor', ...args], { from: 'user' });
    return { ...printed[0]!, exit: process.exitCode ?? 0 };
  }

  test('counts missing dependencies in the words of the original', async () => {
    const { text, exit } = await doctor(['deps']);
    expect(text.split('\n').at(-1)).toBe('Dependencies: 0');
    expect(exit).toBe(0);
  });

  test('an unknown area names the known ones', async () => {
    await expect(doctor(['teeth'])).rejects.toThrow(
      'there is no area teeth; known: config, permissions, deps',
    );
  });

  test('a failure sets the exit code, and JSON carries every finding', async () => {
    const graphite = graphiteConfig.parse({ host: '127.0.0.1', port: await freePort() });
    const { data, exit } = await doctor(['graphite'], { graphite });
    expect(exit).toBe(1);
    expect(data).toMatchObject({ ok: false, findings: [{ check: 'graphite', state: 'fail' }] });
  });

  test('a house that does not run is a warning, not a failure', async () => {
    const { data, exit } = await doctor(['service']);
    expect([exit, data]).toMatchObject([
      0,
      { ok: true, findings: [{ state: 'warn', text: 'Lares does not answer' }] },
    ]);
  });
});

test('another program on the port of the house is told from a house that is ill', async () => {
  const saying = (get: () => Promise<unknown>) => service({ get } as unknown as DoctorIo);
  const stranger = {
    check: 'service',
    state: 'fail',
    text: 'a program that is not Lares answers at http.port',
    fix: 'find it with ss -ltnp and stop it, or set http.port',
  };
  expect(await saying(() => Promise.reject(new LaresError('NOT_FOUND', 'HTTP 404')))).toEqual([stranger]);
  expect(await saying(async () => undefined)).toEqual([stranger]);
  expect(await saying(async () => ({ status: 'down', attention: ['wifi'] }))).toMatchObject([
    { state: 'fail', text: 'it runs, but is down: wifi' },
  ]);
});

test('the report is readable, ends with a count and cannot be forged by a peer', () => {
  const findings = [
    { check: 'config', state: 'ok', text: 'valid' },
    { check: 'homeassistant', state: 'fail', text: 'said \u001b[2Jhi', fix: 'look' },
  ] as const;
  expect(report(findings)).toBe(
    [
      'ok    config         valid',
      'FAIL  homeassistant  said \uFFFD[2Jhi',
      '                     fix: look',
      '',
      '1 failure.',
    ].join('\n'),
  );
  expect([passed(findings), passed([])]).toEqual([false, true]);
  expect(report([])).toBe('\nAll is well.');
});

describe('electricity', () => {
  const device = (path: string, more: object) => ({ path, state: 'ok', problem: null, notes: [], ...more });
  const answer = (devices: object[], components: object[]) => async (url: string) =>
    url === '/api/electricity' ? { house: { basis: 'meter' }, devices } : { components };

  test('names each device and source that does not work, with its reason and the next step', async () => {
    const get = answer(
      [
        device('kasa.kettle', { state: 'down', problem: 'did not answer within 5 s' }),
        device('tuya.fridge', { notes: ['its power looks ten times too high; read as tenths'] }),
        device('meter', {}),
      ],
      [
        { name: 'electricity.tuya', state: 'parked', detail: 'the key of fridge is wrong' },
        { name: 'electricity.kasa', state: 'ok', detail: '1 of 2 answer; no answer from 192.0.2.7' },
        { name: 'electricity.shelly', state: 'ok', detail: '2 of 2 answer' },
        { name: 'electricity.prices', state: 'down', detail: 'import prices: cannot read agile.csv' },
        { name: 'wifi', state: 'down', detail: 'not ours' },
      ],
    );
    expect(await areas.electricity(io({}, { get }))).toEqual([
      {
        check: 'electricity',
        state: 'ok',
        text: '2 of 3 devices answer; the house is measured by the meter',
      },
      {
        check: 'electricity',
        state: 'fail',
        text: 'electricity.tuya is parked: the key of fridge is wrong',
        fix: 'change electricity.tuya in lares.yaml; what is on the network: lares electricity discover',
      },
      {
        check: 'electricity',
        state: 'fail',
        text: 'electricity.prices is down: import prices: cannot read agile.csv',
        fix: 'change electricity.tariff in lares.yaml; how a tariff is written: docs/tariffs.md',
      },
      {
        check: 'electricity',
        state: 'warn',
        text: 'electricity.kasa: 1 of 2 answer; no answer from 192.0.2.7',
        fix: 'see that they have power and network; their addresses are under electricity.kasa in lares.yaml',
      },
      {
        check: 'electricity',
        state: 'warn',
        text: 'kasa.kettle is down: did not answer within 5 s',
        fix: 'lares electricity show kasa.kettle',
      },
      {
        check: 'electricity',
        state: 'ok',
        text: 'tuya.fridge: its power looks ten times too high; read as tenths',
      },
    ]);
  });

  test('a house without devices and a service that does not run are no failures', async () => {
    expect(states(await areas.electricity(io({}, { get: answer([], []) })))).toEqual([
      ['ok', 'no device is known; name networks or devices under electricity'],
    ]);
    const get = async () => Promise.reject(new LaresError('UNREACHABLE', 'Lares does not answer'));
    expect(states(await areas.electricity(io({}, { get })))).toEqual([
      ['ok', 'not looked at, because the service does not run'],
    ]);
  });
});

describe('cameras', () => {
  /** A house with a private folder of settings and one camera. */
  function house(over: { camera?: object; cctv?: object; detection?: object; speakers?: object[] } = {}) {
    const dir = folder();
    const dataDir = path.join(dir, 'data');
    mkdirSync(dataDir);
    const configFile = path.join(dir, 'lares.yaml');
    writeFileSync(configFile, 'cameras: []\n', { mode: 0o600 });
    const settings = houseSettings.parse({
      cameras: [
        {
          id: 'front',
          url: 'rtsp://192.0.2.21/stream1',
          username: 'admin',
          password: 'open-sesame',
          ...over.camera,
        },
      ],
      cctv: over.cctv ?? {},
      performance: {},
      processing: { detection: over.detection ?? {} },
      speakers: over.speakers ?? [],
    });
    return { dir, dataDir, configFile, io: io(settings, { dataDir, configFile }) };
  }
  const houseSettings = z.object({
    cameras: camerasConfig,
    cctv: cctvConfig,
    performance: performanceConfig,
    processing: processingConfig,
    speakers: speakersConfig,
  });
  const trouble = async (house_: { io: DoctorIo }) =>
    (await areas.cameras(house_.io)).filter((f) => f.state !== 'ok');
  const run = (file: string, sql: string) => {
    const database = new DatabaseSync(file);
    database.exec(sql);
    database.close();
  };

  test('without a camera nothing is looked at, and with one everything is well on this machine', async () => {
    expect(states(await areas.cameras(io({})))).toEqual([['ok', 'not configured; no camera is read']]);
    const well = house();
    const findings = await areas.cameras(well.io);
    expect(states(findings)).toEqual([
      ['ok', '1 of 1 cameras are switched on'],
      ['ok', 'node-av, which reads video, loads'],
      ['ok', 'ONNX Runtime, which detects, loads'],
      ['ok', 'the detection model centernet is there and takes pictures of 512x288'],
      ['ok', expect.stringMatching(/^the cameras take about 0\.09 of 4 processors .* of 8\.0 GB of memory/)],
      ['ok', 'there is no events.db yet; the first run makes it'],
      ['ok', 'without metres: front'],
      ['ok', expect.stringMatching(/GB free for snapshots in/)],
      ['ok', expect.stringMatching(/GB free for recordings in/)],
    ]);
    // Who asks may be another user than the service.
    expect(readdirSync(well.dataDir)).toEqual([]);
  });

  test('cameras that this machine cannot carry are told of, by the streams that the running service sees', async () => {
    const streams = { detect: { codec: 'h264', width: 3840, height: 2160, fps: 25, keyframe_seconds: 2 } };
    const own = { ...house().io, machine: { cores: 1, memoryBytes: 8e9 } };
    const get = async () => ({ cameras: [{ id: 'front', streams }] });
    expect((await areas.cameras(own)).filter((f) => f.state !== 'ok')).toEqual([]);
    const [finding] = (await areas.cameras({ ...own, get })).filter((f) => f.state !== 'ok');
    expect(finding).toMatchObject({
      state: 'warn',
      text: expect.stringMatching(/^the cameras take about \d\.\d of 1 processors/),
      fix: expect.stringContaining('a small stream of each camera under streams.detect'),
    });
  });

  test('a camera that only records needs no detector', async () => {
    const findings = await areas.cameras(house({ camera: { detect: false } }).io);
    expect(findings.filter((f) => /ONNX|model/.test(f.text))).toEqual([]);
  });

  test('a model whose weights are missing says how to get them', async () => {
    const own = house({ detection: { model: 'yolov8n' } });
    const [finding] = await trouble(own);
    expect(finding?.text).toContain(path.join(own.dataDir, 'models', 'yolov8n.onnx'));
    expect(finding).toMatchObject({
      state: 'fail',
      text: expect.stringMatching(/yolov8n is not there .* lares cctv models install yolov8n --file PATH/),
      fix: expect.stringContaining('lares cctv models list'),
    });
  });

  test('programs that speakers lack are named with the package that brings them', async () => {
    const speakers = [
      { id: 'hall', type: 'wired' },
      { id: 'garden', type: 'bluetooth', mac: 'AA:BB:CC:DD:EE:FF', device: 'pulse:garden' },
    ];
    const bare = house({ speakers });
    const findings = await areas.cameras({ ...bare.io, env: { PATH: bare.dir } });
    expect(findings.filter((f) => f.state === 'fail').map((f) => [f.text, f.fix])).toEqual([
      ['espeak-ng is not installed, and hall, garden cannot speak without it', 'sudo apt install espeak-ng'],
      ['aplay is not installed, and hall cannot speak without it', 'sudo apt install alsa-utils'],
      ['paplay is not installed, and garden cannot speak without it', 'sudo apt install pulseaudio-utils'],
      ['bluetoothctl is not installed, and garden cannot speak without it', 'sudo apt install bluez'],
    ]);
    for (const name of ['espeak-ng', 'aplay', 'paplay', 'bluetoothctl'])
      writeFileSync(path.join(bare.dir, name), '', { mode: 0o755 });
    const equipped = await areas.cameras({ ...bare.io, env: { PATH: `/nowhere:${bare.dir}` } });
    expect(equipped.filter((f) => f.state !== 'ok')).toEqual([]);
    expect(states(equipped)).toContainEqual([
      'ok',
      'the programs of the speakers are there: espeak-ng, aplay, paplay, bluetoothctl',
    ]);
  });

  test('a damaged book is a failure, a sound one tells what it holds, also while the service writes', async () => {
    const own = house();
    const file = path.join(own.dataDir, 'events.db');
    const open = { dataDir: own.dataDir, clock: systemClock, log: silent };
    const book = await EventBook.open(open);
    await book.openEvent(anEvent('e1', 0, {}));
    const said = async () =>
      states((await areas.cameras(own.io)).filter(({ text }) => text.includes('events.db')));
    expect(await said()).toEqual([['ok', 'events.db is sound; it holds 1 events']]);
    await book.close();
    expect(await said()).toEqual([['ok', 'events.db is sound; it holds 1 events']]);
    writeFileSync(file, 'no database at all, but long enough to be looked at as one'.repeat(40));
    const [damaged] = await trouble(own);
    expect([damaged?.state, damaged?.text]).toEqual([
      'fail',
      expect.stringMatching(/^events\.db is damaged: /),
    ]);
  });

  test('a calibration that cannot be read names the command that makes another', async () => {
    const own = house();
    mkdirSync(path.join(own.dir, 'config/calibration'), { recursive: true });
    writeFileSync(path.join(own.dir, 'config/calibration/front.json'), '{');
    expect((await trouble(own)).map((f) => [f.state, f.fix])).toEqual([
      ['fail', 'lares cctv calibrate --camera front'],
    ]);
  });

  test('a recording disk that is not mounted, and a folder that nobody may write, are failures', async () => {
    const disk = path.join(folder(), 'disk');
    const lost = house({ cctv: { recording: { folder: disk, mode: 'continuous' } } });
    // What the house remembers of a folder on another disk.
    writeFileSync(path.join(lost.dataDir, 'folders'), `${disk}\n`);
    expect((await trouble(lost)).map((f) => [f.state, f.text, f.fix])).toEqual([
      [
        'fail',
        `the disk of ${disk} is not mounted: no recordings are kept`,
        'mount it, or name another folder in cctv.recording.folder',
      ],
    ]);
    const forbidden = await trouble(house({ cctv: { snapshots: { folder: '/proc/lares' } } }));
    expect(forbidden.map((f) => f.state)).toEqual(['fail']);
  });

  test('what is to be kept must fit beside what else is on the disk', () => {
    const room = { name: 'recordings', folder: '/video', free: 100e9, bytes: 50e9, kept: 0 };
    const judged = [
      room,
      { ...room, bytes: 150e9 },
      { ...room, bytes: 150e9, kept: 60e9 },
      { ...room, free: 5e8 },
    ];
    expect(judged.map((r) => judgeRoom(r).state)).toEqual(['ok', 'warn', 'ok', 'fail']);
    expect(judgeRoom(judged[1]!).text).toBe(
      '100.0 GB free for recordings in /video, and 150.0 GB more are to be kept',
    );
  });

  test('video of the last days says how much retention will keep', async () => {
    const own = house({ cctv: { recording: { mode: 'continuous' } } });
    const book = await EventBook.open({ dataDir: own.dataDir, clock: systemClock, log: silent });
    await book.close();
    run(
      path.join(own.dataDir, 'events.db'),
      `insert into segments values ('a', 'front', 0, 60, 4e15, 1, '[]'), ('b', 'front', 172740, 172800, 4e15, 1, '[]')`,
    );
    expect((await trouble(own)).map((f) => [f.state, f.text])).toEqual([
      ['warn', expect.stringMatching(/free for recordings in .*, and 48000000\.0 GB more are to be kept/)],
    ]);
  });

  test('passwords in settings that everybody can read are a warning; references to them are none', async () => {
    const own = house();
    chmodSync(own.configFile, 0o644);
    expect(await trouble(own)).toEqual([]);
    writeFileSync(own.configFile, 'cameras: [{ id: front, password: open-sesame }]\n');
    const found = await trouble(own);
    expect(found).toMatchObject([
      { state: 'warn', fix: `chmod 600 ${own.configFile}, or write !secret references` },
    ]);
    expect(JSON.stringify(found)).not.toContain('open-sesame');
  });
});
