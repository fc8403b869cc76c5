/** How many cloud calls were made in which month. Kept in the state store. */
export interface QuotaUse {
  /** `2026-11`, UTC. */
  readonly month: string;
  readonly used: number;
}

export interface QuotaView {
  readonly used: number;
  readonly left: number;
  readonly limit: number;
  /** Epoch ms at which the next month begins. */
  readonly renewsAt: number;
}

const monthOf = (now: number) => new Date(now).toISOString().slice(0, 7);

/** The use of the month of `now`; nothing is used yet in a new one. */
export function usedIn(kept: QuotaUse | undefined, now: number): QuotaUse {
  const month = monthOf(now);
  return kept?.month === month ? kept : { month, used: 0 };
}

export function viewQuota(kept: QuotaUse | undefined, limit: number, now: number): QuotaView {
  const { used } = usedIn(kept, now);
  const date = new Date(now);
  const renewsAt = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
  return { used, left: Math.max(0, limit - used), limit, renewsAt };
}

/** The line that every command shows that calls the cloud. */
export function quotaText({ used, left, limit, renewsAt }: QuotaView): string {
  const day = new Date(renewsAt).toISOString().slice(0, 10);
  return `Tuya cloud: ${used} of ${limit} calls of this month used, ${left} left; renewed on ${day} (UTC)`;
}
