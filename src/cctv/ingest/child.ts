import { AV_LOG_QUIET } from 'node-av/constants';
import { Log } from 'node-av/lib';
import { reason } from '#kernel/errors.ts';
import { systemClock } from '#platform/clock.ts';
import { DetectorClient } from '../detect/client.ts';
import { makeRecorder, type Recorder } from '../keep/recorder.ts';
import { makeLive } from '../live/remux.ts';
import { describeRtsp } from '../onvif/rtsp-client.ts';
import { Camera } from './camera.ts';
import { openHardware, type Found } from './hardware.ts';
import type { CameraPlan, Order, Signal } from './messages.ts';

/**
 * The process that reads cameras. Forked by `CameraFleet`; does what it is told over its channel and ends with it. libav
 * runs here and not in the core, because what it is fed comes from outside and a fault in it ends the process.
 */

type OrderOf<Kind extends Order['kind']> = Extract<Order, { kind: Kind }>;

const statsMs = 1000;
const parentMs = 500;
const memoryMs = 100;
const stopMs = 1500;

const send = (signal: Signal) => {
  if (process.connected) process.send?.(signal);
};

/** Ends at once: what native code still does must not keep the process. */
const die = () => process.exit(0);

interface Parts {
  readonly camera: Camera;
  readonly link: DetectorClient | undefined;
  readonly recorder: Recorder | undefined;
}

interface Entry {
  /** All that it is made from: another text means another camera. */
  readonly key: string;
  /** Undefined when its settings had changed again before its turn came. */
  readonly ready: Promise<Parts | undefined>;
  parts: Parts | undefined;
}

class Child {
  readonly #cameras = new Map<string, Entry>();
  /** Cameras whose connections end at this moment. */
  readonly #ending = new Set<Promise<void>>();
  #hardware: Found | undefined;

  readonly #orders: { [Kind in Order['kind']]: (order: OrderOf<Kind>) => void } = {
    configure: (order) => this.#configure(order),
    event: (order) => this.#tell(order.camera, (camera) => camera.event(order)),
    watch: ({ camera: id, on }) => this.#tell(id, (camera) => camera.watch(on)),
    picture: ({ camera: id, request, width }) => this.#tell(id, (camera) => camera.picture(request, width)),
    stop: () => void this.#stop(),
  };

  take(order: Order): void {
    const handle = this.#orders[order.kind] as (order: Order) => void;
    handle(order);
  }

  get cameras(): string[] {
    return [...this.#cameras.keys()];
  }

  tick(): void {
    for (const { parts } of this.#cameras.values()) parts?.camera.tick();
  }

  /** In the order in which it was said, also while the camera waits for its turn. */
  #tell(id: string, say: (camera: Camera) => void): void {
    void this.#cameras.get(id)?.ready.then((parts) => parts && say(parts.camera));
  }

  #configure({ cameras, detector, timeZone }: OrderOf<'configure'>): void {
    const wanted = new Map(cameras.map((plan) => [plan.id, JSON.stringify([plan, detector, timeZone])]));
    for (const [id, { key }] of this.#cameras) if (wanted.get(id) !== key) this.#leave(id);
    for (const plan of cameras)
      if (!this.#cameras.has(plan.id)) this.#enter(plan, wanted.get(plan.id)!, detector, timeZone);
  }

  #leave(id: string): void {
    const { ready } = this.#cameras.get(id)!;
    this.#cameras.delete(id);
    const ended = ready.then((parts) => parts && stopped(parts));
    this.#ending.add(ended);
    void ended.then(() => this.#ending.delete(ended));
  }

  #enter(plan: CameraPlan, key: string, detector: string | undefined, timeZone: string): void {
    // Many cameras serve one or two viewers: an old connection ends before the new one begins.
    const free = Promise.all(this.#ending);
    const entry: Entry = {
      key,
      parts: undefined,
      ready: free.then(() => {
        if (this.#cameras.get(plan.id) === entry) entry.parts = this.#begin(plan, detector, timeZone);
        return entry.parts;
      }),
    };
    this.#cameras.set(plan.id, entry);
  }

  #begin(plan: CameraPlan, detector: string | undefined, timeZone: string): Parts {
    const link =
      detector === undefined || !plan.detect
        ? undefined
        : new DetectorClient({ path: detector, camera: plan.id });
    const recorder =
      plan.record.mode === 'off'
        ? undefined
        : makeRecorder({ plan: plan.record, camera: plan.id, timeZone, send, clock: systemClock });
    const camera = new Camera(plan, {
      clock: systemClock,
      random: Math.random,
      send,
      describe: describeRtsp,
      hardware: () => (plan.hardware === 'off' ? undefined : this.#openHardware()),
      link,
      recorder,
      live: makeLive({ camera: plan.id, send }),
    });
    camera.start();
    return { camera, link, recorder };
  }

  /** What decodes in hardware, if this machine has it: tried once, told once. */
  #openHardware(): Found['context'] {
    if (this.#hardware === undefined) {
      this.#hardware = openHardware();
      const { level, message } = this.#hardware;
      send({ kind: 'log', level, message, once: true });
    }
    return this.#hardware.context;
  }

  async #stop(): Promise<void> {
    for (const id of this.cameras) this.#leave(id);
    await Promise.all(this.#ending);
    die();
  }
}

/** Resolves when a camera has ended, or when it takes too long to. */
async function stopped({ camera, link, recorder }: Parts): Promise<void> {
  const over = new AbortController();
  const end = async () => {
    await camera.stop();
    await recorder?.end();
  };
  await Promise.race([end(), systemClock.sleep(stopMs, over.signal)]);
  over.abort();
  link?.close();
}

function endWhenFlooded(): void {
  const bytes = process.memoryUsage.rss();
  if (!(bytes > mostMemory)) return;
  const message = `the process of ${child.cameras.join(', ')} grew to ${Math.round(bytes / 2 ** 20)} MiB, as when a camera sends one endless picture; it ends`;
  send({ kind: 'log', level: 'warn', message });
  // `exit` would wait for the read that fills the memory.
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), 50);
}

process.title = 'lares-cameras';
if (!process.connected) process.exit(64);
// libav prints addresses with their passwords.
Log.setLevel(AV_LOG_QUIET);

const child = new Child();
const parent = process.ppid;
setInterval(() => child.tick(), statsMs);
// A parent that was killed closes the channel; one whose channel somebody else holds is found by its id.
setInterval(() => process.ppid !== parent && die(), parentMs);
// libav takes a picture of any length; one camera must not take the memory of the house.
const mostMemory = Number(process.argv[2]);
setInterval(endWhenFlooded, memoryMs);
process.on('disconnect', die);
// A terminal sends these to the whole group; the core ends its children in its own order.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
process.on('uncaughtException', (error) => {
  send({
    kind: 'log',
    level: 'error',
    code: 'INTERNAL',
    message: `the camera reader failed: ${reason(error)}`,
  });
  setTimeout(() => process.exit(1), 50);
});
process.on('message', (order: Order) => child.take(order));
send({ kind: 'ready' });
