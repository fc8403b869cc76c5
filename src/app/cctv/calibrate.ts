import path from 'node:path';
import type { Command } from 'commander';
import type { EventBook } from '#cctv/book/book.ts';
import { calibrate, checkCalibration } from '#cctv/ground/calibrate.ts';
import type { CctvBody } from '#cctv/index.ts';
import type { Box } from '#cctv/model.ts';
import { LaresError } from '#kernel/errors.ts';
import { systemClock } from '#platform/clock.ts';
import { calibrationFolder } from '#cctv/ground/folder.rules.ts';
import { daysOf, withBook } from './book.ts';
import { targetsOf, tryStream } from './try.ts';
import { loadAlone, type cliHouse } from '../context.ts';
import type { HouseConfig } from '../config.ts';

type House = ReturnType<typeof cliHouse>;
interface Size {
  readonly width: number;
  readonly height: number;
}

interface CalibrateOptions {
  readonly camera: string;
  readonly check?: boolean;
  readonly points?: string;
  readonly height?: string;
  readonly tilt?: string;
  readonly roll?: string;
  readonly fov?: string;
  readonly picture?: string;
  readonly reference?: string[];
  readonly people?: string;
  readonly image?: string;
}

const dayMs = 86_400_000;
const mostPeople = 2_000;
const lookMs = 10_000;

const collected = (value: string, before: readonly string[] = []) => [...before, value];

/** `lares cctv calibrate`, the original's `calibrate_camera`. */
export function calibrateCommand(cctv: Command, house: House): void {
  cctv
    .command('calibrate')
    .description('say where a camera stands, so that distances are known in metres; or --check what is known')
    .requiredOption('--camera <id>', 'a camera of the settings')
    .option('--check', 'what is to be expected of the calibration that is there')
    .option(
      '--points <file>',
      'JSON of points of the picture and where they are on the ground, or how far apart',
    )
    .option('--height <metres>', 'of the camera over the ground')
    .option('--tilt <degrees>', 'how far it looks down from level')
    .option('--roll <degrees>', 'how far it leans to the right; 0 unless given')
    .option('--fov <degrees>', 'how wide it sees, from left to right')
    .option('--people <days>', 'refine by the people who walked by in the last days')
    .option(
      '--reference <name=kind:x,y>',
      'gate=point:3.0,12.5 in metres, fence=line:0,5;8,5; may be given again',
      collected,
    )
    .option('--picture <size>', 'width and height in pixels, 1920x1080; the camera is asked unless given')
    .option('--image <file>', 'a picture to draw the ground over')
    .action((options: CalibrateOptions) => run(house, options));
}

async function run(house: House, options: CalibrateOptions): Promise<void> {
  const file = house.configFile();
  if (file === undefined)
    throw new LaresError('CONFIG_UNREADABLE', 'there is no lares.yaml here; write one with: lares init');
  // A rule may wait for just this calibration, so what rules name is not held against the house here.
  const { config } = loadAlone(file, house.env);
  const { camera } = options;
  if (!config.cameras.some((c) => c.id === camera))
    throw new LaresError(
      'NOT_FOUND',
      `there is no camera ${camera}; ${config.cameras.length === 0 ? 'add one with: lares cctv add' : `there are ${config.cameras.map((c) => c.id).join(', ')}`}`,
    );
  const configFolder = path.dirname(calibrationFolder(path.dirname(path.resolve(file))));
  if (options.check === true) {
    const report = await checkCalibration(configFolder, camera);
    return house.print({ camera, report }, () => report);
  }
  const people = options.people === undefined ? [] : await passersBy(house, camera, daysOf(options.people));
  const done = await calibrate({
    configFolder,
    camera,
    now: systemClock.now(),
    people,
    references: options.reference ?? [],
    ...numbers(options),
    ...(options.points === undefined ? {} : { pointsFile: options.points }),
    ...named('image', options.image ?? (await pictureNow(house, camera))),
    ...named('picture', sizeOf(options.picture) ?? (await sizeNow(house, config, options))),
  });
  const { file: calibration, drawing, backup, method, report } = done;
  house.print({ camera, method, file: calibration, drawing, ...named('backup', backup), report }, () =>
    [
      report,
      `written: ${calibration}${backup === undefined ? '' : `; the former one is ${path.basename(backup)}`}`,
      `look at ${drawing}: its lines must lie on the ground. A running service takes it within ten seconds`,
    ].join('\n'),
  );
}

const named = <K extends string, T>(key: K, value: T | undefined): Partial<Record<K, T>> =>
  value === undefined ? {} : ({ [key]: value } as Record<K, T>);

function numbers(options: CalibrateOptions): Partial<Record<'height' | 'tilt' | 'roll' | 'fov', number>> {
  const given = (['height', 'tilt', 'roll', 'fov'] as const).flatMap((key) => {
    const text = options[key];
    if (text === undefined) return [];
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (!Number.isFinite(value)) throw new LaresError('USAGE', `--${key} ${text}: expected a number`);
    return [[key, value]];
  });
  return Object.fromEntries(given) as Partial<Record<'height', number>>;
}

function sizeOf(text: string | undefined): Size | undefined {
  if (text === undefined) return undefined;
  const [, width, height] = /^(\d{2,5})[x×](\d{2,5})$/.exec(text) ?? [];
  if (width === undefined) throw new LaresError('USAGE', `--picture ${text}: expected pixels like 1920x1080`);
  return { width: Number(width), height: Number(height) };
}

/** The size of the picture: of the running service, else of the camera itself; undefined where neither answers. */
async function sizeNow(
  house: House,
  config: HouseConfig,
  options: CalibrateOptions,
): Promise<Size | undefined> {
  // A file of points says itself to which picture they belong.
  if (options.points !== undefined) return undefined;
  const said = (await house.get('/api/cctv').catch(() => undefined)) as CctvBody | undefined;
  const running = said?.cameras?.find((c) => c.id === options.camera)?.streams.detect;
  if (running !== undefined && running.width > 0) return { width: running.width, height: running.height };
  const camera = config.cameras.find((c) => c.id === options.camera)!;
  house.progress(`asking camera ${camera.id} for the size of its picture`);
  const { width, height } = await tryStream(targetsOf(camera)[0]!, lookMs, house.signal);
  return width === undefined || height === undefined ? undefined : { width, height };
}

/** What the camera sees now, to draw on; undefined while the service does not run. */
async function pictureNow(house: House, camera: string): Promise<string | undefined> {
  const jpeg = await house.fetch(`/api/cctv/cameras/${camera}/picture.jpg`).catch(() => undefined);
  return jpeg && `data:image/jpeg;base64,${Buffer.from(jpeg).toString('base64')}`;
}

/** Boxes of people who moved, spread over all that were seen. */
async function passersBy(house: House, camera: string, days: number): Promise<Box[]> {
  const now = systemClock.now();
  const boxes = await withBook(house, (book) => walkers(book, camera, now - days * dayMs, now));
  if (boxes.length === 0)
    throw new LaresError(
      'NOT_FOUND',
      `camera ${camera} saw nobody walk by in ${days} days; give --points instead`,
    );
  const every = Math.ceil(boxes.length / mostPeople);
  return boxes.filter((_, i) => i % every === 0);
}

function walkers(book: EventBook, camera: string, from: number, to: number): Box[] {
  const wanted = new Map<string, boolean>();
  const boxes: Box[] = [];
  for (const point of book.paths(from, to)) {
    if (!wanted.has(point.event)) {
      const event = book.event(point.event);
      wanted.set(point.event, event?.camera === camera && event.label === 'person');
    }
    if (wanted.get(point.event) === true && !point.stationary && !point.furniture) boxes.push(point.box);
  }
  return boxes;
}
