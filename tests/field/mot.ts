import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { table } from '#platform/table.ts';
import { parseMot, score, type Sight } from './lib/mot.ts';
import { followers, judge, mean, percent, type Footage, type FollowerName } from './lib/tracking.ts';
import type { Suite } from './suite.ts';

/** Shares of the best score in the file at which tracks may begin: judged over a range, not at the best. */
const thresholds = [0.5, 0.65, 0.8];
/** Where there is no `seqinfo.ini`: the usual sizes of such sequences, the smallest that holds all boxes. */
const usualSizes = [
  [640, 480],
  [768, 576],
  [1280, 720],
  [1920, 1080],
] as const;
const usualFps = 25;

interface Sequence {
  readonly name: string;
  readonly fps: number;
  readonly footage: Footage;
  readonly truth: readonly Sight[];
  /** The output of somebody else's tracker, for our evaluator. */
  readonly reference: readonly Sight[] | undefined;
}

function readSequence(folder: string): Sequence | undefined {
  const read = (file: string) => {
    const full = path.join(folder, file);
    return existsSync(full) ? parseMot(readFileSync(full, 'utf8')) : undefined;
  };
  const truth = read('gt.txt') ?? read('gt/gt.txt');
  const detections = read('det.txt') ?? read('det/det.txt');
  if (truth === undefined || detections === undefined || truth.length === 0 || detections.length === 0)
    return undefined;
  // A row of the truth with the mark 0 is not to be judged.
  const judged = truth.filter((t) => t.score !== 0);
  const info = path.join(folder, 'seqinfo.ini');
  const text = existsSync(info) ? readFileSync(info, 'utf8') : '';
  const given = (key: string) =>
    Number(new RegExp(`^${key}\\s*=\\s*(\\d+)`, 'mi').exec(text)?.[1]) || undefined;
  const middles = [...judged, ...detections].map(({ box: b }) => [
    b.left + b.width / 2,
    b.top + b.height / 2,
  ]);
  const [usualWidth, usualHeight] =
    usualSizes.find(([w, h]) => middles.every(([x, y]) => x! <= w && y! <= h)) ?? usualSizes.at(-1)!;
  const width = given('imWidth') ?? usualWidth;
  const height = given('imHeight') ?? usualHeight;
  const fps = given('frameRate') ?? usualFps;
  const best = detections.reduce((most, d) => Math.max(most, d.score), 0);
  const share = ({ box }: Sight) => ({
    left: box.left / width,
    top: box.top / height,
    width: box.width / width,
    height: box.height / height,
  });
  const truths = Map.groupBy(judged, ({ frame }) => frame);
  const seen = Map.groupBy(detections, ({ frame }) => frame);
  const last = Math.max(...truths.keys(), ...seen.keys());
  const frames = Array.from({ length: last }, (_, i) => ({
    at: ((i + 1) * 1000) / fps,
    detections: (seen.get(i + 1) ?? []).map((d) => ({
      box: share(d),
      label: 'person',
      score: best > 0 ? d.score / best : 1,
    })),
    truth: (truths.get(i + 1) ?? []).map((t) => ({ id: t.id, box: share(t) })),
  }));
  return {
    name: path.basename(folder),
    fps,
    footage: { width, height, frames },
    truth: judged,
    reference: read('test.txt'),
  };
}

/**
 * Our tracker and its rivals on given detections of MOTChallenge sequences, means over a range of thresholds; and our
 * evaluator on the output of another tracker, whose published figures it must give.
 */
const suite: Suite = {
  name: 'mot',
  folder: 'cctv/mot',
  run: (dir) => {
    const sequences = readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .toSorted()
      .flatMap((name) => readSequence(path.join(dir, name)) ?? []);
    if (sequences.length === 0) return Promise.resolve(undefined);
    const scores: Record<string, number | undefined> = {};
    const rows: string[][] = [];
    let items = 0;
    let right = 0;
    for (const { name, fps, footage, truth, reference } of sequences) {
      for (const who of Object.keys(followers) as FollowerName[]) {
        // There are no pixels here, so nothing has colours.
        if (who === 'ours, no colours') continue;
        const results = thresholds.map((threshold) =>
          judge(footage, followers[who](footage, threshold, fps)),
        );
        const [mota, idf1] = [mean(results.map((r) => r.mota)), mean(results.map((r) => r.idf1))];
        rows.push([
          name,
          who,
          percent(mota),
          percent(idf1),
          results.map((r) => r.falsePositives).join(' '),
          results.map((r) => r.misses).join(' '),
          results.map((r) => r.switches).join(' '),
        ]);
        if (who !== 'ours') continue;
        scores[`${name}_mota`] = mota;
        scores[`${name}_idf1`] = idf1;
        const middle = results[results.length >> 1]!;
        items += middle.truths;
        right += middle.truths - middle.misses;
      }
      if (reference === undefined) continue;
      const r = score(truth, reference);
      rows.push([
        name,
        'test.txt, as given',
        percent(r.mota),
        percent(r.idf1),
        String(r.falsePositives),
        String(r.misses),
        String(r.switches),
      ]);
      scores[`${name}_reference_mota`] = r.mota;
      scores[`${name}_reference_idf1`] = r.idf1;
      scores[`${name}_reference_false_positives`] = r.falsePositives;
      scores[`${name}_reference_misses`] = r.misses;
      scores[`${name}_reference_switches`] = r.switches;
    }
    const head = ['SEQUENCE', 'TRACKER', 'MOTA', 'IDF1', 'FALSE', 'MISSED', 'SWITCHES'];
    const note = `thresholds ${thresholds.join(', ')} of the best score; MOTA and IDF1 are means`;
    return Promise.resolve({ items, right, scores, report: `${table(head, rows)}\n${note}` });
  },
};

export default suite;
