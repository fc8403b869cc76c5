import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { usualClasses } from '#cctv/detect/config.ts';
import { loadDetector } from '#cctv/detect/detector.ts';
import type { Detector } from '#cctv/detect/model.ts';
import { prepareModel } from '#cctv/detect/prepare.ts';
import { defaultModel } from '#cctv/detect/registry.ts';
import { akin } from '#cctv/track/target.rules.ts';
import { reason } from '#kernel/errors.ts';
import { table } from '#platform/table.ts';
import { watchClip, type ClipEvent } from './lib/chain.ts';
import { judgeSpans, type SpanScore } from './lib/spans.ts';
import { readTruths, type TrueClip } from './lib/truth.ts';
import type { Suite, SuiteResult } from './suite.ts';

/** Events that follow one another within so many seconds are one happening: people come in groups and pass behind posts. */
const gapSeconds = 2;
/** A clip of traffic without truth that is only counted. */
const unjudged = 'cctv/car-detection.mp4';

interface Judged {
  readonly model: string;
  readonly scores: readonly SpanScore[];
  /** Seconds of video that one second of this machine watches. */
  readonly pace: number;
}

/** Each label of the truth is judged by itself; what the truth does not speak of is neither right nor wrong. */
function judgeClip(clip: TrueClip, events: readonly ClipEvent[]): SpanScore[] {
  const moved = events.filter((event) => event.moved);
  if (clip.events.length === 0) return [judgeSpans([], moved, gapSeconds)];
  return [...Map.groupBy(clip.events, ({ label }) => label)].map(([label, truth]) =>
    judgeSpans(
      truth,
      label === undefined ? moved : moved.filter((event) => akin(event.label, label)),
      gapSeconds,
    ),
  );
}

async function judge(
  detector: Detector,
  model: string,
  clips: readonly TrueClip[],
  refused: Set<string>,
): Promise<Judged> {
  const scores: SpanScore[] = [];
  let [seconds, took] = [0, 0];
  for (const clip of clips) {
    const watched = await watchClip(clip.file, detector).catch((error: unknown) => {
      refused.add(`${path.basename(clip.file)}: cannot be watched (${reason(error).slice(0, 160)})`);
      return { events: [], seconds: 0, tookSeconds: 0 };
    });
    scores.push(...judgeClip(clip, watched.events));
    seconds += watched.seconds;
    took += watched.tookSeconds;
  }
  return { model, scores, pace: seconds / took };
}

const sum = (scores: readonly SpanScore[], read: (score: SpanScore) => number) =>
  scores.reduce((total, score) => total + read(score), 0);

function medianSize(errors: readonly number[]): number | undefined {
  const sizes = errors.map(Math.abs).toSorted((a, b) => a - b);
  return sizes[sizes.length >> 1];
}

/** `found` is the share of the true intervals that are right, `false` how many happenings lie in their gaps. */
const scoresOf = ({ model, scores }: Judged): [string, number | undefined][] => {
  const items = sum(scores, (s) => s.items);
  return [
    [`${model}_found`, items === 0 ? undefined : sum(scores, (s) => s.right) / items],
    [`${model}_false`, sum(scores, (s) => s.extra)],
    [`${model}_start_error_s`, medianSize(scores.flatMap((s) => s.startErrors))],
    [`${model}_end_error_s`, medianSize(scores.flatMap((s) => s.endErrors))],
  ];
};

function report(judged: readonly Judged[], refused: Iterable<string>): string {
  const figure = (value: number | undefined) => value?.toFixed(2) ?? '-';
  const rows = judged.map(({ model, scores, pace }) => [
    model,
    `${sum(scores, (s) => s.right)} of ${sum(scores, (s) => s.items)}`,
    String(sum(scores, (s) => s.extra)),
    figure(medianSize(scores.flatMap((s) => s.startErrors))),
    figure(medianSize(scores.flatMap((s) => s.endErrors))),
    `${pace.toFixed(1)}x`,
    model === defaultModel ? 'works with nothing but npm' : '',
  ]);
  return [
    table(['MODEL', 'FOUND', 'FALSE', 'START ERROR S', 'END ERROR S', 'PACE', ''], rows),
    ...refused,
    `found: one group of events, joined within ${gapSeconds} s, over the true interval; errors are medians; usual settings`,
  ].join('\n');
}

/** Cars in the clip that nobody has annotated, by the model that needs no download. */
async function countTraffic(file: string, folder: string): Promise<string> {
  const detector = await open(defaultModel, folder);
  try {
    const { events, seconds } = await watchClip(file, detector);
    const vehicles = events.filter((event) => akin(event.label, 'car'));
    return (
      `${path.basename(file)} has no truth: ${defaultModel}, which works with nothing but npm, sees ` +
      `${vehicles.length} vehicles in ${seconds.toFixed(0)} s, ${vehicles.filter((v) => v.moved).length} of them moving`
    );
  } finally {
    await detector.close();
  }
}

async function open(model: string, folder: string): Promise<Detector> {
  const warn = (message: string) => console.error(message);
  // As the house looks: for the usual classes and no others.
  const prepared = await prepareModel({ model, classes: usualClasses }, folder);
  return loadDetector({ ...prepared, device: 'cpu', threads: 1, warn });
}

/**
 * Happenings in clips that come with their true intervals (`lib/truth.ts` says how they are written), as events of the
 * house with its usual settings. Right is what the detector that comes with Lares finds.
 */
const suite: Suite = {
  name: 'events',
  folder: '.',
  async run(dir): Promise<SuiteResult | undefined> {
    const { clips, refused: unread } = readTruths(dir);
    const refused = new Set(unread);
    const traffic = path.join(dir, unjudged);
    if (clips.length === 0 && refused.size === 0 && !existsSync(traffic)) return undefined;
    const folder = await mkdtemp(path.join(tmpdir(), 'lares-events-'));
    try {
      const extra = existsSync(traffic) ? [await countTraffic(traffic, folder)] : [];
      if (clips.length === 0) {
        const absent = `the data is absent: no clip under ${dir} has an events.json of intervals beside it`;
        return { items: 0, right: 0, scores: {}, report: [absent, ...refused, ...extra].join('\n') };
      }
      const models = path.join(dir, 'models');
      const given = existsSync(models) ? readdirSync(models).filter((f) => f.endsWith('.onnx')) : [];
      const judged: Judged[] = [];
      for (const model of [defaultModel, ...given.toSorted().map((f) => path.join(models, f))]) {
        const detector = await open(model, folder).catch((error: unknown) => reason(error).slice(0, 160));
        // A folder of models also holds those for faces and for telling people apart.
        if (typeof detector === 'string') {
          refused.add(`${path.basename(model)}: no detector (${detector})`);
          continue;
        }
        judged.push(await judge(detector, path.basename(model).replace(/\.onnx$/, ''), clips, refused));
        await detector.close();
      }
      const own = judged.find((j) => j.model === defaultModel)?.scores ?? [];
      return {
        items: sum(own, (s) => s.items),
        right: sum(own, (s) => s.right),
        scores: Object.fromEntries(judged.flatMap(scoresOf)),
        report: [report(judged, refused), ...extra].join('\n'),
      };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

export default suite;
