/** What one message of a pulse counter says, whatever its format. */
export interface Report {
  /** Epoch ms that the sender gave; undefined means now. */
  readonly at?: number | undefined;
  /** Ms between making and sending this message, by the sender's own stopwatch; better than `at`. */
  readonly ageMs?: number | undefined;
  /** Pulses counted, as the device shows it: may wrap, restart or be restored from its memory. */
  readonly total?: number | undefined;
  /** Energy counted, Wh, from a device that converts by itself; instead of `total`. */
  readonly totalWh?: number | undefined;
  /** Pulses a kWh, where the message itself says so. */
  readonly impPerKwh?: number | undefined;
  /** Milliseconds since the device started. */
  readonly uptimeMs?: number | undefined;
  /** Grows by one with each message of one start of the device. */
  readonly sequence?: number | undefined;
  /** Differs at each start of the device. */
  readonly boot?: string | undefined;
  /** Pulses since the device started, where it also restores an older count. */
  readonly sinceBoot?: number | undefined;
  /** Uptimes, in ms, of the newest pulses, oldest first; the last one is pulse number `total`. */
  readonly pulses?: readonly number[] | undefined;
  /** Power that the device took from the spacing of its last two pulses, W: it holds until the next pulse is late. */
  readonly spacingWatts?: number | undefined;
  /** It is sent on a schedule: the same spacing again may be that of the same pulses. */
  readonly scheduled?: boolean | undefined;
  /** Power that the device measured itself, W. */
  readonly watts?: number | undefined;
}

/** What came from one sender about one counter, in a format without fixed names. */
export interface Fields {
  /** Names of the counter that the message gives, the most telling first. */
  readonly ids: readonly string[];
  readonly at?: number | undefined;
  readonly ageMs?: number | undefined;
  readonly values: ReadonlyMap<string, number>;
}

/** A report and the name that its sender gives the counter. */
export interface Addressed {
  readonly id: string;
  readonly report: Report;
}

/** What the settings say about one counter. */
export interface Scale {
  /** Pulses a kWh; wins over what a message says. */
  readonly impPerKwh: number | undefined;
  /** The count after this many starts again at 0. */
  readonly wrapsAt: number;
}

/** Pulses a kWh of most meters. */
export const usualImpPerKwh = 1_000;
