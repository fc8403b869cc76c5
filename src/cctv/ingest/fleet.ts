import type { Clock, Log } from '#kernel/driver.ts';
import { assign, isBusy, type Groups } from './assign.rules.ts';
import type { CameraPlan, Order, Signal } from './messages.ts';
import { Blame } from './blame.rules.ts';
import { Worker } from './worker.ts';

export interface FleetOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Cameras that share a process. Default 4: fewer cost memory, more are lost together. */
  readonly camerasPerProcess?: number;
  /** Bytes with which a process ends itself, because a camera floods it. Default: 512 MiB, and 256 MiB for each camera. */
  readonly mostMemory?: number;
}

export interface FleetSettings {
  /** Unix socket of the detector. */
  readonly detector?: string;
  /** IANA zone for folders by local day. */
  readonly timeZone: string;
}

const mib = 2 ** 20;
const watchMs = 500;
/** A watch that comes so late says that we were held up ourselves (a machine that slept, a process that was stopped). */
const heldUpMs = 2000;
/** Stats come each second: a process that is silent for this long hangs. */
const silentMs = 5000;
/** The first word takes longer: a slow machine loads libav. */
const startMs = 20_000;
const stopMs = 1800;
/** Longer than a reader tries to get a picture. */
const pictureMs = 12_000;

/** What was written or asked for counts, whoever reads the camera by now. */
const lasting: ReadonlySet<Signal['kind']> = new Set(['segment', 'picture']);

type OrderOf<Kind extends Order['kind']> = Extract<Order, { kind: Kind }>;

const unused = { worker: undefined, told: '', plans: new Map<string, string>() };

interface Slot {
  worker: Worker | undefined;
  cameras: readonly string[];
  /** Not before this, milliseconds that never jump: it died just now. */
  startAt: number;
  /** What it was told last: all of it, and of each camera. */
  told: string;
  plans: ReadonlyMap<string, string>;
}

/**
 * The processes that read the cameras: starts them, tells them what to do, starts them again when they die, and kills
 * those that hang. The core never loads libav.
 */
export class CameraFleet {
  readonly #options: FleetOptions;
  readonly #perProcess: number;
  readonly #listeners = new Set<(signal: Signal) => void>();
  readonly #slots = new Map<number, Slot>();
  readonly #blame = new Blame();
  #plans = new Map<string, CameraPlan>();
  #settings: FleetSettings = { timeZone: 'UTC' };
  /** What a process has to be told again when it starts anew. */
  readonly #watched = new Set<string>();
  readonly #events = new Map<string, Map<string, OrderOf<'event'>>>();
  /** Cameras of which a picture was asked, until when. */
  readonly #asked = new Map<string, number>();
  readonly #ending = new Set<Worker>();
  /** Cameras that nobody needs now, as was told. */
  #idle: ReadonlySet<string> = new Set();
  /** Cameras in an outage that was told. */
  readonly #lost = new Set<string>();
  /** What processes said of this machine. */
  readonly #said = new Set<string>();
  /** The life of `run`; undefined before and after. */
  #life: AbortSignal | undefined;
  #watchedAt = 0;
  /** When processes were last let off because we were held up; once, until they say something. */
  #letOffAt = Number.NEGATIVE_INFINITY;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#perProcess = options.camerasPerProcess ?? 4;
  }

  /** Called with everything that children say; `DECODER_DIED` comes from here. Returns the way to stop it. */
  onSignal(listener: (signal: Signal) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes other cameras or settings, also while it runs; only cameras whose plan differs connect anew. */
  configure(plans: readonly CameraPlan[], settings: FleetSettings): void {
    const before = this.#plans;
    this.#plans = new Map(plans.map((plan) => [plan.id, plan]));
    this.#settings = settings;
    const known = new Set(this.#plans.keys());
    for (const id of before.keys()) {
      if (known.has(id)) continue;
      this.#watched.delete(id);
      this.#events.delete(id);
      this.#asked.delete(id);
      this.#lost.delete(id);
    }
    this.#blame.keep(known);
    this.#arrange();
  }

  /** Passes an order to the process of its camera. What it is for ever (`watch`, `event`) survives a restart of that. */
  order(order: OrderOf<'event' | 'watch' | 'picture'>): void {
    const id = order.camera;
    if (!this.#plans.has(id)) return;
    const before = this.#workerOf(id);
    if (order.kind === 'watch' && order.on) this.#watched.add(id);
    if (order.kind === 'watch' && !order.on) this.#watched.delete(id);
    if (order.kind === 'event') this.#note(order);
    if (order.kind === 'picture') this.#asked.set(id, this.#options.clock.monotonic() + pictureMs);
    this.#arrange();
    const worker = this.#workerOf(id);
    // One that was started just now was told all but the question.
    if (worker === before || order.kind === 'picture') worker?.send(order);
  }

  /** Process ids of the readers, for measurements. */
  pids(): number[] {
    return [...this.#slots.values()].flatMap(({ worker }) => worker?.pid ?? []);
  }

  /** Runs until the signal aborts; when it resolves all processes have ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    this.#life = signal;
    this.#watchedAt = clock.monotonic();
    this.#arrange();
    while (!signal.aborted) {
      await clock.sleep(watchMs, signal);
      if (!signal.aborted) this.#watch();
    }
    this.#life = undefined;
    const workers = [...[...this.#slots.values()].flatMap(({ worker }) => worker ?? []), ...this.#ending];
    this.#slots.clear();
    await Promise.all(workers.map((worker) => this.#end(worker)));
  }

  #note(order: OrderOf<'event'>): void {
    const open = this.#events.get(order.camera) ?? new Map<string, OrderOf<'event'>>();
    if (order.open) open.set(order.event, order);
    else open.delete(order.event);
    this.#events.set(order.camera, open);
  }

  #workerOf(camera: string): Worker | undefined {
    return [...this.#slots.values()].find(({ cameras }) => cameras.includes(camera))?.worker;
  }

  /** Makes processes fit the cameras. */
  #arrange(): void {
    if (this.#life === undefined) return;
    const { clock } = this.#options;
    const now = clock.monotonic();
    for (const [id, until] of this.#asked) if (until < now) this.#asked.delete(id);
    const busy = [...this.#plans.values()]
      .filter((plan) => isBusy(plan) || this.#watched.has(plan.id) || this.#asked.has(plan.id))
      .map(({ id }) => id);
    const before: Groups = new Map([...this.#slots].map(([group, { cameras }]) => [group, cameras]));
    const groups = assign(before, busy, this.#blame.alone, this.#perProcess);
    const reads = new Set([...groups.values()].flat());
    for (const [group, slot] of this.#slots) {
      if (groups.has(group)) continue;
      this.#slots.delete(group);
      if (slot.worker !== undefined) void this.#end(slot.worker);
    }
    for (const [group, cameras] of groups) {
      const slot = this.#slots.get(group) ?? { ...unused, cameras, startAt: now };
      slot.cameras = cameras;
      this.#slots.set(group, slot);
      if (slot.worker === undefined) {
        if (slot.startAt <= now) this.#start(slot);
      } else this.#tell(slot, slot.worker);
    }
    const idle = [...this.#plans.keys()].filter((id) => !reads.has(id));
    const news = idle.filter((id) => !this.#idle.has(id));
    this.#idle = new Set(idle);
    // No process tells: the one that read it has left it, or ends.
    for (const camera of news)
      this.#hear({ kind: 'state', camera, at: clock.now(), state: 'off', detail: 'nobody watches it' });
  }

  /** What a process says of how a camera is counts only while it reads that camera: it may end, or have handed it on. */
  #isPresent(slot: Slot, worker: Worker, signal: Signal): boolean {
    if (signal.kind === 'ready' || signal.kind === 'log' || lasting.has(signal.kind)) return true;
    return slot.worker === worker && slot.cameras.includes(signal.camera) && this.#isKept(slot);
  }

  #isKept(slot: Slot): boolean {
    return [...this.#slots.values()].includes(slot);
  }

  #start(slot: Slot): void {
    const { clock } = this.#options;
    const cameras = this.#perProcess;
    const { mostMemory = 256 * mib * (2 + cameras) } = this.#options;
    const worker: Worker = new Worker(
      { cameras, mostMemory },
      () => clock.monotonic(),
      (signal) => this.#isPresent(slot, worker, signal) && this.#hear(signal),
    );
    Object.assign(slot, unused, { worker });
    void worker.ended.then(() => this.#died(slot, worker));
    this.#tell(slot, worker);
  }

  #tell(slot: Slot, worker: Worker): void {
    // Drivers of graphics units crash, too: who died again and again does without.
    const cameras = slot.cameras.map((id): CameraPlan => {
      const plan = this.#plans.get(id)!;
      return this.#blame.alone.has(id) ? { ...plan, hardware: 'off' } : plan;
    });
    const { detector, timeZone } = this.#settings;
    const order: Order = {
      kind: 'configure',
      cameras,
      timeZone,
      ...(detector !== undefined && { detector }),
    };
    const text = JSON.stringify(order);
    if (text === slot.told) return;
    const before = slot.plans;
    slot.told = text;
    slot.plans = new Map(cameras.map((plan) => [plan.id, JSON.stringify([plan, detector, timeZone])]));
    worker.send(order);
    for (const camera of slot.cameras) {
      // It was made anew, and knows nothing of what was said before.
      if (slot.plans.get(camera) === before.get(camera)) continue;
      if (this.#watched.has(camera)) worker.send({ kind: 'watch', camera, on: true });
      for (const event of this.#events.get(camera)?.values() ?? []) worker.send(event);
    }
  }

  #hear(signal: Signal): void {
    if ('camera' in signal && signal.camera !== undefined && !this.#plans.has(signal.camera)) return;
    if (signal.kind === 'log' && signal.once === true) {
      if (this.#said.has(signal.message)) return;
      this.#said.add(signal.message);
    }
    const told = signal.kind === 'state' ? this.#state(signal) : signal;
    if (told !== undefined) for (const listener of this.#listeners) listener(told);
  }

  /** An outage may outlive the process that told of it: the next one's first words are part of it, not a new one. */
  #state(signal: Extract<Signal, { kind: 'state' }>): Signal | undefined {
    const { camera } = signal;
    if (signal.state === 'down') {
      const known = this.#lost.has(camera);
      this.#lost.add(camera);
      if (!known) return signal;
      const { lost: _, ...again } = signal;
      return again;
    }
    if (signal.state === 'connecting' && this.#lost.has(camera)) return undefined;
    this.#lost.delete(camera);
    return signal;
  }

  #died(slot: Slot, worker: Worker): void {
    if (slot.worker !== worker) return;
    slot.worker = undefined;
    const life = this.#life;
    if (life === undefined || !this.#isKept(slot)) return;
    const { clock, log } = this.#options;
    const wait = this.#blame.died(slot.cameras, clock.monotonic());
    slot.startAt = clock.monotonic() + wait;
    const soft = slot.cameras.some(
      (id) => this.#blame.alone.has(id) && this.#plans.get(id)?.hardware !== 'off',
    );
    const how = soft ? ' and decodes by the processor from now on' : '';
    log.warn(`the process that reads ${slot.cameras.join(', ')} ended; it is started again${how}`, {
      wait_ms: wait,
    });
    for (const camera of slot.cameras)
      this.#hear({
        kind: 'state',
        camera,
        at: clock.now(),
        state: 'down',
        cause: 'DECODER_DIED',
        detail: 'the process that decodes it ended and is started again',
        lost: true,
      });
    void clock.sleep(wait, life).then(() => this.#arrange());
  }

  /** Kills processes that hang; starts those whose time has come. */
  #watch(): void {
    const now = this.#options.clock.monotonic();
    const heldUp = now - this.#watchedAt > heldUpMs;
    this.#watchedAt = now;
    for (const { worker, cameras } of this.#slots.values()) {
      // What they said meanwhile waits to be heard.
      if (heldUp && worker !== undefined && worker.heardAt > this.#letOffAt) worker.heardAt = now;
      if (worker === undefined || now - worker.heardAt < (worker.ready ? silentMs : startMs)) continue;
      this.#options.log.warn(`the process that reads ${cameras.join(', ')} hangs; it is killed`);
      worker.kill();
    }
    if (heldUp) this.#letOffAt = now;
    this.#arrange();
  }

  async #end(worker: Worker): Promise<void> {
    this.#ending.add(worker);
    worker.send({ kind: 'stop' });
    const over = new AbortController();
    await Promise.race([worker.ended, this.#options.clock.sleep(stopMs, over.signal)]);
    over.abort();
    worker.kill();
    await worker.ended;
    this.#ending.delete(worker);
  }
}
