import type { HardwareContext } from 'node-av/api';
import type { Frame } from 'node-av/lib';
import type { Clock } from '#kernel/driver.ts';
import type { Role, StreamInfo } from '../model.ts';
import type { Describe } from './attempt.ts';
import { Connection, type Counts } from './connection.ts';
import { Looker, type DetectorLink } from './look.ts';
import type { CameraPlan, Order, Signal } from './messages.ts';
import { Meter } from './meter.ts';
import { Outage, together, type Status } from './outage.rules.ts';
import { urlFor, wantedStreams } from './streams.rules.ts';
import type { Tap } from './tap.ts';

/** What a camera is built from beside its plan. */
export interface CameraParts {
  readonly clock: Clock;
  readonly random: () => number;
  readonly send: (signal: Signal) => void;
  readonly describe: Describe;
  readonly hardware: () => HardwareContext | undefined;
  readonly link: DetectorLink | undefined;
  /** Writes video to files; undefined when nothing is recorded. */
  readonly recorder: (Tap & { event(id: string, open: boolean, at: number): void }) | undefined;
  /** Remuxes for browsers. */
  readonly live: Tap & { watch(on: boolean): void };
}

interface Running {
  readonly connection: Connection;
  readonly stop: AbortController;
  done: Promise<void>;
  status: Status;
  roles: ReadonlySet<Role>;
  told: Map<Role, string>;
  info: StreamInfo | undefined;
}

interface Request {
  readonly request: number;
  readonly width: number | undefined;
  readonly until: number;
}

/** How long somebody who asks for a picture waits at most: a keyframe interval and a connection. */
const pictureMs = 10_000;

/** One camera: its connections as they are needed, its taps, and what looks at its frames. */
export class Camera {
  readonly plan: CameraPlan;
  readonly #parts: CameraParts;
  readonly #meter: Meter;
  readonly #looker: Looker;
  readonly #outage = new Outage();
  readonly #running = new Map<string, Running>();
  readonly #counts: Counts = { frames: 0, decodeErrors: 0, bytes: 0 };
  #requests: Request[] = [];
  #watched = false;
  #reconnects = 0;
  #closed = false;

  constructor(plan: CameraPlan, parts: CameraParts) {
    this.plan = plan;
    this.#parts = parts;
    this.#meter = new Meter(parts.clock.monotonic());
    const { clock, send } = parts;
    this.#looker = new Looker({ plan, clock, send, link: () => parts.link, meter: this.#meter });
  }

  start(): void {
    this.#arrange();
    this.#status();
  }

  watch(on: boolean): void {
    this.#watched = on;
    this.#parts.live.watch(on);
    this.#arrange();
  }

  event({ event, open, at }: Extract<Order, { kind: 'event' }>): void {
    this.#parts.recorder?.event(event, open, at);
  }

  picture(request: number, width: number | undefined): void {
    const until = this.#parts.clock.monotonic() + pictureMs;
    this.#requests.push({ request, width, until });
    this.#arrange();
  }

  /** To be called each second. */
  tick(): void {
    const { clock, send } = this.#parts;
    const now = clock.monotonic();
    this.#looker.tick(clock.now());
    const waiting = this.#requests.length;
    this.#requests = this.#requests.filter((r) => r.until > now);
    if (this.#requests.length !== waiting) this.#arrange();
    const stats = this.#meter.stats(now, this.#counts, this.#reconnects);
    send({ kind: 'stats', camera: this.plan.id, at: clock.now(), stats });
  }

  /** Ends all connections; taps are closed when it resolves. */
  async stop(): Promise<void> {
    this.#closed = true;
    const all = [...this.#running.values()];
    for (const { stop } of all) stop.abort();
    await Promise.all(all.map(({ done }) => done));
    this.#looker.close();
  }

  /** Opens and closes connections so that what is wanted is open, and nothing else. */
  #arrange(): void {
    if (this.#closed) return;
    const demand = { watched: this.#watched, picture: this.#requests.length > 0 };
    const wanted = wantedStreams(this.plan, demand);
    for (const [url, running] of this.#running) if (!wanted.has(url)) this.#end(url, running);
    for (const [url, { roles, decode }] of wanted) {
      const running = this.#running.get(url) ?? this.#begin(url);
      running.roles = roles;
      running.connection.decodes = decode;
      this.#tap(running.connection, this.#parts.recorder, roles.has('record'));
      // Kept ready on a connection that is open anyway: a viewer then starts at once.
      const shared = url === urlFor(this.plan.urls, 'live');
      this.#tap(running.connection, this.#parts.live, roles.has('live') || (shared && roles.size > 0));
      this.#tellInfo(running);
    }
  }

  #tap(connection: Connection, tap: Tap | undefined, on: boolean): void {
    if (tap === undefined) return;
    if (on) connection.taps.add(tap);
    else connection.taps.remove(tap);
  }

  #begin(url: string): Running {
    const { clock, random, describe, hardware } = this.#parts;
    const { transport } = this.plan;
    const connection = new Connection(
      { url, transport, clock, random, describe, hardware, counts: this.#counts },
      {
        status: (status) => {
          running.status = status;
          this.#status();
        },
        warn: (message) => this.#parts.send({ kind: 'log', level: 'warn', camera: this.plan.id, message }),
        info: (info) => {
          running.info = info;
          this.#tellInfo(running);
        },
        resized: (width, height) => running.roles.has('detect') && this.#looker.resized(width, height),
        frame: (pixels, at) => this.#frame(running, pixels, at),
      },
    );
    const stop = new AbortController();
    const running: Running = {
      connection,
      stop,
      done: Promise.resolve(),
      status: { state: 'connecting' },
      roles: new Set(),
      told: new Map(),
      info: undefined,
    };
    this.#running.set(url, running);
    // After the caller has said what it is for.
    queueMicrotask(() => {
      running.done = connection.run(stop.signal);
    });
    return running;
  }

  #end(url: string, running: Running): void {
    this.#running.delete(url);
    running.stop.abort();
    this.#status();
  }

  #frame(running: Running, pixels: () => Frame, at: number): void {
    if (running.roles.has('detect')) this.#looker.frame(pixels, at);
    const requests = this.#requests;
    if (requests.length === 0) return;
    const frame = pixels();
    this.#requests = [];
    for (const { request, width } of requests) this.#looker.picture(frame, at, request, width);
    // The connection must not end within its own call.
    queueMicrotask(() => this.#arrange());
  }

  #tellInfo(running: Running): void {
    const { info, roles, told } = running;
    if (info === undefined) return;
    const text = JSON.stringify(info);
    for (const role of roles) {
      if (told.get(role) === text) continue;
      told.set(role, text);
      this.#parts.send({ kind: 'stream', camera: this.plan.id, role, info });
    }
  }

  #status(): void {
    if (this.#closed) return;
    const all = [...this.#running.values()];
    // Who only watches or asks for a picture does not make a camera up or down.
    const needed = all.filter(({ roles }) => roles.has('detect') || roles.has('record'));
    const named = (needed.length === 0 ? all : needed).map(({ status, roles }) =>
      status.state === 'down' && needed.length > 1
        ? { ...status, detail: `${[...roles].join(' and ')}: ${status.detail ?? ''}` }
        : status,
    );
    const signal = this.#outage.next(together(named));
    if (signal === undefined) return;
    if (signal.lost === true) this.#reconnects += 1;
    this.#parts.send({ kind: 'state', camera: this.plan.id, at: this.#parts.clock.now(), ...signal });
  }
}
