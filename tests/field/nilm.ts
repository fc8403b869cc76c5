import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type Appliance, onlyLearned, watchAll } from '#electricity/insight/appliances.rules.ts';
import { table } from '#platform/table.ts';
import type { Suite } from './suite.ts';

const minuteMs = 60_000;
const columns = {
  kettle: 'Kettle',
  washing_machine: 'WashingMachine',
  dishwasher: 'Dishwasher',
} as const satisfies Record<Appliance, string>;
const appliances = Object.keys(columns) as Appliance[];

interface Span {
  /** Epoch ms, `to` exclusive. */
  readonly from: number;
  readonly to: number;
}

/**
 * What counts as one use of an appliance in its sub-meter: minutes above `watts`, merged over pauses of at most
 * `pauseMin`, that use at least `wh` and reach `peak` watts. Less than 15 Wh does not boil a cup; a wash below
 * 1 kW never heated (a rinse, a spin) and is not looked for.
 */
const uses = {
  kettle: { watts: 100, pauseMin: 1, wh: 15, peak: 0 },
  washing_machine: { watts: 5, pauseMin: 5, wh: 100, peak: 1_000 },
  dishwasher: { watts: 5, pauseMin: 12, wh: 200, peak: 1_000 },
} as const;
/** The clocks of the meters of one home differ: a prediction may miss the use by this much. */
const toleranceMs = 2 * minuteMs;

interface Month {
  readonly name: string;
  /** Epoch ms of each row. */
  readonly at: readonly number[];
  readonly house: readonly number[];
  readonly meters: Partial<Record<Appliance, readonly number[]>>;
}

/** `Time,Aggregate,…` by the minute. A house that draws exactly 0 W was not measured. */
function parse(name: string, text: string): Month | undefined {
  const [head = '', ...lines] = text.trim().split(/\r?\n/);
  const names = head.split(',');
  if (names[0] !== 'Time' || !names.includes('Aggregate')) return undefined;
  const rows = lines.map((line) => line.split(','));
  const column = (title: string) => {
    const k = names.indexOf(title);
    return rows.map((row) => (row[k] === undefined || row[k] === '' ? Number.NaN : Number(row[k])));
  };
  return {
    name,
    at: rows.map((row) => Date.parse(`${(row[0] ?? '').replace(' ', 'T')}Z`)),
    house: column('Aggregate').map((w) => (w === 0 ? Number.NaN : w)),
    // A column in which nothing ever moves stands for an appliance without a sub-meter.
    meters: Object.fromEntries(
      appliances
        .filter((a) => names.includes(columns[a]))
        .map((a) => [a, column(columns[a])] as const)
        .filter(([a, watts]) => watts.some((w) => w > uses[a].watts)),
    ),
  };
}

/** The uses in one sub-meter, as `uses` defines them, while the whole house was measured. */
function truth(month: Month, appliance: Appliance): Span[] {
  const { watts, pauseMin, wh, peak } = uses[appliance];
  const meter = month.meters[appliance] ?? [];
  const spans: { from: number; to: number; wh: number; peak: number; seen: number; n: number }[] = [];
  for (const [i, at] of month.at.entries()) {
    const w = meter[i] ?? Number.NaN;
    if (!(w > watts)) continue;
    let last = spans.at(-1);
    if (last === undefined || at - last.to > pauseMin * minuteMs)
      spans.push((last = { from: at, to: at, wh: 0, peak: 0, seen: 0, n: 0 }));
    last.to = at + minuteMs;
    last.wh += w / 60;
    last.peak = Math.max(last.peak, w);
    last.n += 1;
    last.seen += Number.isNaN(month.house[i] ?? Number.NaN) ? 0 : 1;
  }
  return spans.filter((s) => s.wh >= wh && s.peak >= peak && s.seen >= s.n * 0.9);
}

/** How many predictions and uses pair off, one to one, where they overlap within the tolerance. Both sorted by time. */
function pairs(predicted: readonly Span[], real: readonly Span[]): number {
  const taken = new Set<Span>();
  for (const p of predicted.toSorted((a, b) => a.to - b.to)) {
    const match = real
      .filter((r) => !taken.has(r) && r.from < p.to + toleranceMs && p.from < r.to + toleranceMs)
      .toSorted((a, b) => a.to - b.to)[0];
    if (match !== undefined) taken.add(match);
  }
  return taken.size;
}

/** What people try first: up by 1.5 kW within two minutes and down again within five is a kettle. */
function naiveKettle(month: Month): Span[] {
  const found: Span[] = [];
  for (let i = 2; i < month.at.length; i += 1) {
    const [before = Number.NaN, now = Number.NaN] = [month.house[i - 2], month.house[i]];
    if (now - before < 1_500 || (month.at[i] ?? 0) < (found.at(-1)?.to ?? 0)) continue;
    const down = [1, 2, 3, 4, 5].find((n) => now - (month.house[i + n] ?? Number.NaN) > 1_500);
    const from = month.at[i - 1] ?? 0;
    if (down !== undefined) found.push({ from, to: from + (down + 1) * minuteMs });
  }
  return found;
}

/** A block above 1.5 kW of 8 to 40 minutes: a washing machine when alone for two hours, else a dishwasher. */
function naiveCycles(month: Month): Record<'washing_machine' | 'dishwasher', Span[]> {
  const blocks: { from: number; to: number }[] = [];
  for (const [i, at] of month.at.entries()) {
    if (!((month.house[i] ?? 0) > 1_500)) continue;
    const last = blocks.at(-1);
    if (last !== undefined && at <= last.to) last.to = at + minuteMs;
    else blocks.push({ from: at, to: at + minuteMs });
  }
  const long = blocks.filter((b) => b.to - b.from >= 8 * minuteMs && b.to - b.from <= 40 * minuteMs);
  const result: Record<'washing_machine' | 'dishwasher', Span[]> = { washing_machine: [], dishwasher: [] };
  for (let i = 0; i < long.length; i += 1) {
    const [a, b] = [long[i], long[i + 1]];
    if (a === undefined) continue;
    if (b !== undefined && b.from - a.to < 60 * minuteMs) {
      result.dishwasher.push({ from: a.from, to: b.to });
      i += 1;
    } else result.washing_machine.push({ from: a.from, to: a.to + 30 * minuteMs });
  }
  return result;
}

interface Tally {
  readonly right: number;
  readonly predicted: number;
  readonly real: number;
}

const none: Tally = { right: 0, predicted: 0, real: 0 };
const add = (a: Tally, b: Tally): Tally => ({
  right: a.right + b.right,
  predicted: a.predicted + b.predicted,
  real: a.real + b.real,
});
const f1 = ({ right, predicted, real }: Tally) =>
  predicted + real === 0 ? undefined : (2 * right) / (predicted + real);
const share = (part: number, whole: number) => (whole === 0 ? '-' : (part / whole).toFixed(3));
const figure = (x: number | undefined) => x?.toFixed(3) ?? '-';

/**
 * Kettle, washing machine and dishwasher found in the whole-house power of real homes, unlabelled: the sub-meters
 * only judge. Scores are F1 of events pooled over all files; an item is a real use, right when it was found.
 */
const suite: Suite = {
  name: 'nilm',
  folder: 'electricity/nilm',
  run: (dir) => {
    const months = globSync('*.gzip', { cwd: dir })
      .toSorted()
      .flatMap((file) => {
        const text = gunzipSync(readFileSync(path.join(dir, file))).toString();
        return parse(path.basename(file, '.gzip'), text) ?? [];
      });
    if (months.length === 0) return Promise.resolve(undefined);
    const pooled = {
      ours: new Map<Appliance, Tally>(),
      cold: new Map<Appliance, Tally>(),
      naive: new Map<Appliance, Tally>(),
    };
    const rows = months.flatMap((month) => {
      const end = month.at.at(-1) ?? 0;
      // An hour and more that nobody measured, so that the last uses settle.
      const rest = Array.from({ length: 75 }, (_, i) => [end + (i + 1) * minuteMs, Number.NaN] as const);
      const samples = [...month.at.map((at, i) => [at, month.house[i] ?? Number.NaN] as const), ...rest];
      const first = watchAll(samples);
      const found = watchAll(samples, onlyLearned(first.state)).events;
      const naive = { kettle: naiveKettle(month), ...naiveCycles(month) };
      return appliances
        .filter((a) => month.meters[a] !== undefined)
        .map((appliance) => {
          const real = truth(month, appliance);
          const judge = (p: readonly Span[]): Tally => ({
            right: pairs(p, real),
            predicted: p.length,
            real: real.length,
          });
          const tallies = {
            ours: judge(found.filter((e) => e.appliance === appliance)),
            cold: judge(first.events.filter((e) => e.appliance === appliance)),
            naive: judge(naive[appliance]),
          };
          const { ours, cold, naive: theirs } = tallies;
          for (const [kind, map] of Object.entries(pooled))
            map.set(appliance, add(map.get(appliance) ?? none, tallies[kind as keyof typeof tallies]));
          return [
            month.name,
            appliance,
            String(ours.real),
            String(ours.predicted),
            share(ours.right, ours.predicted),
            share(ours.right, ours.real),
            figure(f1(ours)),
            figure(f1(cold)),
            figure(f1(theirs)),
          ];
        });
    });
    const total = (kind: keyof typeof pooled) =>
      [...pooled[kind].entries()].filter(([, tally]) => tally.real > 0);
    const all = [...pooled.ours.values()].reduce(add, none);
    return Promise.resolve({
      items: all.real,
      right: all.right,
      scores: Object.fromEntries([
        ...total('ours').map(([a, tally]) => [`${a}_f1`, f1(tally)]),
        ...total('ours').map(([a, tally]) => [`${a}_precision`, tally.right / Math.max(1, tally.predicted)]),
        ...total('ours').map(([a, tally]) => [`${a}_recall`, tally.right / tally.real]),
        ...total('cold').map(([a, tally]) => [`cold.${a}_f1`, f1(tally)]),
        ...total('naive').map(([a, tally]) => [`naive.${a}_f1`, f1(tally)]),
      ]),
      report: table(
        ['FILE', 'APPLIANCE', 'USES', 'FOUND', 'PRECISION', 'RECALL', 'F1', 'COLD F1', 'NAIVE F1'],
        rows,
      ),
    });
  },
};

export default suite;
