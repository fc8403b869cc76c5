import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
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

const seconds = z.number().min(0);
const pair = z.tuple([seconds, seconds]).transform(([start, end]) => ({ start, end, label: undefined }));
const named = z
  .looseObject({
    start: seconds.optional(),
    start_s: seconds.optional(),
    from: seconds.optional(),
    end: seconds.optional(),
    end_s: seconds.optional(),
    to: seconds.optional(),
    label: z.string().optional(),
  })
  .transform((one, context) => {
    const start = one.start ?? one.start_s ?? one.from;
    const end = one.end ?? one.end_s ?? one.to;
    if (start !== undefined && end !== undefined) return { start, end, label: one.label };
    context.addIssue('an event has a start and an end in seconds');
    return z.NEVER;
  });
const interval = z
  .union([pair, named])
  .refine(({ start, end }) => end > start, 'an event ends after it starts');

const about = z.looseObject({
  clip: z.string().optional(),
  label: z.string().optional(),
  events: z.array(interval),
});
const content = z.union([
  about.transform((one) => [one]),
  z.looseObject({ clips: z.array(about) }).transform(({ clips }) => clips),
  z.array(about),
  z.array(interval).transform((events) => [{ clip: undefined, label: undefined, events }]),
  z
    .record(z.string(), z.array(interval))
    .transform((all) => Object.entries(all).map(([clip, events]) => ({ clip, label: undefined, events }))),
]);

const suffix = 'events.json';
const video = /\.(mp4|mkv|avi|mov|webm|ts|h264|h265|mjpeg)$/i;

/** The clip that a file of truth is about: the one it names, the one it is called after, or the only one beside it. */
function clipOf(file: string, named_: string | undefined): string {
  const folder = path.dirname(file);
  const beside = globSync('*', { cwd: folder }).filter((name) => video.test(name));
  const stem = path.basename(file).slice(0, -suffix.length).replace(/\.$/, '');
  const wanted = named_ ?? (stem === '' ? undefined : stem);
  if (wanted !== undefined) {
    const exact = path.resolve(folder, wanted);
    // Truth names clips beside or below itself, and nothing else of this machine.
    if (exact.startsWith(path.resolve(folder) + path.sep) && existsSync(exact) && video.test(exact))
      return exact;
    const alike = beside.find((name) => name.replace(video, '') === wanted);
    if (alike !== undefined) return path.join(folder, alike);
    throw new RangeError(`there is no clip ${wanted} beside it`);
  }
  if (beside.length === 1) return path.join(folder, beside[0]!);
  throw new RangeError(`${beside.length} clips lie beside it and it names none`);
}

/**
 * Every clip under a folder that has its truth beside it: `events.json`, or `<clip>.events.json` with or without the
 * extension of the clip. It holds `{clip?, label?, events: [{start, end, label?} | [start, end]]}` in seconds from the
 * first frame; a list of such objects, one under `clips`, a bare list of intervals, and `{"clip.mp4": [intervals]}` are
 * read, too. A label is a class of the detectors; without one anything that moves counts.
 */
export function readTruths(folder: string): Truths {
  const clips: TrueClip[] = [];
  const refused: string[] = [];
  for (const name of globSync(`**/*${suffix}`, { cwd: folder }).toSorted()) {
    const base = path.basename(name);
    if (base !== suffix && !base.endsWith(`.${suffix}`)) continue;
    const file = path.join(folder, name);
    try {
      for (const { clip, label, events } of content.parse(JSON.parse(readFileSync(file, 'utf8'))))
        clips.push({
          file: clipOf(file, clip),
          events: events.map((event) => ({ ...event, label: event.label ?? label })),
        });
    } catch (error) {
      const why = error instanceof z.ZodError ? 'it holds no intervals' : reason(error);
      refused.push(`${name}: ${why.slice(0, 200)}`);
    }
  }
  return { clips, refused };
}
