import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import { Command } from 'commander';
import { afterEach, describe, expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import type { LanScanner, OpenScanner, WifiConfig } from '#devices/index.ts';
import { checkGraphite, graphiteConfig } from '#metrics/index.ts';
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
    secretFiles: [],
    now: Date.now,
    installedAt: 0,
    openScanner: simulated(20),
    mayUseRaw: () => true,
    checkGraphite,
    homeAssistant: (access) => new HomeAssistant(access),
    get: async () => ({ status: 'ok', attention: [] }),
    program: async () => undefined,
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
