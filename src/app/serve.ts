import type { Bus } from '#kernel/bus.ts';
import type { Clock } from '#kernel/driver.ts';
import type { DeviceRegistry } from '#devices/index.ts';
import { electricityPort } from '#electricity/index.ts';
import { serve, type DemoPort, type RunningServer } from '#http/index.ts';
import { families, renderPrometheus } from '#metrics/index.ts';
import { areasOf, maintenance, toMaintenanceBody } from '#ops/maintenance.ts';
import type { Health } from '#platform/health.ts';
import type { Logger } from '#platform/log.ts';
import type { HouseStats } from '#platform/stats.ts';
import { ensureToken } from '#platform/token.ts';
import { presencePort } from '#presence/index.ts';
import type { PresenceService } from '#presence/service.ts';
import type { Store } from '#store/model.ts';
import type { Cameras } from './cctv/cameras.ts';
import type { HouseConfig } from './config.ts';
import type { Electricity } from './electricity.ts';

export interface ServedHouse {
  /** The settings as they are now; the address is that of the start. */
  readonly config: () => HouseConfig;
  readonly demo: DemoPort | undefined;
  readonly dataDir: string;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Logger;
  readonly bus: Bus;
  readonly store: Store;
  readonly health: Health;
  readonly lan: DeviceRegistry;
  readonly presence: PresenceService;
  /** How long a device counts as present after it answered, milliseconds. */
  readonly presentMs: () => number;
  readonly electricity: Electricity;
  readonly cameras: Cameras;
  readonly stats: () => HouseStats;
}

/** Opens the page, the API and the metrics of a house. Throws CONFIG_INVALID for a taken port, PERMISSION_MISSING for one that the system refuses. */
export function serveHouse(house: ServedHouse): Promise<RunningServer> {
  const { config, clock, log, bus, store, health, lan, presence, electricity, cameras, stats } = house;
  return serve(
    {
      now: () => clock.now(),
      demo: house.demo,
      log: log.child('http'),
      token: ensureToken(house.dataDir),
      presence: presencePort({
        service: presence,
        lan,
        presentMs: house.presentMs,
        journal: store.journal,
      }),
      electricity: electricityPort({
        service: electricity.service,
        ledger: electricity.ledger,
        spending: electricity.spending,
        readings: store.readings,
        journal: store.journal,
        prefix: () => config().electricity.prefix,
        insight: () => electricity.insight.report(clock.now()),
        ingest: (request) => electricity.ingest(request),
        cheapest: (durationMs, withinMs) => electricity.cheapest(durationMs, withinMs),
      }),
      cctv: cameras.cctvPort(),
      guard: cameras.guardPort(),
      live: { port: cameras.livePort(), hub: cameras.live },
      events: {
        list: (query) => store.journal.list(query),
        onEvent: (listener) => bus.on('event', listener),
      },
      readings: store.readings,
      health,
      stats,
      maintenance: async () =>
        (await maintenance(store.state, clock.now(), areasOf(config()))).map(toMaintenanceBody),
      metrics: () =>
        renderPrometheus(
          families({
            stats: stats(),
            components: health.report().components,
            presence: presence.view(),
            electricity: electricity.service.view(),
            cctv: cameras.view(),
            alerts: cameras.guardPort().channels(),
          }),
        ),
    },
    config().http,
  );
}
