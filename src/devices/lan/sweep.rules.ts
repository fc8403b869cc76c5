import type { Mac } from '../model.ts';

/** One question to put on the wire: broadcast, or to one hardware address. */
export interface Ask {
  readonly ip: number;
  readonly to: Mac | undefined;
}

/** What a plan wants next: to ask, to be left alone until an instant (ms), or nothing because it has finished. */
export type Next = { readonly ask: Ask } | { readonly waitUntil: number } | undefined;

/** How many questions whose answer was certain to come were answered; fades from sweep to sweep. */
export interface LossEstimate {
  readonly asked: number;
  readonly lost: number;
}

export interface SweepOptions {
  /** Rounds after the first, to addresses that have not answered. */
  readonly retries: number;
  readonly random: () => number;
  readonly loss: LossEstimate;
}

// Milliseconds in which an answer from a healthy LAN has arrived; a canary that is older is counted as lost.
const promptMs = 100;
/** The last answers are waited for this long at most: dozing phones were measured at up to 250 ms. */
const longestTailMs = 250;
const mostCanaries = 24;
const canariesPerHost = 2;
/** Fewer certain questions than this prove nothing about the network. */
const enoughCanaries = 16;
/** A sweep goes on until fewer than this share of the living is expected to be missed. */
const acceptedMiss = 0.003;
// Later rounds are smaller, because those who answered are not asked again; this bounds a sweep's length in time.
const roundShare = 0.82;

/** Rounds that leave at most `acceptedMiss` of the living unheard when each question is lost with probability `lost / asked`. */
export function roundsFor(loss: LossEstimate, most: number): number {
  if (loss.asked < enoughCanaries) return most;
  if (loss.lost / loss.asked < 0.01) return 1;
  // A few questions measure loss badly; two more lost ones are assumed, because missing somebody is worse than asking again.
  const share = (loss.lost + 2) / (loss.asked + 2);
  if (share > 0.9) return most;
  return Math.max(Math.min(2, most), Math.min(most, Math.ceil(Math.log(acceptedMiss) / Math.log(share))));
}

/**
 * Whom to ask when, in one sweep. It asks every address once. Meanwhile it asks some of those who answered again
 * ("canaries"): how many of these answers fail to come is the loss of the network, and that decides how many more
 * rounds the silent addresses get. Devices seen lately that stay silent are asked directly in any case.
 * Time is an argument (ms of any steady clock).
 */
export class SweepPlan {
  readonly #known: ReadonlyMap<number, Mac>;
  readonly #options: SweepOptions;
  readonly #mostAsks: number;
  readonly #answered = new Map<number, number>();
  readonly #askedAt = new Map<number, number>();
  readonly #canaries = new Map<number, { at: number; answered: boolean; count: number }>();
  readonly #addresses: readonly number[];
  #queue: readonly Ask[];
  #position = 0;
  #round = 1;
  #asks = 0;
  #canariesSent = 0;
  #slowestMs = 0;
  #lastAskAt = 0;
  #tail = false;

  constructor(addresses: readonly number[], known: ReadonlyMap<number, Mac>, options: SweepOptions) {
    this.#addresses = addresses;
    this.#known = known;
    this.#options = options;
    this.#mostAsks = Math.ceil(addresses.length * (1 + roundShare * options.retries));
    const first = addresses.filter((ip) => known.has(ip));
    const rest = addresses.filter((ip) => !known.has(ip));
    this.#queue = [...first, ...rest].map((ip) => ({ ip, to: undefined }));
  }

  /** Questions put so far, canaries included. */
  get asks(): number {
    return this.#asks;
  }

  /** Notes an answer. Returns true when it is the first of that address. */
  answered(ip: number, now: number): boolean {
    const canary = this.#canaries.get(ip);
    if (canary !== undefined) canary.answered = true;
    if (this.#answered.has(ip)) return false;
    this.#answered.set(ip, now);
    this.#slowestMs = Math.max(this.#slowestMs, now - (this.#askedAt.get(ip) ?? now));
    return true;
  }

  next(now: number): Next {
    if (this.#tail) return this.#awaitTail(now);
    const canary = this.#round === 1 ? this.#nextCanary(now) : undefined;
    const ask = canary ?? this.#nextSilent();
    if (ask !== undefined && this.#asks < this.#mostAsks) {
      this.#asks += 1;
      this.#lastAskAt = now;
      this.#askedAt.set(ask.ip, now);
      return { ask };
    }
    const waitUntil = this.#decideAt(now);
    if (waitUntil > now) return { waitUntil };
    this.#queue = this.#nextRound(now);
    this.#position = 0;
    if (this.#queue.length > 0 && this.#asks < this.#mostAsks) {
      this.#round += 1;
      return this.next(now);
    }
    this.#tail = true;
    return this.#awaitTail(now);
  }

  /** The loss as known at the end, to begin the next sweep with; older knowledge counts half. */
  loss(now: number): LossEstimate {
    const due = [...this.#canaries.values()].filter((c) => c.answered || now - c.at > promptMs);
    const lost = due.filter((c) => !c.answered).length;
    const before = this.#options.loss;
    const asked = this.#canariesSent - (this.#canaries.size - due.length);
    return { asked: before.asked / 2 + asked, lost: before.lost / 2 + lost };
  }

  #nextSilent(): Ask | undefined {
    for (;;) {
      const ask = this.#queue[this.#position];
      this.#position += 1;
      if (ask === undefined || !this.#answered.has(ask.ip)) return ask;
    }
  }

  #nextCanary(now: number): Ask | undefined {
    if (this.#canariesSent >= mostCanaries || this.loss(now).lost >= 3) return undefined;
    for (const [ip] of this.#answered) {
      const before = this.#canaries.get(ip);
      if (before !== undefined && (!before.answered || before.count >= canariesPerHost)) continue;
      this.#canaries.set(ip, { at: now, answered: false, count: (before?.count ?? 0) + 1 });
      this.#canariesSent += 1;
      return { ip, to: undefined };
    }
    return undefined;
  }

  /** When the next round can be decided: at once if more rounds are certain, else when the last question has had its time. */
  #decideAt(now: number): number {
    const before = this.#options.loss.asked / 2;
    const mayStop = this.#canariesSent + before >= enoughCanaries && this.loss(now).lost < 0.5;
    const lastRound = this.#round > this.#options.retries;
    return mayStop && !lastRound ? this.#lastAskAt + promptMs : now;
  }

  #nextRound(now: number): Ask[] {
    const most = this.#options.retries + 1;
    if (this.#round >= most) return [];
    const silent = this.#addresses.filter((ip) => !this.#answered.has(ip));
    const everybody = this.#round < roundsFor(this.loss(now), most);
    // Phones that doze through broadcasts get the directed ones that their access point keeps for them.
    const lately = silent
      .filter((ip) => this.#known.has(ip))
      .map((ip) => ({ ip, to: this.#round % 2 === 1 ? this.#known.get(ip) : undefined }));
    if (!everybody) return lately;
    const rest = silent.filter((ip) => !this.#known.has(ip)).map((ip) => ({ ip, to: undefined }));
    return [...lately, ...shuffle(rest, this.#options.random)];
  }

  #awaitTail(now: number): Next {
    const patience =
      this.#round === 1
        ? promptMs
        : this.#answered.size === 0
          ? longestTailMs
          : Math.min(longestTailMs, Math.max(promptMs, 2 * this.#slowestMs));
    const until = this.#lastAskAt + patience;
    return now < until ? { waitUntil: until } : undefined;
  }
}

function shuffle<T>(items: T[], random: () => number): T[] {
  for (let i = items.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    [items[i], items[j]] = [items[j] as T, items[i] as T];
  }
  return items;
}
