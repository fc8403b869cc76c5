import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { HomeAssistantSim } from '#platform/homeassistant/sim.ts';
import { startGraphite, type Graphite } from './graphite.ts';
import { enterNetwork, startLares, writeSettings, type LaresOptions, type LaresProcess } from './house.ts';
import { realLan, type RealLan } from './lan.ts';
import { freePort, scratch, systemPath, until } from './process.ts';

/** A home for a real process: kernels on a LAN, Carbon, graphite-web and a Home Assistant that all live in its namespace. */
export interface Lab extends AsyncDisposable {
  readonly lan: RealLan;
  readonly graphite: Graphite;
  readonly homeAssistant: HomeAssistantSim;
  /** Alex has the phone of the first host, sam only Home Assistant. Ticks of 1 s, so that tests are short. */
  settings(change?: object): object;
  /** A directory with `lares.yaml`, for one database; removed at the end. */
  dir(change?: object): string;
  run(options: LaresOptions): LaresProcess;
  /** Ends every service that a test has left behind. */
  killAll(): Promise<void>;
  /** The newest value of a series of `home.presence.` in Graphite. */
  newest(series: string): Promise<number | undefined>;
  /** Resolves once the newest value is this one. */
  shows(series: string, value: number, timeoutMs?: number): Promise<void>;
  /** Puts the phone of a host onto the LAN, or takes it off. */
  phone(host: number, here: boolean): Promise<void>;
}

export async function startLab(): Promise<Lab> {
  const life = new AsyncDisposableStack();
  try {
    const lan = life.use(await realLan(2));
    life.defer(enterNetwork(lan.hub.name));
    const graphite = await startGraphite();
    life.defer(() => graphite.stop());
    const homeAssistant = await new HomeAssistantSim({ token: 'a-token-nobody-may-read' }).listen();
    life.defer(() => homeAssistant.close());
    homeAssistant.setState('person.sam', 'home');
    const settings = (change: object = {}) => ({
      metrics: { interval_seconds: 1 },
      wifi: { networks: [lan.network], scan_interval_seconds: 5, probe_interval_seconds: 2 },
      homeassistant: {
        url: homeAssistant.url,
        token: homeAssistant.token,
        poll_interval_seconds: 10,
      },
      graphite: { host: '127.0.0.1', port: graphite.port, render_url: graphite.renderUrl },
      presence: {
        policy: 'fixed',
        offline_grace_seconds: 6,
        people: [
          { person: 'alex', wifi_macs: [lan.hosts[0]!.mac] },
          { person: 'sam', homeassistant_entity: 'person.sam' },
        ],
      },
      ...change,
    });
    const newest = async (series: string) => {
      const name = `home.presence.${series}`;
      const shown = await graphite.points(name, Date.now() - 60_000, Date.now());
      return [...(shown.get(name) ?? [])].toSorted(([a], [b]) => a - b).at(-1)?.[1];
    };
    const houses: LaresProcess[] = [];
    const killAll = async () =>
      void (await Promise.all(houses.splice(0).map((house) => house.stop('SIGKILL'))));
    life.defer(killAll);
    const port = await freePort();
    return {
      lan,
      graphite,
      homeAssistant,
      settings,
      dir(change) {
        const { dir, remove } = scratch('process');
        life.defer(remove);
        mkdirSync(`${dir}/data`, { mode: 0o700 });
        writeSettings(dir, { http: { port }, ...settings(change) });
        return dir;
      },
      run(options) {
        const house = startLares(options);
        houses.push(house);
        return house;
      },
      killAll,
      newest,
      async shows(series, value, timeoutMs = 30_000) {
        let last: number | undefined;
        await until(
          async () => (last = await newest(series)) === value,
          () => `the newest ${series} in Graphite is ${String(last)}, not ${value}`,
          timeoutMs,
        );
      },
      phone: async (host, here) =>
        void (await lan.hosts[host]!.at.ip('link', 'set', 'eth0', here ? 'up' : 'down')),
      [Symbol.asyncDispose]: () => life.disposeAsync(),
    };
  } catch (error) {
    await life.disposeAsync();
    throw error;
  }
}

/** Processes below this one, by `pgrep`. */
export function childrenOf(pid: number): number[] {
  try {
    const found = execFileSync('pgrep', ['-P', String(pid)], { env: { PATH: systemPath }, encoding: 'utf8' });
    return found.trim().split('\n').map(Number);
  } catch {
    return [];
  }
}

/** False once a process has ended. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
