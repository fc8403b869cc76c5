import type { Bus } from '#kernel/bus.ts';
import type { Clock, Log } from '#kernel/driver.ts';
import type { LanDevice } from '#devices/model.ts';
import type { Store } from '#store/model.ts';
import type { ReportSource } from './model.ts';

/** The LAN as presence needs it; `DeviceRegistry` is one. */
export interface Lan {
  devices(): readonly LanDevice[];
  /** Devices with proof of life within the last `withinMs`. */
  present(withinMs: number): readonly LanDevice[];
  get(mac: string): LanDevice | undefined;
}

export interface PresenceParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly bus: Bus;
  readonly store: Pick<Store, 'journal' | 'state'>;
  readonly lan: Lan;
  /** False while no scanner watches the LAN: silence then proves nothing. */
  readonly lanWorks: () => boolean;
  /** Local hour of day of an instant, in the home's time zone. */
  readonly hourOf: (at: number) => number;
  readonly scanIntervalMs: () => number;
  /** How long a report of each source is believed when it goes quiet. */
  readonly reportTtlMs: () => Readonly<Record<ReportSource, number>>;
}
