import { isRandomised } from '#devices/mac.ts';
import type { LanDevice, LanSighting } from '#devices/model.ts';
import { Bus } from '#kernel/bus.ts';
import { ManualClock } from '#platform/clock.ts';
import { Logger, silent } from '#platform/log.ts';
import { openStore } from '#store/index.ts';
import { scratch } from '../../tests/servers/process.ts';
import { presenceConfig } from './config.ts';
import type { Lan } from './service.model.ts';
import { PresenceService } from './service.ts';

export const noon = Date.UTC(2026, 10, 21, 12);
export const phones = { alex: '02:00:00:00:00:01', sam: '02:00:00:00:00:02' };
/** The settings of a house of two, of whom each has a phone. */
export const parse = (over: object = {}) =>
  presenceConfig.parse({
    people: [
      { person: 'alex', wifi_macs: [phones.alex] },
      { person: 'sam', wifi_macs: [phones.sam], wifi_hostnames: ['sams-*'] },
    ],
    ...over,
  });

/** A LAN whose devices a test lets appear; the registry of a real house keeps the same rows. */
class TestLan implements Lan {
  readonly rows = new Map<string, LanDevice>();
  readonly clock: ManualClock;
  constructor(clock: ManualClock) {
    this.clock = clock;
  }
  see(mac: string, over: Partial<LanDevice> = {}): LanSighting {
    const at = this.clock.now();
    const before = this.rows.get(mac);
    const row: LanDevice = {
      mac,
      ip: '10.0.0.9',
      network: '10.0.0.0/24',
      hostname: undefined,
      vendor: undefined,
      randomised: isRandomised(mac),
      dhcpFingerprint: undefined,
      dhcpVendorClass: undefined,
      ipv6Suffix: undefined,
      firstSeen: at,
      lastVia: 'arp-reply',
      ...before,
      lastSeen: at,
      ...over,
    };
    this.rows.set(mac, row);
    const { hostname } = row;
    return {
      mac,
      ip: row.ip,
      at,
      via: 'arp-reply',
      network: row.network,
      ...(hostname === undefined ? {} : { hostname }),
    };
  }
  devices = () => [...this.rows.values()];
  get = (mac: string) => this.rows.get(mac);
  present = (withinMs: number) => this.devices().filter((d) => this.clock.now() - d.lastSeen <= withinMs);
}

export type PresenceHouse = Awaited<ReturnType<typeof presenceHouse>>;

/** A house with a database, a LAN and a clock of its own; services of it follow one another as its restarts do. */
export async function presenceHouse() {
  const { dir, remove } = scratch('presence');
  const clock = new ManualClock(noon);
  const lan = new TestLan(clock);
  const lines: string[] = [];
  const scanner = { works: true };
  const bus = new Bus((error) => {
    throw error;
  });
  const store = await openStore({ dataDir: dir, clock, log: silent, bus, migrations: [] });
  const log = new Logger({
    write: (line) => lines.push(line.split('|').at(-1) ?? ''),
    now: () => clock.now(),
  });

  async function serviceOf(config = parse()): Promise<PresenceService> {
    const service = new PresenceService(config, {
      clock,
      log,
      bus,
      store,
      lan,
      lanWorks: () => scanner.works,
      hourOf: (at) => new Date(at).getUTCHours(),
      scanIntervalMs: () => 30_000,
      reportTtlMs: () => ({ homeassistant: 600_000, tado: 2_700_000 }),
    });
    await service.start();
    return service;
  }

  /** Lets time pass in 5 s ticks, judging at each as the house does; phones in `present` answer at every tick. */
  async function pass(service: PresenceService, seconds: number, present: string[] = []): Promise<void> {
    for (let s = 0; s < seconds; s += 5) {
      await clock.advance(5_000);
      for (const mac of present) service.saw(lan.see(mac));
      service.view();
      await service.maintain();
    }
    await service.flushed();
  }

  const close = async () => {
    await store.close();
    remove();
  };
  return { clock, lan, lines, scanner, bus, store, serviceOf, pass, close };
}

/** What the house believes of each, in the order of the settings. */
export const states = (service: PresenceService) => service.view().people.map((p) => p.state);
