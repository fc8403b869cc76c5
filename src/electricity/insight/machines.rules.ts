import { type Block, blocksIn, isAlike, opened, shortestBlock } from './blocks.rules.ts';
import { densest, median, quantile } from './numbers.rules.ts';

/** A cycle of a machine that heats water; minutes as indices, `end` exclusive. */
export interface MachineUse {
  readonly appliance: 'washing_machine' | 'dishwasher';
  readonly start: number;
  readonly end: number;
  readonly blocks: readonly Block[];
  /** W by which the power moves from one minute to the next while the heater is off. */
  readonly motion: number;
}

/** A dishwasher heats twice or three times at one wattage, and runs a small pump at a steady load between. */
const dishwasher = {
  gapMin: [5, 47],
  alike: 0.09,
  longestMin: 35,
  heatingMin: [14, 80],
  mostBlocks: 4,
  /** W from minute to minute in the calmer third of a pause: a pump is steady, a drum is not. */
  mostMotion: 8,
} as const;

/** What a home has shown of its machines: programmes repeat to the minute and heaters keep their wattage. */
export interface MachineHabit {
  readonly dishwasher?: { readonly watts: number; readonly gaps: readonly number[] } | undefined;
  readonly washing?: { readonly watts: number } | undefined;
}

/** How close a block must be to what is known, how often it must have been seen to be known, and in what share of cycles. */
const known = { watts: 0.07, gapMin: 2, times: 3, share: 0.4 } as const;

/** What is kept of a cycle to learn from. */
export interface SeenCycle {
  readonly appliance: MachineUse['appliance'];
  /** W of each heating. */
  readonly watts: readonly number[];
  /** Minutes from the end of each heating to the next. */
  readonly gaps: readonly number[];
}

export const seenCycle = ({ appliance, blocks }: MachineUse): SeenCycle => ({
  appliance,
  watts: blocks.map((b) => Math.round(b.watts)),
  gaps: blocks.slice(1).map((b, i) => b.start - (blocks[i]?.end ?? 0)),
});

/**
 * Learns from cycles that were found without any habit, so that a mistake cannot confirm itself: mistakes do not
 * repeat as exactly as programmes do.
 */
export function learnMachines(seen: readonly SeenCycle[]): MachineHabit {
  const of = (appliance: SeenCycle['appliance']) => seen.filter((u) => u.appliance === appliance);
  const watts = (list: readonly SeenCycle[]) => {
    const sizes = list.flatMap((u) => u.watts.map((value) => ({ value, weight: 1 })));
    const best = densest(sizes, 2 * known.watts);
    return best !== undefined && best.weight >= Math.max(known.times, known.share * sizes.length)
      ? best.value
      : undefined;
  };
  const gaps = of('dishwasher').flatMap((u) => u.gaps);
  const usual = [...new Set(gaps)].filter(
    (gap) => gaps.filter((g) => Math.abs(g - gap) <= known.gapMin).length >= known.times,
  );
  const [dish, wash] = [watts(of('dishwasher')), watts(of('washing_machine'))];
  return {
    dishwasher: dish !== undefined && usual.length > 0 ? { watts: dish, gaps: usual } : undefined,
    washing: wash === undefined ? undefined : { watts: wash },
  };
}

const isLike = (block: Block, watts: number | undefined) =>
  watts !== undefined && isAlike(block, { sizes: [watts] }, known.watts);

/** A drum turns one way, rests, turns the other way: the power moves all the time, for at least a quarter of an hour. */
const washing = {
  longestMin: 45,
  leastMotion: 9,
  /** Times the motion that was there before it began. */
  aboveBefore: 1.6,
  leastShare: 0.5,
  /** Share by which a heater may differ from the one that the home is known to have. */
  alike: 0.12,
  /** A second heating after a longer pause is a second load. */
  sameLoadMin: 30,
  watts: [1_350, 2_700],
  tailMin: 150,
  pauseMin: 8,
} as const;

/** Power steps above this between minutes are other things switching. */
const otherStep = 350;

/** What is left when short loads are cut off, NaN while one runs. */
function quietPart(power: readonly number[], level: readonly number[]): number[] {
  return power.map((w, i) => (w - (level[i] ?? Number.NaN) > otherStep ? Number.NaN : w));
}

function steps(quiet: readonly number[], from: number, to: number): number[] {
  const found: number[] = [];
  for (let i = Math.max(1, from); i < Math.min(to, quiet.length); i += 1) {
    const step = Math.abs((quiet[i] ?? Number.NaN) - (quiet[i - 1] ?? Number.NaN));
    if (step <= otherStep) found.push(step);
  }
  return found;
}

/** Typical step between minutes; 0 where too little was seen to say. */
function motion(quiet: readonly number[], from: number, to: number): number {
  const found = steps(quiet, from, to);
  return found.length < 5 ? 0 : median(found);
}

/** Blocks that follow `chain` as the next heating of the same dishwasher. */
function nextHeating(
  chain: readonly Block[],
  blocks: readonly Block[],
  quiet: readonly number[],
  habit: MachineHabit['dishwasher'],
): Block | undefined {
  const last = chain.at(-1);
  if (last === undefined) return undefined;
  const [least, most] = dishwasher.gapMin;
  return blocks.find((b) => {
    const gap = b.start - last.end;
    if (gap < least || gap > most || b.end - b.start > dishwasher.longestMin) return false;
    if (!chain.some((c) => isAlike(b, c, dishwasher.alike))) return false;
    if (habit !== undefined && ![b, last].every((block) => isLike(block, habit.watts))) return false;
    if (habit?.gaps.some((g) => Math.abs(g - gap) <= known.gapMin) === true) return true;
    // Two loads of a washing machine heat twice as well, but its drum turns after each.
    if (drum(b, quiet, chain[0]) !== undefined && (chain.length > 1 || drum(last, quiet) !== undefined))
      return false;
    const calm = quantile(steps(quiet, last.end + 2, b.start - 1), 0.3);
    return calm <= (gap < 20 ? 2 : 1) * dishwasher.mostMotion;
  });
}

/** W from minute to minute after `block` if that is a drum that turns, and not what went on before `since` already. */
function drum(block: Block, quiet: readonly number[], since = block, wattsKnown = false): number | undefined {
  const before = motion(quiet, since.start - 45, since.start - 8);
  const after = steps(quiet, block.end + 2, block.end + 32);
  const moving = after.length < 8 ? 0 : median(after);
  const share = after.filter((s) => s >= 8).length / Math.max(1, after.length);
  const isNew = wattsKnown || moving >= washing.aboveBefore * before;
  return moving >= washing.leastMotion && isNew && share >= washing.leastShare ? moving : undefined;
}

function dishwashers(
  blocks: readonly Block[],
  quiet: readonly number[],
  habit: MachineHabit['dishwasher'],
): MachineUse[] {
  const found: MachineUse[] = [];
  const used = new Set<Block>();
  for (const first of blocks) {
    if (used.has(first) || first.end - first.start > dishwasher.longestMin) continue;
    const chain = [first];
    for (;;) {
      const next = nextHeating(chain, blocks, quiet, habit);
      if (next === undefined) break;
      chain.push(next);
    }
    const heating = chain.reduce((sum, b) => sum + b.end - b.start, 0);
    const [least, most] = dishwasher.heatingMin;
    // A heater that keeps a room or a tank warm goes on and on; no part of it is a dishwasher.
    if (chain.length > dishwasher.mostBlocks) for (const b of chain) used.add(b);
    if (chain.length < 2 || chain.length > dishwasher.mostBlocks || heating < least || heating > most)
      continue;
    for (const b of chain) used.add(b);
    const end = chain.at(-1)?.end ?? first.end;
    found.push({
      appliance: 'dishwasher',
      start: first.start,
      end,
      blocks: chain,
      motion: motion(quiet, first.end + 2, end),
    });
  }
  return found;
}

/** Where the drum comes to rest: the first minute after which it does not move for a while. */
function rest(quiet: readonly number[], from: number, least: number): number {
  const last = Math.min(quiet.length, from + washing.tailMin);
  let end = from;
  for (let i = from; i < last; i += 1) {
    const near = steps(quiet, i - 4, i + 5);
    if (near.length >= 3 && median(near) >= least) end = i + 1;
    if (i - end > washing.pauseMin) break;
  }
  return end;
}

function washingMachines(
  blocks: readonly Block[],
  quiet: readonly number[],
  habit: MachineHabit['washing'],
): MachineUse[] {
  const found: MachineUse[] = [];
  const [weakest, strongest] = washing.watts;
  for (const block of blocks) {
    if (block.end - block.start > washing.longestMin) continue;
    const size = Math.max(...block.sizes, block.watts);
    if (size < weakest || size > strongest) continue;
    const last = found.at(-1);
    const heated = last?.blocks.at(-1)?.end ?? 0;
    if (last !== undefined && block.start <= last.end + 2 && block.start - heated < washing.sameLoadMin) {
      const end = Math.max(
        last.end,
        rest(quiet, block.end + 1, Math.max(washing.leastMotion, 0.4 * last.motion)),
      );
      found[found.length - 1] = { ...last, end, blocks: [...last.blocks, block] };
      continue;
    }
    const again = last !== undefined && block.start - last.end < 45;
    if (habit !== undefined && !isAlike(block, { sizes: [habit.watts] }, washing.alike)) continue;
    const moving = drum(block, quiet, block, again || isLike(block, habit?.watts));
    if (moving === undefined) continue;
    const end = rest(quiet, block.end + 1, Math.max(washing.leastMotion, 0.3 * moving) * 0.8);
    if (end - block.end < 14) continue;
    found.push({ appliance: 'washing_machine', start: block.start, end, blocks: [block], motion: moving });
  }
  return found;
}

/** What the rules of machines look at: heater blocks, and the power between them without short loads. */
export interface Heatings {
  readonly blocks: readonly Block[];
  readonly quiet: readonly number[];
}

/** Prepares `power` (W by the minute, NaN where not measured) for `machineUses`. */
export function heatings(power: readonly number[]): Heatings {
  const level = opened(power, shortestBlock);
  return { blocks: blocksIn(power, level), quiet: quietPart(power, level) };
}

/** Cycles of dishwashers and washing machines, oldest first. */
export function machineUses({ blocks, quiet }: Heatings, habit: MachineHabit = {}): MachineUse[] {
  if (blocks.length === 0) return [];
  const washed = dishwashers(blocks, quiet, habit.dishwasher);
  const used = new Set(washed.flatMap((m) => m.blocks));
  const others = blocks.filter((b) => !used.has(b));
  return [...washed, ...washingMachines(others, quiet, habit.washing)].toSorted((a, b) => a.start - b.start);
}
