import { chmod, copyFile, mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type * as z from 'zod';
import { LaresError } from '#kernel/errors.ts';
import { table } from '#platform/table.ts';
import type { Box } from '../model.ts';
import {
  calibrationFile,
  pointsFile,
  type CalibrationFile,
  type PointsFile,
  type ReferenceSetting,
} from './config.ts';
import { gridSvg } from './overlay.render.ts';
import { isLikely } from './projection.rules.ts';
import { referencesOn, resolve, solve } from './solve.rules.ts';
import type { Calibration } from './view.rules.ts';

/**
 * Reads the text of a calibration file. Throws CONFIG_INVALID with the file, what is wrong and where.
 * @param file its name, for the message
 */
export function loadCalibration(text: string, file: string): Calibration & { readonly madeAt: number } {
  const parsed = readJson(text, file, calibrationFile);
  const { width, height } = parsed.measured.picture;
  const projection = { aspect: width / height, ...parsed.projection };
  const references = new Map(
    Object.entries(parsed.references).map(([name, r]) => [name, resolve(name, r, projection)]),
  );
  return { camera: parsed.camera, madeAt: Date.parse(parsed.created), projection, references };
}

/** Where the calibration of a camera is kept below the folder of settings. Ids that are no plain file name are refused. */
export function calibrationPath(configFolder: string, camera: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(camera))
    throw new LaresError(
      'USAGE',
      `${JSON.stringify(camera)} is no id of a camera: letters, digits, _ . and - only`,
    );
  return path.join(configFolder, 'calibration', `${camera}.json`);
}

/** The calibration of a camera; undefined when it has none. Throws CONFIG_INVALID for a damaged file. */
export async function readCalibration(
  configFolder: string,
  camera: string,
): Promise<Calibration | undefined> {
  const file = calibrationPath(configFolder, camera);
  const text = await readIfThere(file);
  return text === undefined ? undefined : loadCalibration(text, file);
}

export interface CalibrateRequest {
  readonly configFolder: string;
  readonly camera: string;
  /** Epoch milliseconds. */
  readonly now: number;
  /** A JSON file of measured points, see `pointsFile`. */
  readonly pointsFile?: string;
  readonly height?: number;
  readonly tilt?: number;
  readonly roll?: number;
  /** Degrees from left to right. */
  readonly fov?: number;
  /** Size of the picture, where no file tells it. */
  readonly picture?: { readonly width: number; readonly height: number };
  /** `gate=point:3,12.5`, see `parseReference`. */
  readonly references: readonly string[];
  /** Boxes of people who walked by; empty when they are not to be used. */
  readonly people: readonly Box[];
  /** A snapshot to draw the ground over: a file or a `data:` address. */
  readonly image?: string;
}

export interface Calibrated {
  readonly file: string;
  /** The former calibration, where there was one. */
  readonly backup?: string;
  /** A drawing of the ground over the picture. */
  readonly drawing: string;
  readonly calibration: Calibration;
  readonly method: CalibrationFile['method'];
  /** What is to be expected of it, for people. */
  readonly report: string;
}

/**
 * Calibrates a camera and writes `calibration/<id>.json` and a drawing beside it; the former one stays as `.bak`. Without
 * new measurements, references are added to the calibration that is there. Throws CONFIG_INVALID, USAGE or NOT_FOUND.
 */
export async function calibrate(request: CalibrateRequest): Promise<Calibrated> {
  const file = calibrationPath(request.configFolder, request.camera);
  const formerText = await readIfThere(file);
  const former = formerText === undefined ? undefined : readJson(formerText, file, calibrationFile);
  const measured = await measurementsOf(request, former);
  const result =
    former !== undefined && !isMeasurement(request)
      ? withReferences(former, measured.references)
      : solve({ camera: request.camera, now: request.now, people: request.people, measured });
  const text = `${JSON.stringify(result, undefined, 2)}\n`;
  const calibration = loadCalibration(text, file);
  const drawing = file.replace(/json$/, 'svg');
  await mkdir(path.dirname(file), { recursive: true });
  const backup = `${file}.bak`;
  if (formerText !== undefined) await copyFile(file, backup);
  await replace(file, text);
  // The snapshot is in it: readable as snapshots are.
  await writeFile(drawing, gridSvg(calibration, result.measured.picture, request.image), { mode: 0o600 });
  await chmod(drawing, 0o600);
  return {
    file,
    drawing,
    calibration,
    method: result.method,
    report: reportOf(result),
    ...(formerText === undefined ? {} : { backup }),
  };
}

/** Whether a request measures anew; otherwise it only adds references. */
const isMeasurement = (request: CalibrateRequest): boolean =>
  request.people.length > 0 ||
  [request.pointsFile, request.height, request.tilt, request.roll, request.fov].some((v) => v !== undefined);

/** The same ground, made at the same time: who walked by for it is not kept, so it cannot be made again. */
function withReferences(former: CalibrationFile, references: PointsFile['references'] = {}): CalibrationFile {
  const { width, height } = former.measured.picture;
  const projection = { aspect: width / height, ...former.projection };
  return {
    ...former,
    measured: { ...former.measured, references },
    references: referencesOn(references, projection),
  };
}

/** What is to be expected of the calibration that is there. Throws NOT_FOUND when there is none. */
export async function checkCalibration(configFolder: string, camera: string): Promise<string> {
  const file = calibrationPath(configFolder, camera);
  const text = await readIfThere(file);
  if (text === undefined)
    throw new LaresError(
      'NOT_FOUND',
      `${camera} is not calibrated: there is no ${file}. Run lares cctv calibrate --camera ${camera} --points FILE`,
    );
  return reportOf(readJson(text, file, calibrationFile));
}

const methods: Readonly<Record<CalibrationFile['method'], string>> = {
  points: 'points with metres',
  distances: 'lengths between points',
  pinhole: 'height, tilt and field of view',
  people: 'people walking by',
};

/** Eight numbers of four points make the eight of a ground, whatever they are. */
const fitOf = (metres: readonly number[]): string[] =>
  metres.length === 0
    ? []
    : metres.length === 4
      ? ['four points fit whatever was measured; a fifth shows a wrong one']
      : [`points are off by ${metres.map((m) => m.toFixed(2)).join(', ')} m; look at one that stands out`];

function reportOf({ camera, created, method, projection, errors, references }: CalibrationFile): string {
  return [
    `${camera}, calibrated by ${methods[method]} at ${created}`,
    ...(isLikely(projection)
      ? []
      : [
          'no camera sees a ground like this: two points are swapped, a number is wrong, or the picture is squeezed',
        ]),
    ...fitOf(errors.points_m),
    ...(errors.people_height_m === undefined
      ? []
      : [`people look ${errors.people_height_m.toFixed(2)} m tall; 1.60 to 1.80 is right`]),
    errors.expected.length === 0
      ? 'no ground 5 to 30 m away is in the picture'
      : table(
          ['metres away', 'a person is found within (one standard deviation)'],
          errors.expected.map((e) => [String(e.at_m), `${e.sigma_m.toFixed(2)} m`]),
        ),
    `references: ${Object.keys(references).join(', ') || 'none; add one with --reference gate=point:X,Y'}`,
  ].join('\n');
}

/**
 * Reads `name=kind:x,y;x,y`: kind is point, line or polygon; metres on the ground, or places of the picture when both
 * numbers end in %. Throws USAGE.
 */
export function parseReference(text: string): [name: string, reference: ReferenceSetting] {
  const found = /^([a-z][a-z0-9_]{0,39})=(point|line|polygon):(.+)$/.exec(text);
  const pairs = found?.[3]?.split(';').map((pair) => pair.split(',').map((v) => v.trim())) ?? [];
  const all = pairs.flat();
  const share = all.every((v) => v.endsWith('%'));
  const numbers = all.map((v) => (share ? Number(v.slice(0, -1)) / 100 : Number(v)));
  if (
    found === null ||
    pairs.some((p) => p.length !== 2) ||
    all.includes('') ||
    !numbers.every(Number.isFinite)
  )
    throw new LaresError(
      'USAGE',
      `${JSON.stringify(text.slice(0, 80))} is no reference: write gate=point:3.0,12.5 (metres), gate=point:50%,80% (of the picture), fence=line:0,5;8,5 or drive=polygon:0,0;4,0;4,9;0,9`,
    );
  const points = pairs.map((_, i): [number, number] => [numbers[2 * i]!, numbers[2 * i + 1]!]);
  const kind = found[2] as ReferenceSetting['kind'];
  return [found[1]!, share ? { kind, picture: points } : { kind, ground: points }];
}

async function measurementsOf(
  request: CalibrateRequest,
  former: CalibrationFile | undefined,
): Promise<PointsFile & { picture: { width: number; height: number } }> {
  const file = request.pointsFile;
  const fromFile = file === undefined ? {} : readJson(await readNamed(file), file, pointsFile);
  const pinhole = {
    ...(request.height === undefined ? {} : { height_m: request.height }),
    ...(request.tilt === undefined ? {} : { tilt_deg: request.tilt }),
    ...(request.roll === undefined ? {} : { roll_deg: request.roll }),
    ...(request.fov === undefined ? {} : { horizontal_fov_deg: request.fov }),
  };
  const given = Object.keys(pinhole).length > 0;
  const base: PointsFile = file !== undefined || given || former === undefined ? fromFile : former.measured;
  const picture = base.picture ?? request.picture ?? former?.measured.picture;
  if (picture === undefined)
    throw new LaresError(
      'USAGE',
      'The size of the picture is not known: write "picture": {"width": 1920, "height": 1080} into the points file, or let the camera run',
    );
  return {
    ...base,
    picture,
    ...(given ? { pinhole: { ...base.pinhole, ...pinhole } } : {}),
    references: {
      // References in metres stay where they are; clicked ones are found anew on the new ground.
      ...former?.measured.references,
      ...base.references,
      ...Object.fromEntries(request.references.map(parseReference)),
    },
  };
}

function readJson<T>(text: string, file: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new LaresError(
      'CONFIG_INVALID',
      `${file} is no JSON: ${cause instanceof Error ? cause.message : ''}`,
      { cause },
    );
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues
    .slice(0, 5)
    .map((i) => `${i.path.join('.') || 'the file'}: ${i.message}`);
  throw new LaresError('CONFIG_INVALID', `${file} is wrong: ${issues.join('; ')}`);
}

async function readNamed(file: string): Promise<string> {
  const text = await readIfThere(file);
  if (text === undefined) throw new LaresError('NOT_FOUND', `There is no file ${file}`);
  return text;
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new LaresError('CONFIG_UNREADABLE', `${file} cannot be read`, { cause });
  }
}

/** Readers see the old file or the new one, also after a loss of power. */
async function replace(file: string, text: string): Promise<void> {
  const temporary = `${file}.new`;
  const handle = await open(temporary, 'w', 0o644);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}
