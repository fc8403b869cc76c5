import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import type { WifiConfig } from '#devices/index.ts';
import { graphiteConfig } from '#metrics/index.ts';
import { HomeAssistantSim } from '#platform/homeassistant/sim.ts';
import { graphiteMissing, startGraphite } from '../../../tests/servers/graphite.ts';
import { freePort } from '../../../tests/servers/process.ts';
import { areas } from '../cli.ts';
import type { DoctorIo } from '../doctor.ts';
import { closeAll, closers, io, simulated, states } from './fixture.ts';
import { scan, service } from './peers.ts';

afterEach(closeAll);

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
    closers.push(() => sim.close());
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
  async function carbon(schema: string) {
    const server = await startGraphite({ schema });
    closers.push(() => server.stop());
    const { host, port, renderUrl: render_url } = server;
    return graphiteConfig.parse({ host, port, render_url, timeout_seconds: 60 });
  }

  test('nobody there, and somebody who never confirms, are failures', async () => {
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket.on('error', () => {}));
      socket.resume();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    closers.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const ask = async (port: number, more: object = {}) => {
      const graphite = graphiteConfig.parse({ host: '127.0.0.1', port, ...more });
      return (await areas.graphite(io({ graphite })))[0];
    };
    const { port: mute } = server.address() as AddressInfo;
    expect((await ask(await freePort()))?.text).toContain('refuses connections; is Carbon running?');
    expect((await ask(mute, { timeout_seconds: 0.3 }))?.text).toContain('did not confirm within 0.3 s');
  });

  test.skipIf(graphiteMissing !== undefined)(
    `a good one is read back, a coarse one is told how to keep every point${graphiteMissing === undefined ? '' : ` (needs: ${graphiteMissing})`}`,
    async () => {
      for (const [schema, expected] of [
        ['5s:1d', ['ok', 'ok']],
        ['60s:1d', ['ok', 'fail']],
      ] as const) {
        const findings = await areas.graphite(io({ graphite: await carbon(schema) }));
        expect(findings.map((f) => f.state)).toEqual(expected);
        expect(findings.at(-1)?.text).toContain(
          schema === '5s:1d' ? 'one point per 5 s' : 'storage-schemas.conf',
        );
      }
    },
  );

  test.skipIf(graphiteMissing !== undefined)(
    'series that a running service sends but Graphite lacks are counted',
    async () => {
      const graphite = await carbon('5s:1d');
      const get = async () => ({ status: 'ok', uptime_seconds: 900, attention: [] });
      const findings = await areas.graphite(
        io({ graphite, presence: { people: [person('alex')] } }, { get }),
      );
      expect(findings.at(-1)?.text).toMatch(/^7 series are confirmed but missing in Graphite/);
    },
  );
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
