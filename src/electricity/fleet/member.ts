import { LaresError, reason } from '#kernel/errors.ts';
import type { Answer, ElectricityContext, Poll, Station, Target } from '../driver.ts';
import type { Announcement } from '../model.ts';
import { closed, failed, nextPollAt, type Breaker } from './schedule.rules.ts';

export interface MemberIo {
  readonly context: ElectricityContext;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly phaseMs: number;
  readonly open: (target: Target) => Station;
  /** The memory of a device may be asked while it is polled. */
  readonly concurrent: boolean;
  /** Called after every poll. */
  readonly polled: (member: Member) => void;
}

/** One station and everything that is known about reaching it. Polls never overlap, and neither do switching and polling. */
export class Member {
  target: Target;
  breaker: Breaker = closed;
  /** Identity and MAC of the host as its own polls tell. */
  identity: { readonly station: string; readonly mac: string | undefined } | undefined;
  /** True after the first poll, however it ended. */
  tried = false;
  readonly #io: MemberIo;
  readonly #announced = new Map<string, string>();
  #answers: ReadonlyMap<string, Answer> = new Map();
  #answersOf: Station | undefined;
  readonly #ended = new AbortController();
  #station: Station;
  #busy: Promise<unknown> = Promise.resolve();
  /** Of the poll or the sleep that is going on. One listener on the house's signal serves them all. */
  #poll: AbortController | undefined;
  #sleep: AbortController | undefined;

  constructor(target: Target, io: MemberIo) {
    this.target = target;
    this.#io = io;
    this.#station = io.open(target);
  }

  get works(): boolean {
    return this.tried && this.breaker.failures === 0;
  }

  /** Polls until the signal aborts: at once, then at its own place in every interval. */
  async run(signal: AbortSignal): Promise<void> {
    const { context, intervalMs, phaseMs } = this.#io;
    if (signal.aborted) return this.retire();
    const end = () => this.retire();
    signal.addEventListener('abort', end, { once: true });
    while (!this.#ended.signal.aborted) {
      if (this.target.host !== '') await this.#exclusive(() => this.#ask());
      if (this.#ended.signal.aborted) break;
      const now = context.clock.now();
      this.#sleep = new AbortController();
      await context.clock.sleep(nextPollAt(now, intervalMs, phaseMs, this.breaker) - now, this.#sleep.signal);
    }
    signal.removeEventListener('abort', end);
  }

  /** Polls as soon as possible instead of at its usual time. */
  hurry(): void {
    this.#sleep?.abort();
  }

  /** Ends for good, whatever the others do. */
  retire(): void {
    this.#ended.abort();
    this.#poll?.abort();
    this.#sleep?.abort();
    this.#station.close();
  }

  /** It was seen elsewhere, or more is known about it now. */
  retarget(target: Target): void {
    this.target = { ...this.target, ...known(target) };
    this.#station.close();
    this.#station = this.#io.open(this.target);
    this.breaker = { failures: this.breaker.failures, restUntil: 0 };
    this.hurry();
  }

  async #ask(): Promise<void> {
    const { context, timeoutMs, intervalMs } = this.#io;
    const ended = this.#ended.signal;
    const limit = new AbortController();
    this.#poll = limit;
    // Real time: a demo house may live faster, its sockets do not. After a halt of this process timers are due before
    // sockets are read; what came in time lies there and is heard first.
    const timer = setTimeout(() => setImmediate(() => limit.abort()), timeoutMs);
    const station = this.#station;
    try {
      const poll = await station.poll(limit.signal);
      if (ended.aborted) return;
      this.#recognise(poll);
      this.breaker = closed;
      this.identity = { station: poll.station, mac: poll.mac };
      this.#tell(poll, station);
    } catch (error) {
      if (ended.aborted) return;
      const late = limit.signal.aborted;
      // Whatever hung is in an unknown state; the next poll starts from a new connection.
      if (late) this.#renew();
      const trouble = asTrouble(error, late, timeoutMs);
      const needsHelp = trouble.remedy === 'fix-config';
      this.breaker = failed(this.breaker, context.clock.now(), intervalMs, context.random(), needsHelp);
      const ids = this.#announced.size > 0 ? [...this.#announced.keys()] : [undefined];
      for (const id of ids) context.emit({ kind: 'trouble', id, address: this.target.host, error: trouble });
    } finally {
      clearTimeout(timer);
      this.tried = true;
      if (!ended.aborted) this.#io.polled(this);
    }
  }

  /** Addresses are lent: whoever answers at this one now may not be the device that is meant. */
  #recognise({ station }: Poll): void {
    const { id, host } = this.target;
    const expected = this.identity?.station ?? id;
    if (expected === undefined || expected === station) return;
    throw new LaresError(
      'UNREACHABLE',
      `at ${host} there is another device now; the one that was there is looked for`,
    );
  }

  #renew(): void {
    this.#station.close();
    this.#station = this.#io.open(this.target);
  }

  #tell(poll: Poll, station: Station): void {
    const { context } = this.#io;
    const now = context.clock.now();
    this.#keep(poll, station);
    for (const answer of poll.answers) {
      const { device, values } = answer;
      const face = JSON.stringify([device, answer.switches !== undefined, answer.remembers !== undefined]);
      if (this.#announced.get(device.id) !== face) {
        this.#announced.set(device.id, face);
        context.emit({ kind: 'device', ...this.#announcement(answer) });
      }
      context.emit({ kind: 'measured', id: device.id, at: answer.at ?? now, values });
    }
    for (const trouble of poll.troubles ?? []) context.emit({ kind: 'trouble', ...trouble });
  }

  /** The capabilities of the answer, behind the same door as polling: most of these devices serve one caller at a time. */
  #announcement({ device, switches, remembers }: Answer): Announcement {
    const { id } = device;
    const energy = async (from: number, to: number, signal: AbortSignal) =>
      (await this.#present(id, 'remembers', signal)).energy(from, to, signal);
    return {
      device,
      everyMs: this.#io.intervalMs,
      switches: switches && {
        turn: async (on, signal) => {
          try {
            return await this.#exclusive(async () =>
              (await this.#present(id, 'switches', signal)).turn(on, signal),
            );
          } finally {
            this.hurry();
          }
        },
      },
      remembers: remembers && {
        energy: (from, to, signal) =>
          this.#io.concurrent ? energy(from, to, signal) : this.#exclusive(() => energy(from, to, signal)),
      },
    };
  }

  /** A capability of a device as its present station offers it: after a failure there is a new one, which is asked first. */
  async #present<K extends 'switches' | 'remembers'>(
    id: string,
    what: K,
    signal: AbortSignal,
  ): Promise<NonNullable<Answer[K]>> {
    const station = this.#station;
    if (this.#answersOf !== station) {
      const poll = await station.poll(signal);
      this.#recognise(poll);
      this.#keep(poll, station);
    }
    const capability = this.#answers.get(id)?.[what];
    if (capability !== undefined) return capability;
    throw new LaresError('UNREACHABLE', `${this.target.host} does not offer this at the moment; try again`);
  }

  #keep(poll: Poll, station: Station): void {
    this.#answersOf = station;
    this.#answers = new Map(poll.answers.map((answer) => [answer.device.id, answer]));
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#busy.then(async () => {
      const station = this.#station;
      try {
        return await work();
      } finally {
        // Let go while it worked, it may have connected since: that connection would be nobody's.
        if (station !== this.#station || this.#ended.signal.aborted) station.close();
      }
    });
    this.#busy = turn.catch(() => undefined);
    return turn;
  }
}

function asTrouble(error: unknown, late: boolean, timeoutMs: number): LaresError {
  if (late) return new LaresError('TIMEOUT', `did not answer within ${timeoutMs / 1000} s`, { cause: error });
  if (error instanceof LaresError) return error;
  return new LaresError('UNREACHABLE', reason(error), { cause: error });
}

/** The parts of a target that say something. */
function known(target: Target): Partial<Target> {
  return Object.fromEntries(
    Object.entries(target).filter(([, value]) => value !== undefined && value !== ''),
  );
}
