import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { cocoClasses } from '#cctv/detect/classes.ts';
import { reason } from '#kernel/errors.ts';
import type { Span } from './spans.ts';

/** A clip and when something happens in it. */
export interface TrueClip {
  readonly file: string;
  readonly events: readonly (Span & { readonly label: string | undefined })[];
}

export interface Truths {
  readonly clips: readonly TrueClip[];
  /** Files that are called like truth and are none, each with the reason. */
  readonly refused: string[];
}

/** What an object says for all that is inside it. */
interface Context {
  readonly clip?: string | undefined;
  readonly label?: string | undefined;
  readonly fps?: number | undefined;
}

interface Told extends Context {
  /** Absent where a clip is named in which nothing happens. */
  readonly span?: Span;
}

// Spellings of keys, in small letters without anything between: `start`, `start_s`, `startTime`, `t0`, `first_frame`.
const unit = '(s|sec|secs|second|seconds|ms|msec|millis|milliseconds|frame|frames)?';
const starts = new RegExp(
  `^(?:(?:t|time)?start|starttime|start(?:s|ed)?at|begins?|from|enter|in|t0|first)${unit}$`,
);
const ends = new RegExp(
  `^(?:(?:t|time)?end|endtime|end(?:s|ed)?at|stop|finish|to|until|exit|leave|out|t1|last)${unit}$`,
);
const lengths = new RegExp(`^(?:duration|length)${unit}$`);
const labels = /^(label|class|classname|category|object|kind|type|what|name|description)$/;
const names = /^(clip|clipname|video|videofile|file|filename|source|path|media)$/;
const lists =
  /^(events?|intervals?|spans?|segments?|ranges?|times?|annotations?|truths?|groundtruth|items|visits|clips|videos|files|data)$/;
const rates = /^(fps|framerate)$/;
const video = /\.(mp4|m4v|mkv|avi|mov|webm|ts|h264|h265|mjpeg)$/i;

const plain = (key: string) => key.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

/** Words for what COCO calls otherwise. */
const words: Readonly<Record<string, string>> = {
  people: 'person',
  persons: 'person',
  pedestrian: 'person',
  pedestrians: 'person',
  human: 'person',
  man: 'person',
  woman: 'person',
  vehicle: 'car',
  vehicles: 'car',
  bike: 'bicycle',
  motorbike: 'motorcycle',
};

/** The class that a text speaks of, such as that of `person enters`; undefined where it speaks of none. */
function labelIn(text: string): string | undefined {
  const said = text.trim().toLowerCase();
  if (cocoClasses.includes(said)) return said;
  return said
    .split(/[^a-z]+/)
    .map((word) => [words[word], word, word.replace(/s$/, '')].find((w) => w && cocoClasses.includes(w)))
    .find((word) => word !== undefined);
}

/** Seconds: a number, `12.5`, or `[hours:]minutes:seconds`. */
function seconds(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value : undefined;
  if (typeof value !== 'string' || !/^(\d+:){0,2}\d+(\.\d+)?$/.test(value.trim())) return undefined;
  return value
    .trim()
    .split(':')
    .reduce((sum, part) => 60 * sum + Number(part), 0);
}

type Fields = readonly (readonly [key: string, value: unknown])[];

/** The first field that is called so and is a time, in seconds. Throws RangeError for frames without a rate. */
function timeOf(fields: Fields, spelling: RegExp, fps: number | undefined): number | undefined {
  for (const [key, value] of fields) {
    const match = spelling.exec(plain(key));
    const number = match === null ? undefined : seconds(value);
    if (match === null || number === undefined) continue;
    const [, suffix = ''] = match;
    if (suffix.startsWith('m')) return number / 1000;
    if (!suffix.startsWith('f')) return number;
    if (fps === undefined || fps === 0) throw new RangeError('it counts in frames and has no fps');
    return number / fps;
  }
  return undefined;
}

function spanOf(start: number, end: number): Span {
  if (end <= start) throw new RangeError(`an event ends at ${end} s and starts at ${start} s`);
  return { start, end };
}

/** What an object says of one event; undefined where it is none. */
function spanIn(fields: Fields, { fps }: Context): Span | undefined {
  const start = timeOf(fields, starts, fps);
  const length = timeOf(fields, lengths, fps);
  const end =
    timeOf(fields, ends, fps) ?? (start === undefined || length === undefined ? undefined : start + length);
  if (start !== undefined && end !== undefined) return spanOf(start, end);
  // `t1` is a start where `t2` is its end.
  const both = ['t1', 't2'].map((name) => seconds(fields.find(([key]) => plain(key) === name)?.[1]));
  if (both[0] !== undefined && both[1] !== undefined) return spanOf(both[0], both[1]);
  if (start === undefined) return undefined;
  throw new RangeError(`an event starts at ${start} s and has no end`);
}

/** Everything that a value tells, whatever it is wrapped in. `isClip` knows the names of the clips that are there. */
function* tell(value: unknown, context: Context, isClip: (name: string) => boolean): Generator<Told> {
  if (Array.isArray(value)) {
    const [start, end] = [seconds(value[0]), seconds(value[1])];
    const label = typeof value[2] === 'string' ? labelIn(value[2]) : undefined;
    if (start !== undefined && end !== undefined && value.length <= 3)
      yield { ...context, ...(label !== undefined && { label }), span: spanOf(start, end) };
    else for (const one of value) yield* tell(one, context, isClip);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const fields = Object.entries(value);
  const said = (spelling: RegExp) =>
    fields.flatMap(([key, text]) => (spelling.test(plain(key)) && typeof text === 'string' ? [text] : []));
  const rate: unknown = fields.find(([key]) => rates.test(plain(key)))?.[1];
  const own: Context = {
    clip: said(/^clip$/)[0] ?? said(names).find((name) => video.test(name) || isClip(name)) ?? context.clip,
    label:
      said(labels)
        .map(labelIn)
        .find((label) => label !== undefined) ?? context.label,
    fps: typeof rate === 'number' ? rate : context.fps,
  };
  let inner = false;
  for (const [key, inside] of fields) {
    if (typeof inside !== 'object' || inside === null) continue;
    const clip = video.test(key) || isClip(key);
    const label = clip ? undefined : labelIn(key);
    if (!clip && label === undefined && !lists.test(plain(key))) continue;
    inner = true;
    const about = { ...own, ...(clip && { clip: key }), ...(label !== undefined && { label }) };
    if (Array.isArray(inside) && inside.length === 0) yield about;
    else yield* tell(inside, about, isClip);
  }
  // A clip, too, may have a start and an end; what is inside it is what happens.
  const span = inner ? undefined : spanIn(fields, own);
  if (span !== undefined) yield { ...own, span };
}

const suffix = 'events.json';
const isTruth = (name: string) => /(?:^|[._-])events\.json$/i.test(path.basename(name));

const clipsBelow = (folder: string) =>
  globSync('**/*', { cwd: folder })
    .filter((name) => video.test(name))
    .map((name) => path.resolve(folder, name));

/** The clip of that name, with or without its extension. */
const called = (clips: readonly string[], name: string): string | undefined => {
  const wanted = path.basename(name).toLowerCase();
  return clips.find((clip) => {
    const own = path.basename(clip).toLowerCase();
    return own === wanted || own.replace(video, '') === wanted;
  });
};

/** The clip that a file of truth is about: the one it names, the one it is called after, or the only one beside it. */
function clipOf(clips: readonly string[], file: string, named: string | undefined): string {
  const folder = path.resolve(path.dirname(file));
  const stem = path
    .basename(file)
    .slice(0, -suffix.length)
    .replace(/[._-]$/, '');
  const wanted = named ?? (stem === '' ? undefined : stem);
  if (wanted === undefined) {
    const beside = clips.filter((clip) => path.dirname(clip) === folder);
    if (beside.length === 1) return beside[0]!;
    throw new RangeError(`${beside.length} clips lie beside it and it names none`);
  }
  // Truth names clips of its own data, and nothing else of this machine.
  const exact = path.resolve(folder, wanted);
  if (clips.includes(exact)) return exact;
  const near = clips.filter((clip) => clip.startsWith(folder + path.sep));
  const alike = called(near, wanted) ?? called(clips, wanted);
  if (alike !== undefined) return alike;
  throw new RangeError(`there is no clip ${wanted.slice(0, 80)}`);
}

/** What one file says, by clip. Throws RangeError or SyntaxError with the reason. */
function read(file: string, clips: readonly string[]): TrueClip[] {
  const isClip = (name: string) => called(clips, name) !== undefined;
  const told = [...tell(JSON.parse(readFileSync(file, 'utf8')), {}, isClip)];
  if (told.length === 0) throw new RangeError('it holds no intervals');
  return [...Map.groupBy(told, ({ clip }) => clipOf(clips, file, clip))].map(([clip, all]) => ({
    file: clip,
    events: all.flatMap(({ span, label }) => (span === undefined ? [] : [{ ...span, label }])),
  }));
}

/**
 * Every clip under a folder that has its truth in it: `events.json`, or `<clip>.events.json` with or without the
 * extension of the clip. It holds intervals in seconds from the first frame as `{start, end, label?}` or `[start, end]`,
 * in a list, in lists by clip or by label, or in objects `{clip?, label?, events: […]}`, for one clip or for several.
 * Usual spellings of the keys, `[h:]m:s`, milliseconds (`start_ms`) and frames (`start_frame` with `fps`) are read, too.
 * A label is a class of the detectors; without one anything that moves counts.
 */
export function readTruths(folder: string): Truths {
  const clips: TrueClip[] = [];
  const refused: string[] = [];
  const there = clipsBelow(folder);
  for (const name of globSync('**/*.json', { cwd: folder }).filter(isTruth).toSorted())
    try {
      clips.push(...read(path.join(folder, name), there));
    } catch (error) {
      refused.push(`${name}: ${reason(error).slice(0, 200)}`);
    }
  return { clips, refused };
}
