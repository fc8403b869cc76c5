import type { Clock, Log } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import type { Answer, Poll, Station, Trouble } from '../../driver.ts';
import { Link } from './client.ts';
import { Refusal, type Framing, type ReadRequest } from './codec.ts';
import { addressOf, stationOf, type BusSettings } from './config.ts';
import { dialOf, quietMs } from './dial.ts';
import { Meter } from './meter.ts';
import { loadTemplate } from './templates.ts';

// A meter that is switched off must not cost the others a time-out at every poll.
const longestRestMs = 300_000;
const forgetFramingAfter = 5;

/** What auto-detection found, for as long as these settings live: a new connection need not find it again. */
const framings = new WeakMap<BusSettings, Framing>();

export interface BusIo {
  readonly clock: Clock;
  readonly log: Log;
  /** Between two polls, as the fleet does it. */
  readonly intervalMs: number;
  /** For one whole poll. */
  readonly timeoutMs: number;
}

/** One bus as a station: its meters are asked one after another over one connection. */
export class Bus implements Station {
  readonly #bus: BusSettings;
  readonly #io: BusIo;
  readonly #station: string;
  #meters: Meter[] | undefined;
  #link: Link | undefined;
  #failedPolls = 0;

  constructor(bus: BusSettings, io: BusIo) {
    this.#bus = bus;
    this.#io = io;
    this.#station = stationOf(bus);
  }

  close(): void {
    this.#link?.close();
  }

  /**
   * Asks every meter that is due. One that fails is a trouble of its own and is left alone for a while, twice as long
   * each time; throws only when no meter of the bus works.
   */
  async poll(signal: AbortSignal): Promise<Poll> {
    const { clock, timeoutMs } = this.#io;
    this.#meters ??= this.#bus.units.map((unit) => new Meter(this.#bus, unit, loadTemplate(unit.template)));
    const answers: Answer[] = [];
    const troubles: Trouble[] = [];
    // The rest of the limit is for the poll to end by itself: what was read so far would be lost.
    const endBy = performance.now() + timeoutMs * 0.9;
    const remaining = () => endBy - performance.now();
    const left = () => Math.max(1, Math.min(this.#bus.reply_timeout_seconds * 1000, remaining()));
    let firstError: LaresError | undefined;
    for (const meter of this.#due(this.#meters)) {
      if (remaining() < timeoutMs * 0.05) break;
      meter.triedAt = clock.monotonic();
      try {
        answers.push(...(await this.#read(meter, left, signal)));
        meter.failures = 0;
      } catch (error) {
        if (signal.aborted) throw error;
        // Nobody can be reached, so asking for the next one would only meet the same trouble.
        if (error instanceof NoConnection) throw error.cause;
        meter.failures += 1;
        const trouble = asTrouble(error, meter);
        firstError ??= trouble;
        for (const id of meter.ids) troubles.push({ id, address: meter.address, error: trouble });
      }
    }
    if (firstError !== undefined && this.#meters.every((m) => m.failures > 0)) {
      this.#failedPolls += 1;
      if (this.#failedPolls >= forgetFramingAfter) framings.delete(this.#bus);
      this.close();
      throw firstError;
    }
    this.#failedPolls = 0;
    return { station: this.#station, answers, troubles };
  }

  /** The meters whose turn it is: those that work first, then those that have waited longest. */
  #due(meters: readonly Meter[]): Meter[] {
    const { clock, intervalMs } = this.#io;
    const now = clock.monotonic();
    const due = meters.filter((meter) => {
      const own = Math.max(meter.intervalMs ?? 0, intervalMs);
      if (meter.failures === 0 && own === intervalMs) return true;
      const rest = Math.min(Math.max(own, longestRestMs), own * 2 ** meter.failures);
      // Polls come a little early or late; half an interval tells the turns apart.
      return now - meter.triedAt >= rest - intervalMs / 2;
    });
    const allFail = meters.every((meter) => meter.failures > 0);
    // The fleet already lets a bus rest on which nobody answers.
    const chosen = due.length === 0 && allFail ? meters : due;
    return chosen.toSorted(
      (a, b) => Math.min(a.failures, 1) - Math.min(b.failures, 1) || a.triedAt - b.triedAt,
    );
  }

  async #read(meter: Meter, left: () => number, signal: AbortSignal): Promise<Answer[]> {
    const link = await this.#agreed(meter, left, signal);
    await connected(link, left(), signal);
    return await meter.read((request) => link.read(request, left(), signal));
  }

  /** The connection in the framing that works; finds it out with the first meter that answers. */
  async #agreed(meter: Meter, left: () => number, signal: AbortSignal): Promise<Link> {
    const known = this.#knownFraming();
    if (known !== undefined) return (this.#link ??= this.#open(known));
    const probed = await probe(this.#bus, meter.probe, left, signal);
    framings.set(this.#bus, probed.framing);
    this.#io.log.info(`modbus: ${addressOf(this.#bus)} speaks ${framingName[probed.framing]}`);
    this.#link = probed.link;
    return probed.link;
  }

  #knownFraming(): Framing | undefined {
    if (this.#bus.serial !== undefined || this.#bus.framing === 'rtu-over-tcp') return 'rtu';
    return this.#bus.framing === 'tcp' ? 'tcp' : framings.get(this.#bus);
  }

  #open(framing: Framing): Link {
    return openLink(this.#bus, framing);
  }
}

const framingName: Readonly<Record<Framing, string>> = { tcp: 'Modbus TCP', rtu: 'RTU over TCP' };

/** A failure of the way to the bus rather than of a meter. */
class NoConnection extends Error {}

async function connected(link: Link, timeoutMs: number, signal: AbortSignal): Promise<void> {
  await link.connect(timeoutMs, signal).catch((cause: unknown) => {
    if (signal.aborted) throw cause;
    throw new NoConnection('no connection', { cause });
  });
}

/** A connection to the bus, not opened yet. */
export function openLink(bus: BusSettings, framing: Framing): Link {
  return new Link({ address: addressOf(bus), dial: dialOf(bus), framing, quietMs: quietMs(bus) });
}

/**
 * Tries one request in each framing on a connection of its own, because a gateway that was spoken to in the wrong one may
 * be confused. Any reply decides, also a refusal. Throws what the second one met when neither is answered.
 */
async function probe(
  bus: BusSettings,
  request: ReadRequest,
  left: () => number,
  signal: AbortSignal,
): Promise<{ readonly framing: Framing; readonly link: Link }> {
  const met: string[] = [];
  for (const framing of ['tcp', 'rtu'] as const) {
    const link = openLink(bus, framing);
    try {
      await connected(link, left(), signal);
      await link.read(request, left(), signal);
      return { framing, link };
    } catch (error) {
      if (error instanceof Refusal) return { framing, link };
      link.close();
      if (error instanceof NoConnection || signal.aborted) throw error;
      met.push(`${framingName[framing]}: ${reason(error)}`);
    }
  }
  throw new LaresError(
    'TIMEOUT',
    `unit ${request.unit} at ${addressOf(bus)} answers in neither framing (${met.join('; ')}); are its unit id, its baud rate and the wiring right?`,
  );
}

function asTrouble(error: unknown, meter: Meter): LaresError {
  return error instanceof LaresError
    ? error
    : new LaresError('UNREACHABLE', `${meter.address}: ${reason(error)}`, { cause: error });
}
