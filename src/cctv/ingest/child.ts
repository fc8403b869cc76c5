import { HardwareContext } from 'node-av/api';
import { AV_LOG_QUIET, type FFHWDeviceType } from 'node-av/constants';
import { Log } from 'node-av/lib';
import { reason } from '#kernel/errors.ts';
import { systemClock } from '#platform/clock.ts';
import { DetectorClient } from '../detect/client.ts';
import { makeRecorder, type Recorder } from '../keep/recorder.ts';
import { makeLive } from '../live/remux.ts';
import { describeRtsp } from '../onvif/rtsp-client.ts';
import { Camera } from './camera.ts';
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

interface Entry {
  readonly camera: Camera;
  readonly link: DetectorClient | undefined;
  readonly recorder: Recorder | undefined;
  /** All that it was made from: another text means another camera. */
  readonly key: string;
}

class Child {
  readonly #cameras = new Map<string, Entry>();
  readonly #hardware = new Map<string, HardwareContext | undefined>();
  /** One change at a time: orders that come while cameras end wait for it. */
  #turn: Promise<void> = Promise.resolve();

  readonly #orders: { [Kind in Order['kind']]: (order: OrderOf<Kind>) => void | Promise<void> } = {
    configure: (order) => this.#configure(order),
    event: (order) => this.#cameras.get(order.camera)?.camera.event(order),
    watch: ({ camera, on }) => this.#cameras.get(camera)?.camera.watch(on),
    picture: ({ camera, request, width }) => this.#cameras.get(camera)?.camera.picture(request, width),
    stop: () => this.#stop(),
  };

  take(order: Order): void {
    const handle = this.#orders[order.kind] as (order: Order) => void | Promise<void>;
    this.#turn = this.#turn.then(() => handle(order));
  }

  get cameras(): string[] {
    return [...this.#cameras.keys()];
  }

  tick(): void {
    for (const { camera } of this.#cameras.values()) camera.tick();
  }

  async #configure({ cameras, detector, timeZone }: OrderOf<'configure'>): Promise<void> {
    const wanted = new Map(cameras.map((plan) => [plan.id, JSON.stringify([plan, detector, timeZone])]));
    const leaving = [...this.#cameras].filter(([id, { key }]) => wanted.get(id) !== key);
    for (const [id] of leaving) this.#cameras.delete(id);
    // Many cameras serve one or two viewers: an old connection ends before the new one begins.
    await Promise.all(leaving.map(([, entry]) => stopped(entry)));
    for (const plan of cameras)
      if (!this.#cameras.has(plan.id)) this.#begin(plan, wanted.get(plan.id)!, detector, timeZone);
  }

  #begin(plan: CameraPlan, key: string, detector: string | undefined, timeZone: string): void {
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
      hardware: () => this.#hardwareFor(plan),
      link,
      recorder,
      live: makeLive({ camera: plan.id, send }),
    });
    this.#cameras.set(plan.id, { camera, link, recorder, key });
    camera.start();
  }

  /** What decodes in hardware, if this machine has it: tried once, told once. */
  #hardwareFor({ hardware, id }: CameraPlan): HardwareContext | undefined {
    if (hardware === 'off') return undefined;
    if (!this.#hardware.has(hardware)) {
      const context = openHardware(hardware);
      this.#hardware.set(hardware, context);
      const found = context === undefined ? 'in software' : `by ${context.deviceTypeName}`;
      send({ kind: 'log', level: 'info', camera: id, message: `video is decoded ${found}` });
    }
    return this.#hardware.get(hardware);
  }

  async #stop(): Promise<void> {
    const all = [...this.#cameras.values()];
    this.#cameras.clear();
    await Promise.all(all.map(stopped));
    die();
  }
}

/** Resolves when a camera has ended, or when it takes too long to. */
async function stopped({ camera, link, recorder }: Entry): Promise<void> {
  const over = new AbortController();
  const end = async () => {
    await camera.stop();
    await recorder?.end();
  };
  await Promise.race([end(), systemClock.sleep(stopMs, over.signal)]);
  over.abort();
  link?.close();
}

function openHardware(name: string): HardwareContext | undefined {
  try {
    const context = name === 'auto' ? HardwareContext.auto() : HardwareContext.create(name as FFHWDeviceType);
    return context ?? undefined;
  } catch {
    return undefined;
  }
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
