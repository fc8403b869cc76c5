import type { HouseEvent } from '#kernel/event.ts';
import { Health } from '#platform/health.ts';
import { silent } from '#platform/log.ts';
import { processStats, type HouseStats } from '#platform/stats.ts';
import {
  staysOf,
  type OwnedDevice,
  type PersonView,
  type PresenceView,
  type Suggestion,
} from '#presence/index.ts';
import type { ChartPoint, EventQuery } from '#store/model.ts';
import type { HttpPorts } from './ports.ts';
import { SimCctv, SimGuard, simLive } from './sim-cctv.ts';
import { SimElectricity } from './sim-electricity.ts';

/** A person as a test wants them; away and never seen unless told. */
export function simPerson(person: string, over: Partial<PersonView> = {}): PersonView {
  return {
    person,
    name: `${person.charAt(0).toUpperCase()}${person.slice(1)}`,
    state: 'away',
    probability: 0.03,
    since: undefined,
    lastSeen: undefined,
    from: { wifi: 0, homeassistant: 0, tado: 0 },
    evidence: [],
    conflict: undefined,
    ...over,
  };
}

/** A house in memory behind the real server: everything that the routes ask for, changed by the methods of this class. */
export class SimHouse implements HttpPorts {
  readonly log = silent;
  readonly token = 'sim-token-sim-token-sim-token-sim-token-123';
  readonly health: Health;
  readonly electricity = new SimElectricity(() => this.at);
  readonly cctv = new SimCctv(() => this.at);
  readonly guard = new SimGuard(() => this.at);
  readonly live: HttpPorts['live'] = simLive();
  readonly charts = new Map<string, ChartPoint[]>();
  people: PersonView[] = [];
  deviceRows: OwnedDevice[] = [];
  proposals: Suggestion[] = [];
  guests = 0;
  sinks: HouseStats['sinks'] = [];
  scanners: HouseStats['scanners'] = [];
  tasks: Awaited<ReturnType<HttpPorts['maintenance']>> = [];
  metricsText = 'lares_up 1\n';
  at: number;
  readonly #journal: HouseEvent[] = [];
  readonly #presence = new Set<(view: PresenceView) => void>();
  readonly #events = new Set<(event: HouseEvent) => void>();

  constructor(at: number) {
    this.at = at;
    this.health = new Health({ now: () => this.at });
  }

  now(): number {
    return this.at;
  }

  readonly presence: HttpPorts['presence'] = {
    view: () => this.view(),
    why: async (person, limit) => this.#about(`person:${person}`).toReversed().slice(0, limit),
    history: async (person, from, to) =>
      this.people
        .filter((p) => person === undefined || p.person === person)
        .flatMap((p) => staysOf(p, this.#about(`person:${p.person}`), from, to)),
    devices: async () => this.deviceRows,
    suggestions: async () => this.proposals,
    onChange: (listener) => {
      this.#presence.add(listener);
      return () => this.#presence.delete(listener);
    },
  };

  readonly events: HttpPorts['events'] = {
    list: async (query: EventQuery) => this.#list(query),
    onEvent: (listener) => {
      this.#events.add(listener);
      return () => this.#events.delete(listener);
    },
  };

  readonly readings: HttpPorts['readings'] = {
    chart: async (series) => this.charts.get(series) ?? [],
    series: async () => [...this.charts.keys()],
  };

  stats(): HouseStats {
    return {
      version: '0.1.0',
      startedAt: this.at - 60_000,
      process: processStats(),
      tick: {
        intervalSeconds: 5,
        count: 12,
        missed: 0,
        jitterP50Ms: 1,
        jitterP99Ms: 3,
        jitterMaxMs: 4,
        lastAt: this.at,
      },
      sinks: this.sinks,
      scanners: this.scanners,
      store: { kind: 'sqlite', sizeBytes: 4096, recovered: undefined },
      logLines: { info: 3, error: 0 },
    };
  }

  async maintenance() {
    return this.tasks;
  }

  metrics(): string {
    return this.metricsText;
  }

  view(): PresenceView {
    return {
      at: this.at,
      people: this.people,
      countHome: this.people.filter((p) => p.state === 'home').length,
      devicesPresent: this.deviceRows.filter((d) => d.present).length,
      guests: this.guests,
    };
  }

  /** How many listeners the server holds; none may be left after it closed. */
  get listeners(): number {
    return this.#presence.size + this.#events.size;
  }

  /** Keeps an event and announces it. */
  happened(event: Omit<HouseEvent, 'id'>): void {
    const kept = { id: String(this.#journal.length + 1), ...event };
    this.#journal.push(kept);
    for (const listener of this.#events) listener(kept);
  }

  /** Changes one person, as a transition does. */
  change(person: string, over: Partial<PersonView>): void {
    const before = this.people.find((p) => p.person === person);
    this.people = this.people.map((p) => (p.person === person ? { ...p, ...over } : p));
    const after = this.people.find((p) => p.person === person);
    if (before !== undefined && after !== undefined && before.state !== after.state)
      this.happened({
        at: this.at,
        kind: after.state === 'home' ? 'presence.arrived' : 'presence.left',
        subject: `person:${person}`,
        cause: 'fusion',
        evidence: after.evidence,
        data: { from: before.state, to: after.state },
      });
    for (const listener of this.#presence) listener(this.view());
  }

  #about(subject: string): HouseEvent[] {
    return this.#journal.filter((event) => event.subject === subject);
  }

  #list({ kinds, subject, from = 0, to = Infinity, limit = 100, order = 'desc' }: EventQuery): HouseEvent[] {
    const wanted = (kind: string) =>
      kinds === undefined ||
      kinds.some((k) => (k.endsWith('*') ? kind.startsWith(k.slice(0, -1)) : kind === k));
    const found = this.#journal.filter(
      (e) => wanted(e.kind) && (subject === undefined || e.subject === subject) && e.at >= from && e.at < to,
    );
    return (order === 'desc' ? found.toReversed() : found).slice(0, limit);
  }
}
