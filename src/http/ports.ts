import type { CctvPort, LiveHub, LivePort } from '#cctv/index.ts';
import type { ElectricityPort } from '#electricity/index.ts';
import type { GuardPort } from '#guard/index.ts';
import type { HouseEvent } from '#kernel/event.ts';
import type { Log } from '#kernel/driver.ts';
import type { HealthReport } from '#platform/health.ts';
import type { HouseStats } from '#platform/stats.ts';
import type { PresencePort } from '#presence/index.ts';
import type { MaintenanceBody } from './routes/maintenance.ts';
import type { EventQuery, ReadingLog } from '#store/model.ts';

/** What the demo house can do besides: make its simulated devices misbehave. */
export interface DemoPort {
  faulty(): readonly {
    readonly paths: readonly string[];
    readonly what: string;
    readonly faults: readonly string[];
  }[];
  /** For `ms` of real time. Says what shares the fault. Throws NOT_FOUND or USAGE. */
  fault(device: string, fault: string, ms: number): { readonly paths: readonly string[] };
}

/** What the server needs of the house; the app wires it. All instants are epoch ms. */
export interface HttpPorts {
  /** Wall clock of the house; in a sped-up demo it runs faster than the machine's. */
  now(): number;
  readonly log: Log;
  /** What a request must carry to make something happen; see `src/platform/token.ts`. */
  readonly token: string;
  readonly presence: PresencePort;
  readonly electricity: ElectricityPort;
  readonly cctv: CctvPort;
  readonly guard: GuardPort;
  /** Live pictures. */
  readonly live: { readonly port: Pick<LivePort, 'has'>; readonly hub: LiveHub };
  readonly events: {
    list(query: EventQuery): Promise<readonly HouseEvent[]>;
    /** Called for every new event. Returns a function that unsubscribes. */
    onEvent(listener: (event: HouseEvent) => void): () => void;
  };
  readonly readings: Pick<ReadingLog, 'chart' | 'series'>;
  readonly health: { report(): HealthReport };
  stats(): HouseStats;
  /** What wants doing every week, month and quarter. */
  maintenance(): Promise<readonly MaintenanceBody['items'][number][]>;
  /** The text of `/metrics`. */
  metrics(): string | Promise<string>;
  /** Only in the demo house. */
  readonly demo?: DemoPort | undefined;
}

export interface HttpOptions {
  /** A loopback address or `localhost`. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Milliseconds of real time between two signs of life on an idle stream; 15 s unless told. */
  readonly heartbeatMs?: number;
}
