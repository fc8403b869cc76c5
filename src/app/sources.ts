import { isDeepStrictEqual } from 'node:util';
import {
  lookupName,
  makeLanDriver,
  type LanScanner,
  type LanSignal,
  type OpenScanner,
  type ScannerOptions,
  type SweepResult,
} from '#devices/index.ts';
import type { DeviceRegistry } from '#devices/service.ts';
import type { ScannerStats } from '#platform/stats.ts';
import type { Health } from '#platform/health.ts';
import type { Supervisor } from '#platform/supervisor.ts';
import type { PresenceService } from '#presence/service.ts';
import { sourceDrivers } from '#presence/sources/index.ts';
import type { Store } from '#store/model.ts';
import type { HouseConfig } from './config.ts';

export interface SourceParts {
  readonly supervisor: Supervisor;
  readonly health: Health;
  readonly lan: DeviceRegistry;
  readonly presence: PresenceService;
  readonly store: Pick<Store, 'state'>;
  readonly openScanner: OpenScanner;
  /** Simulated devices name themselves; real ones are asked. */
  readonly simulated: boolean;
}

interface Sweeps {
  count: number;
  last: SweepResult;
}

/** Starts, restarts and stops the sources of presence as the settings ask, and only those whose settings changed. */
export class Sources {
  readonly #parts: SourceParts;
  readonly #running = new Map<string, unknown>();
  readonly #sweeps = new Map<string, Sweeps>();
  #scanner: Pick<LanScanner, 'method' | 'why'> | undefined;

  constructor(parts: SourceParts) {
    this.#parts = parts;
  }

  /** False while nobody watches the LAN, or when not even a router answers: silence then proves nothing. */
  lanWorks(): boolean {
    const sweeps = [...this.#sweeps.values()];
    const blind = sweeps.length > 0 && sweeps.every(({ last }) => last.found.length === 0);
    return this.#parts.health.get('wifi')?.state === 'ok' && !blind;
  }

  /** How each network is scanned, for health and metrics. */
  scanners(): ScannerStats[] {
    return [...this.#sweeps].map(([network, { count, last }]) => ({
      network,
      method: this.#scanner?.method ?? 'none',
      why: this.#scanner?.why ?? '',
      sweepsTotal: count,
      lastTookMs: last.tookMs,
      lastFound: new Set(last.found.map((s) => s.mac)).size,
      lastAt: last.at,
    }));
  }

  configure(config: HouseConfig): void {
    const { supervisor, presence, store } = this.#parts;
    const wifi = config.wifi === undefined || config.wifi.networks.length === 0 ? undefined : config.wifi;
    // What was found in networks that are no longer asked says nothing about now.
    if (wifi === undefined) this.#sweeps.clear();
    this.#apply('wifi', wifi, (settings) => {
      this.#sweeps.clear();
      const parts = {
        tracked: () => presence.tracked(),
        lookupName: this.#parts.simulated ? undefined : lookupName,
      };
      const driver = makeLanDriver((options) => this.#open(options), parts);
      supervisor.start('wifi', driver, settings, (signal) => this.#observed(signal));
    });
    this.#apply('homeassistant', homeassistantSettings(config), (settings) =>
      supervisor.start('homeassistant', sourceDrivers.homeassistant(), settings, (report) =>
        presence.report(report),
      ),
    );
    this.#apply('tado', tadoSettings(config), (settings) =>
      supervisor.start('tado', sourceDrivers.tado(store.state), settings, (report) =>
        presence.report(report),
      ),
    );
  }

  async #open(options: ScannerOptions): Promise<LanScanner> {
    const scanner = await this.#parts.openScanner(options);
    this.#scanner = scanner;
    return scanner;
  }

  #observed(signal: LanSignal): void {
    const { lan, presence } = this.#parts;
    lan.take(signal);
    if (signal.kind === 'sighting') presence.saw(signal.sighting);
    if (signal.kind !== 'sweep') return;
    const { result } = signal;
    this.#sweeps.set(result.network, {
      count: (this.#sweeps.get(result.network)?.count ?? 0) + 1,
      last: result,
    });
    for (const sighting of result.found) presence.saw(sighting);
  }

  #apply<T>(name: string, settings: T | undefined, start: (settings: T) => void): void {
    if (this.#running.has(name) && isDeepStrictEqual(this.#running.get(name), settings)) return;
    this.#running.set(name, settings);
    if (settings !== undefined) return start(settings);
    this.#parts.health.set(name, 'off', 'not configured');
    void this.#parts.supervisor.stop(name);
  }
}

/** The entities of all people, under the person whom they tell about; nothing when nobody has one. */
function homeassistantSettings({ homeassistant: settings, presence }: HouseConfig) {
  const entities = presence.people.flatMap((p) =>
    [
      ...(p.homeassistant_entity === undefined ? [] : [p.homeassistant_entity]),
      ...p.homeassistant_device_trackers,
    ].map((entity) => ({ person: p.person, entity })),
  );
  return settings === undefined || entities.length === 0 ? undefined : { ...settings, entities };
}

function tadoSettings({ presence }: HouseConfig) {
  const { enabled, poll_interval_seconds } = presence.tado;
  const devices = presence.people.flatMap((p) =>
    p.tado_device === undefined ? [] : [{ person: p.person, device: p.tado_device }],
  );
  return enabled ? { poll_interval_seconds, devices } : undefined;
}
