import type { z } from 'zod';
import type { Clock, Log } from '#kernel/driver.ts';
import type { AlertMessage } from '../model.ts';
import type { MonitoringConfig, SpeakersConfig } from './config.ts';

/** The settings that channels read. */
export interface ChannelSettings {
  readonly speakers: SpeakersConfig;
  readonly monitoring: MonitoringConfig;
  /** The broker of the house; absent when it has none. */
  readonly mqtt?: object | undefined;
}

/** The broker of the house, as the house hands it in. */
export interface Publisher {
  /** First levels of every topic: `lares`. */
  readonly prefix: string;
  /** Resolves once the broker has it. Throws LaresError. */
  publish(topic: string, payload: string, signal: AbortSignal): Promise<void>;
  /** Resolves once the broker has let us in; publishes nothing. Throws LaresError. */
  reach(signal: AbortSignal): Promise<void>;
}

/** What a channel may touch besides its own processes and sockets. */
export interface ChannelIo {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** For the instants in mails. */
  readonly timeZone: string;
  /** Environment of the programs that channels call; PATH says where they are. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absent in a house without a broker. */
  readonly publisher?: Publisher | undefined;
}

export interface ChannelHealth {
  /** `off`: the settings do not use it. */
  readonly state: 'off' | 'ok' | 'degraded' | 'down';
  /** One sentence: what it reaches, or what is wrong and how to mend it. */
  readonly detail: string;
}

/** A channel that runs. */
export interface OpenChannel<Action> {
  /**
   * Tells one alert; resolves once it is out. Ends within a second of its signal.
   * Throws LaresError; RATE_LIMITED with `retryAfterMs` holds the alert back without counting as a try.
   */
  deliver(alert: AlertMessage, action: Action, signal: AbortSignal): Promise<void>;
  /** Tells many alerts at once, where the channel can say them in one message. Throws as `deliver`. */
  digest?(alerts: readonly AlertMessage[], action: Action, signal: AbortSignal): Promise<void>;
  /** Whether it would work now, without telling anybody anything. Throws nothing. */
  check(signal: AbortSignal): Promise<ChannelHealth>;
  close(): Promise<void>;
}

/** One way to tell people. It has no retry code: the queue does that. */
export interface Channel<Kind extends string, Action extends { readonly type: Kind }> {
  readonly kind: Kind;
  readonly title: string;
  /** What a rule writes under `actions`: a strictObject with the literal `type`. */
  readonly action: z.ZodType<Action>;
  /** Must validate; docs, forms and the contract test read it. */
  readonly example: unknown;
  /** Milliseconds after the alert from which telling it is worse than silence. */
  readonly staleAfterMs: number;
  /** Milliseconds that one try may take. */
  readonly deadlineMs: number;
  /** Milliseconds after the alert that it waits for a picture, which is taken a moment later; 0 unless said. */
  patienceMs?(action: Action, settings: ChannelSettings): number;
  /** The settings that it reads: when none of them changes, a reload leaves it alone. */
  readonly reads: readonly (keyof ChannelSettings)[];
  /** Tries at the same time in one lane. */
  readonly concurrency: number;
  /** What fails together: alerts of one lane wait for each other's recovery, those of another do not. */
  lane(action: Action): string;
  /** What the settings lack for this action, as a sentence with the fix; undefined when nothing. */
  lacks(action: Action, settings: ChannelSettings): string | undefined;
  /** Does nothing that others would notice before the first delivery, except keeping lines open. */
  open(settings: ChannelSettings, io: ChannelIo): OpenChannel<Action>;
}

export function defineChannel<const Kind extends string, Schema extends z.ZodType<{ readonly type: Kind }>>(
  channel: Omit<Channel<Kind, z.infer<Schema>>, 'action'> & { readonly action: Schema },
) {
  return channel;
}
