import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import { TuyaLink, type Reply } from './link.ts';
import { controlRequest, nullsRequest, queryRequest, refreshRequest, type Request } from './message.codec.ts';
import { commands, hasSession, type DataPoints, type DataValue, type Version } from './model.ts';

// The most frequent version first: until the right one is found each wrong one costs a connection.
const guesses: readonly Version[] = ['3.3', '3.4', '3.5', '3.1', '3.2'];
const refreshWaitMs = 300;
const ackWaitMs = 1_500;
// A value that a device said once and never again is no measurement any more.
const keepMs = 300_000;
const patience = 3;
const betweenGuessesMs = 30;

export interface ClientOptions {
  readonly host: string;
  readonly port: number;
  readonly id: string;
  /** The local key, 16 characters. */
  readonly key: string;
  /** Found out at the first connection unless given. */
  readonly version?: Version | undefined;
  /** What the device said once; tried first, and doubted when it fails, because firmware is updated. */
  readonly hint?: Version | undefined;
  /** For one poll. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

interface Known {
  readonly value: DataValue;
  /** Monotonic ms. */
  readonly at: number;
}

type Answered = 'points' | 'refused' | { readonly error: string };

/** A device, or a gateway with its sub-devices: state, refresh and control over one connection that heals itself. */
export class TuyaClient {
  readonly #options: ClientOptions;
  readonly #key: Buffer;
  /** By node id of the sub-device; the device itself under the empty one. */
  readonly #state = new Map<string, Map<number, Known>>();
  readonly #refusesQuery = new Set<string>();
  #link: TuyaLink | undefined;
  #connecting: Promise<TuyaLink> | undefined;
  #version: Version | undefined;
  #doubted: Version | undefined;
  #guess = 0;
  #failures = 0;
  #deafToRefresh = 0;
  #hangsUpOnRefresh = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#key = Buffer.from(options.key, 'latin1');
    this.#version = options.version ?? options.hint;
  }

  /** Undefined until it is known. */
  get version(): Version | undefined {
    return this.#version;
  }

  /**
   * Asks for the state. `wanted` are the data points to name where a device answers only by name.
   * Throws UNREACHABLE, TIMEOUT, BAD_REPLY or AUTH_REFUSED.
   */
  async status(
    signal: AbortSignal,
    wanted: readonly number[],
    cid?: string,
    ms?: number,
  ): Promise<DataPoints> {
    const link = await this.#connected(signal);
    try {
      await this.#query(link, signal, wanted, cid, ms);
    } catch (error) {
      if (cid === undefined) this.#doubt();
      throw error;
    }
    this.#failures = 0;
    return this.#points(cid);
  }

  /** Makes the device measure these data points now. Devices that ignore it cost no waiting after a few polls. */
  async refresh(points: readonly number[], signal: AbortSignal): Promise<void> {
    if (points.length === 0 || this.#hangsUpOnRefresh >= patience) return;
    const link = await this.#connected(signal);
    const request = refreshRequest(points);
    if (this.#deafToRefresh >= patience) return link.send(request);
    try {
      await link.exchange(
        request,
        ({ command, said }) =>
          command === commands.refresh || (command === commands.status && said.points !== undefined)
            ? true
            : undefined,
        { signal, ms: refreshWaitMs, lenient: true },
      );
      this.#deafToRefresh = 0;
      this.#hangsUpOnRefresh = 0;
    } catch (error) {
      if (!isTimeout(error)) {
        this.#hangsUpOnRefresh += 1;
        this.#doubt();
      }
      if (!isTimeout(error) || signal.aborted) throw error;
      this.#deafToRefresh += 1;
    }
  }

  /** Sets data points. Resolves when the device has acknowledged, or may have: only reading back tells. */
  async set(points: ReadonlyMap<number, DataValue>, signal: AbortSignal, cid?: string): Promise<void> {
    const link = await this.#connected(signal);
    const { id, clock } = this.#options;
    const request = controlRequest(link.version, { id, cid }, points, clock.now());
    const refused = await link
      .exchange<string | true>(
        request,
        ({ command, retcode, said }) => {
          if (command === commands.status && said.points !== undefined) return sets(said.points, points);
          if (command !== commands.control && command !== commands.controlNew) return undefined;
          return (retcode ?? 0) === 0 ? true : (said.text ?? `return code ${retcode}`);
        },
        { signal, ms: ackWaitMs, lenient: true },
      )
      .catch((error: unknown) => {
        if (isTimeout(error) && !signal.aborted) return true;
        throw error;
      });
    if (refused !== true)
      throw new LaresError('BAD_REPLY', `${this.#name()} refuses to be set: ${JSON.stringify(refused)}`);
  }

  close(): void {
    this.#link?.close();
    this.#link = undefined;
  }

  /** After some failures in a row the version is found out again, unless the settings say it. */
  #doubt(): void {
    this.#failures += 1;
    if (this.#failures < patience || this.#options.version !== undefined) return;
    this.#failures = 0;
    this.#doubted = this.#version;
    this.#version = undefined;
  }

  #connected(signal: AbortSignal): Promise<TuyaLink> {
    if (this.#link?.open === true) return Promise.resolve(this.#link);
    this.#connecting ??= this.#connect(signal).finally(() => (this.#connecting = undefined));
    return this.#connecting;
  }

  async #connect(signal: AbortSignal): Promise<TuyaLink> {
    if (this.#version !== undefined)
      try {
        return await this.#dial(this.#version, signal, this.#options.timeoutMs);
      } catch (error) {
        this.#doubt();
        throw error;
      }
    let refusal: LaresError | undefined;
    for (let tried = 0; tried < guesses.length && !signal.aborted; tried += 1) {
      const version = guesses[this.#guess % guesses.length]!;
      try {
        const link = await this.#dial(version, signal, this.#options.timeoutMs / (guesses.length + 1));
        if (!hasSession(version))
          await this.#query(link, signal, [], undefined, this.#options.timeoutMs / (guesses.length + 1));
        this.#version = version;
        // It hung up on another language, not on being asked to refresh.
        if (version !== this.#doubted) this.#hangsUpOnRefresh = 0;
        return link;
      } catch (error) {
        this.#link?.close();
        const { code, cause } = error as LaresError;
        // Nothing listens there at all: no other version will change that.
        if (code === 'UNREACHABLE' && cause !== undefined && !isReset(cause)) throw error;
        if (code === 'AUTH_REFUSED') refusal = error as LaresError;
        this.#guess += 1;
        // It serves one client at a time, and has to notice first that the last one is gone.
        await sleep(betweenGuessesMs);
      }
    }
    throw (
      refusal ??
      new LaresError(
        'BAD_REPLY',
        `${this.#name()} answers in no known version; check its local key (lares tuya wizard) and close the phone app`,
      )
    );
  }

  async #dial(version: Version, signal: AbortSignal, ms: number): Promise<TuyaLink> {
    const { host, port, id, clock } = this.#options;
    const link = new TuyaLink({
      host,
      port,
      id,
      clock,
      version,
      key: this.#key,
      heard: (reply, points) => this.#keep(reply, points),
    });
    this.#link = link;
    await link.connect({ signal, ms });
    return link;
  }

  async #query(
    link: TuyaLink,
    signal: AbortSignal,
    wanted: readonly number[],
    cid = '',
    ms = this.#options.timeoutMs * 0.7,
  ): Promise<void> {
    const { id, clock } = this.#options;
    const to = { id, cid: cid === '' ? undefined : cid };
    const started = clock.monotonic();
    if (!this.#refusesQuery.has(cid)) {
      const answer = await this.#ask(link, queryRequest(link.version, to, clock.now()), cid, { signal, ms });
      if (answer !== 'refused') return this.#check(answer);
      this.#refusesQuery.add(cid);
    }
    const left = Math.max(100, ms - (clock.monotonic() - started));
    const request = nullsRequest(link.version, to, wanted.length > 0 ? wanted : [1], clock.now());
    const answer = await this.#ask(link, request, cid, { signal, ms: left });
    // It may answer plain queries again after an update of its firmware.
    if (answer === 'refused') this.#refusesQuery.delete(cid);
    return this.#check(answer === 'refused' ? { error: 'data unvalid' } : answer);
  }

  async #ask(
    link: TuyaLink,
    request: Request,
    cid: string,
    { signal, ms }: { signal: AbortSignal; ms: number },
  ): Promise<Answered> {
    let pushed = false;
    try {
      return await link.exchange<Answered>(
        request,
        (reply) => {
          const { command, said } = reply;
          // A late answer about another sub-device must not pass for this one; refusals name none.
          const about = said.cid ?? (said.points === undefined ? cid : '');
          if (!isAboutState(command) || about !== cid) return undefined;
          if (command === commands.status) pushed ||= said.points !== undefined;
          const byName = request.command === commands.controlNew || request.command === commands.control;
          if (command === commands.status && !byName) return undefined;
          return answered(reply);
        },
        { signal, ms, lenient: true },
      );
    } catch (error) {
      // Some answer a query only with a push.
      if (pushed && isTimeout(error) && !signal.aborted) return 'points';
      // A sub-device that is away must not cut off the others behind its gateway.
      if (cid === '' && isTimeout(error)) link.close(error as Error);
      throw error;
    }
  }

  #check(answer: Exclude<Answered, 'refused'>): void {
    if (answer !== 'points')
      throw new LaresError('BAD_REPLY', `${this.#name()} refuses the query: ${JSON.stringify(answer.error)}`);
  }

  #keep({ said }: Reply, points: DataPoints): void {
    const cid = said.cid ?? '';
    const known = this.#state.get(cid) ?? new Map<number, Known>();
    const at = this.#options.clock.monotonic();
    for (const [dp, value] of points) known.set(dp, { value, at });
    if (this.#state.size < 512) this.#state.set(cid, known);
  }

  #points(cid = ''): DataPoints {
    const now = this.#options.clock.monotonic();
    const known = this.#state.get(cid) ?? new Map<number, Known>();
    return new Map(
      [...known].filter(([, { at }]) => now - at < keepMs).map(([dp, { value }]) => [dp, value]),
    );
  }

  #name(): string {
    return `Tuya device ${this.#options.id} at ${this.#options.host}`;
  }
}

const stateCommands = new Set<number>([
  commands.query,
  commands.queryNew,
  commands.status,
  commands.control,
  commands.controlNew,
]);
const isAboutState = (command: number) => stateCommands.has(command);

/** What a reply to a query means; undefined for a mere acknowledgement, after which the state follows. */
function answered({ retcode, said }: Reply): Answered | undefined {
  if (said.points !== undefined) return 'points';
  if (said.text?.includes('data unvalid') === true) return 'refused';
  if (said.text !== undefined) return { error: said.text };
  return (retcode ?? 0) === 0 ? undefined : { error: `return code ${retcode}` };
}

function sets(said: DataPoints, wanted: ReadonlyMap<number, DataValue>): true | undefined {
  return [...wanted].every(([dp, value]) => said.get(dp) === value) ? true : undefined;
}

const isTimeout = (error: unknown) => error instanceof LaresError && error.code === 'TIMEOUT';
const isReset = (cause: unknown) => (cause as NodeJS.ErrnoException).code === 'ECONNRESET';
