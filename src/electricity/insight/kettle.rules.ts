import { densest } from './numbers.rules.ts';
import { pulses, type Pulse } from './pulses.rules.ts';

/** A kettle draws 1.8 to 3.1 kW (a 13 A socket and half of it); before the home is known anything between may be one. */
const usual = { least: 1_750, most: 3_300 } as const;
/** Mains voltage moves by a few percent and power by twice as much. */
const spread = 0.075;
/** Boils of 15 s reheat a cup; no kettle needs more than six minutes for its 1.7 litres. */
const boil = { leastMin: 0.6, mostMin: 6.5 } as const;

/** How this home's kettle looks. */
export interface KettleHabit {
  /** W; undefined until a home has shown enough boils of one size. */
  readonly watts: number | undefined;
  /** W that a pulse without a full minute must reach to be a boil: above everything smaller that this home has. */
  readonly leastPeak: number;
}

/** Boils of one size that make a habit, and how much of all short pulses of the usual range they must be. */
const enough = { boils: 8, share: 0.35 } as const;

/** Short pulses in a row are a hob, an oven or an iron that keeps its temperature. */
const train = { withinMin: 9, others: 2, alike: 0.4, rises: 3 } as const;

function inTrain(pulse: Pulse, all: readonly Pulse[]): boolean {
  const alike = (other: Pulse) =>
    other !== pulse &&
    Math.abs(other.start - pulse.start) <= train.withinMin &&
    Math.abs(other.watts - pulse.watts) <= train.alike * pulse.watts;
  return all.filter(alike).length >= train.others;
}

/** How often the power rises by about half of `watts` or more around a pulse: a thermostat close by explains a short one. */
function risesAround(power: readonly number[], pulse: Pulse, watts: number): number {
  let rises = 0;
  for (let i = Math.max(1, pulse.start - train.withinMin); i < pulse.start + train.withinMin; i += 1)
    if ((power[i] ?? Number.NaN) - (power[i - 1] ?? Number.NaN) > 0.45 * watts) rises += 1;
  return rises;
}

/** Short pulses of which a full minute was seen, whatever made them: what the size of the kettle is learned from. */
export function shortLoads(found: readonly Pulse[]): Pulse[] {
  return found.filter((p) => p.flat && p.minutes <= 7 && !inTrain(p, found));
}

/**
 * Learns the kettle from the sizes (W) of short loads seen over days, unlabelled: it is the size that comes most often
 * in the range of kettles. A microwave oven's minute would pass for a short boil, so what does not show a full minute
 * must be larger than all but a few of the smaller loads.
 */
export function learnKettle(sizes: readonly number[]): KettleHabit {
  const boils = sizes.filter((w) => w >= usual.least && w <= usual.most);
  const best = densest(
    boils.map((value) => ({ value, weight: 1 })),
    2 * spread,
  );
  if (best === undefined || best.weight < enough.boils || best.weight < enough.share * boils.length)
    return { watts: undefined, leastPeak: usual.least };
  const watts = best.value;
  const smaller = sizes.filter((w) => w >= 0.45 * watts && w < 0.88 * watts).toSorted((a, b) => b - a);
  const tolerated = smaller[Math.floor(0.05 * best.weight)] ?? 0;
  return { watts, leastPeak: Math.max(0.45 * watts, Math.min(0.9 * watts, 1.06 * tolerated)) };
}

/** One boil: minutes as indices, `end` exclusive. */
export interface KettleUse {
  readonly start: number;
  readonly end: number;
  readonly watts: number;
  readonly wh: number;
  /** Its shape stands alone, or its edges were found between those of other things. */
  readonly clean: boolean;
}

function fits(pulse: Pulse, watts: number, peak: number): boolean {
  const fullMinutes = (pulse.wh * 60) / watts;
  if (fullMinutes < boil.leastMin || fullMinutes > boil.mostMin) return false;
  if (pulse.minutes >= 3) return Math.abs(pulse.watts - watts) <= spread * watts;
  if (pulse.watts > watts * (1 + spread)) return false;
  // Two unequal parts that add up to a whole minute of the kettle, and neither is all that something smaller could give.
  const parts = pulse.minutes === 2 && !pulse.flat && pulse.watts >= 0.5 * watts && fullMinutes >= 0.9;
  return parts || pulse.watts >= peak;
}

/** Of the other side of a boil whose one side is clean; of both sides when something else switches with each. */
const mixed = { oneSide: 0.45, bothSides: 0.9, mostOther: 2_600, mostAbove: 1.45 } as const;

/** Whether the minutes `first` to `last` (full ones) are a boil among other things, given the level beside them. */
function isMixedBoil(body: readonly number[], before: number, after: number, watts: number): boolean {
  const close = (step: number) => Math.abs(step - watts) <= spread * watts;
  const [up, down] = [(body[0] ?? Number.NaN) - before, (body.at(-1) ?? Number.NaN) - after];
  const [top, ground] = [Math.max(...body), Math.min(before, after)];
  if (!(Math.min(up, down) >= mixed.oneSide * watts) || !(Math.min(...body) >= ground + 0.85 * watts))
    return false;
  if (top - ground > watts + mixed.mostOther || top - Math.max(before, after) > mixed.mostAbove * watts)
    return false;
  // A single minute that is up and down by the same other amount is another appliance alone.
  if (body.length === 1 && !close(up) && !close(down) && Math.abs(up - down) < 0.15 * watts) return false;
  const both = Math.min(up, down) >= mixed.bothSides * watts;
  return both || close(up) || close(down) || body.some((w) => close(w - before) && up > 0.8 * watts);
}

/** Up and down by the kettle's wattage within minutes, whatever else goes on. `watts` must be known. */
function between(power: readonly number[], watts: number, taken: (i: number) => boolean): KettleUse[] {
  const found: KettleUse[] = [];
  const level = (i: number) => power[i] ?? Number.NaN;
  // The minute beside a full one may be partial, so the level beyond it counts as well.
  const sides = [1, 2] as const;
  for (let first = 2; first < power.length - 2; first += 1) {
    if (
      taken(first) ||
      !(level(first) - Math.min(level(first - 1), level(first - 2)) >= mixed.oneSide * watts)
    )
      continue;
    const rise = level(first) - level(first - 1);
    if (rise < 0.05 * watts || level(first) - level(first - 2) > watts + mixed.mostOther) continue;
    for (let last = first; last < first + 5 && last < power.length - 2; last += 1) {
      if (!(level(last) - level(last + 2) <= watts + mixed.mostOther)) break;
      const body = power.slice(first, last + 1);
      const fit = sides
        .flatMap((b) => sides.map((a) => [b, a] as const))
        .find(([b, a]) => isMixedBoil(body, level(first - b), level(last + a), watts));
      if (fit === undefined) continue;
      const [start, end] = [first - fit[0] + 1, last + fit[1]];
      const minutes = body.length + (end - start - body.length) / 2;
      found.push({ start, end, watts, wh: (watts * minutes) / 60, clean: false });
      first = end;
      break;
    }
  }
  return found;
}

/** Boils in `power` (W by the minute, NaN where not measured), oldest first. The newest ten minutes are not settled. */
export function kettleUses(
  power: readonly number[],
  habit: KettleHabit,
  found: readonly Pulse[] = pulses(power),
): KettleUse[] {
  const clean = ({ start, minutes, watts, wh }: Pulse): KettleUse => ({
    start,
    end: start + minutes,
    watts,
    wh,
    clean: true,
  });
  const { watts, leastPeak } = habit;
  if (watts === undefined)
    return shortLoads(found)
      .filter((p) => p.watts >= usual.least && p.watts <= usual.most)
      .map(clean);
  const alone = found
    .filter((p) => fits(p, watts, leastPeak) && !inTrain(p, found))
    .filter((p) => p.flat || risesAround(power, p, watts) <= train.rises)
    .map(clean);
  const used = new Set(
    alone.flatMap((u) => Array.from({ length: u.end - u.start + 2 }, (_, i) => u.start - 1 + i)),
  );
  const beside = between(power, watts, (i) => used.has(i));
  const row = (u: KettleUse) => beside.filter((o) => Math.abs(o.start - u.start) <= train.withinMin).length;
  return [...alone, ...beside.filter((u) => row(u) <= train.others)].toSorted((a, b) => a.start - b.start);
}
