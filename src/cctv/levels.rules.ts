/** What a camera gave in the last 30 days, by whole minutes. Time in which it was switched off does not count. */
export interface Level {
  /** Epoch ms of the first minute that counts: 30 days ago, or when the camera came. */
  readonly since: number;
  /** Share of the time in which it gave pictures, 0 to 1. Time in which Lares did not run is time without pictures. */
  readonly live: number;
  /** Share of the time in which it gave pictures and what it saw could be written down. */
  readonly kept: number;
}

/** The mean of a reading in each minute, by the epoch ms at which the minute begins. */
export type Minutes = ReadonlyMap<number, number>;

export interface LevelReadings {
  /** Of this camera; nothing where it is switched off or Lares does not run. */
  readonly online: Minutes;
  /** A reading that is there in every minute in which Lares runs with cameras. */
  readonly running: Minutes;
  /** 1 while events can be written. */
  readonly written: Minutes;
}

export const levelDays = 30;
const minuteMs = 60_000;
const leastMinutes = 60;

/** The level of a camera up to the last whole minute before `now`; undefined while less than an hour of it is known. */
export function levelOf({ online, running, written }: LevelReadings, now: number): Level | undefined {
  const to = Math.floor(now / minuteMs) * minuteMs;
  const from = to - levelDays * 86_400_000;
  const first = [...online.keys()].reduce((least, at) => (at >= from ? Math.min(least, at) : least), to);
  let [all, live, kept] = [0, 0, 0];
  for (let at = first; at < to; at += minuteMs) {
    const share = online.get(at);
    if (share === undefined && running.has(at)) continue;
    all += 1;
    live += share ?? 0;
    kept += Math.min(share ?? 0, written.get(at) ?? 0);
  }
  return all < leastMinutes ? undefined : { since: first, live: live / all, kept: kept / all };
}
