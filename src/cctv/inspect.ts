import { execFile } from 'node:child_process';
import { constants, existsSync } from 'node:fs';
import { access, mkdtemp, readdir, readFile, rm, statfs, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { reason } from '#kernel/errors.ts';
import { childEnvironment } from './child-environment.ts';
import type { CameraConfig, CctvConfig, PerformanceConfig } from './config.ts';
import { demandOf, judgeDemand, type Machine, type SeenStream } from './demand.rules.ts';
import type { ProcessingConfig } from './detect/config.ts';
import { calibrationFolder } from './ground/folder.rules.ts';

/** What is so of the cameras on this machine, as a sentence, and what to do about it. */
export interface CctvFinding {
  readonly state: 'ok' | 'warn' | 'fail';
  readonly text: string;
  readonly fix?: string;
}

export interface CctvPlaces {
  readonly dataDir: string;
  /** The folder of the settings. */
  readonly settingsFolder: string;
  readonly machine: Machine;
  /** Of the running service, by camera. */
  readonly streams: ReadonlyMap<string, SeenStream>;
}

export interface CctvSettings {
  readonly cameras: readonly CameraConfig[];
  readonly cctv: CctvConfig;
  readonly performance: PerformanceConfig;
  readonly processing: ProcessingConfig;
}

const loadMs = 30_000;
const gigabyte = 1e9;
const leastFree = 1e9;
const dayMs = 86_400_000;
const run = promisify(execFile);

/**
 * Everything about cameras that can be wrong on this machine, looked at from outside: contacts no camera, and writes
 * nothing into the data directory. Native libraries are loaded in children, because a broken one ends its process.
 */
export async function inspectCctv(settings: CctvSettings, places: CctvPlaces): Promise<CctvFinding[]> {
  const { cameras } = settings;
  const on = cameras.filter((c) => c.enabled);
  const detects = on.some((c) => c.detect);
  const book = inspectBook(path.join(places.dataDir, 'events.db'));
  return [
    { state: 'ok', text: `${on.length} of ${cameras.length} cameras are switched on` },
    await loads('node-av/lib', 'node-av, which reads video,'),
    ...(detects
      ? [await loads('onnxruntime-node', 'ONNX Runtime, which detects,'), await model(settings, places)]
      : []),
    ...(on.length === 0 ? [] : [judgeDemand(demandOf(settings, places.streams), places.machine, settings)]),
    book.finding,
    ...(await calibrations(cameras, calibrationFolder(places.settingsFolder))),
    ...(await folders(settings, places, book.segments)),
  ];
}

// As `detect/no-telemetry.ts` says: ONNX Runtime must not tell its maker that it was looked at.
const quiet = { ORT_DISABLE_TELEMETRY: '1' };

/** Imports a module in a process of its own. */
async function loads(module: string, name: string): Promise<CctvFinding> {
  try {
    const script = `await import(${JSON.stringify(module)})`;
    await run(process.execPath, ['--input-type=module', '-e', script], {
      cwd: import.meta.dirname,
      env: { ...childEnvironment(process.env), ...quiet },
      timeout: loadMs,
    });
    return { state: 'ok', text: `${name} loads` };
  } catch (error) {
    const { signal, stderr = '' } = error as { signal?: string | null; stderr?: string };
    const said = stderr.split('\n').find((line) => /error/i.test(line)) ?? reason(error).split('\n')[0]!;
    return {
      state: 'fail',
      text: `${name} does not load: ${signal ? `its process ended with ${signal}` : said.slice(0, 300)}`,
      fix: 'run npm install again on this machine; copies from another kind of machine do not work',
    };
  }
}

/** The model is there and can be made ready. */
async function model(
  { processing: { detection } }: CctvSettings,
  { dataDir }: CctvPlaces,
): Promise<CctvFinding> {
  // Loaded only here: whoever reads figures of cameras needs no converter.
  const { prepareModel } = await import('./detect/prepare.ts');
  const models = path.join(dataDir, 'models');
  const scratch = await mkdtemp(path.join(tmpdir(), 'lares-doctor-'));
  try {
    // Made elsewhere: who asks may be another user than the service, whose files must stay its own.
    for (const name of existsSync(models) ? await readdir(models) : [])
      if (name !== 'ready') await symlink(path.resolve(models, name), path.join(scratch, name));
    const { card } = await prepareModel({ model: detection.model, inputSize: detection.input_size }, scratch);
    const size = `${card.input.width}x${card.input.height}`;
    return { state: 'ok', text: `the detection model ${card.name} is there and takes pictures of ${size}` };
  } catch (error) {
    return {
      state: 'fail',
      text: reason(error).replaceAll(scratch, models),
      fix: 'lares cctv models list shows what is there; lares cctv models install, or take processing.detection.model out of the settings for the default',
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

interface Segments {
  readonly bytes: number;
  /** Bytes of video a day, as it has been of late; undefined where there is too little to tell. */
  readonly bytesADay: number | undefined;
}

const none: Segments = { bytes: 0, bytesADay: undefined };

function inspectBook(file: string): { readonly finding: CctvFinding; readonly segments: Segments } {
  if (!existsSync(file))
    return {
      finding: { state: 'ok', text: 'there is no events.db yet; the first run makes it' },
      segments: none,
    };
  try {
    // Without a log of changes nothing else has it open: then not even its side files are made.
    const address = existsSync(`${file}-wal`)
      ? file
      : new URL(`${pathToFileURL(path.resolve(file)).href}?immutable=1`);
    const database = new DatabaseSync(address, { readOnly: true, timeout: 2_000 });
    try {
      const said = Object.values(database.prepare('pragma quick_check(3)').get() ?? {}).join();
      if (said !== 'ok') throw new Error(said.slice(0, 300));
      const { events } = database.prepare('select count(*) as events from events').get() as {
        events: number;
      };
      const row = database
        .prepare(
          'select coalesce(sum(bytes), 0) as bytes, min(started) as first, max(ended) as last from segments',
        )
        .get() as { bytes: number; first: number | null; last: number | null };
      const days = (((row.last ?? 0) - (row.first ?? 0)) * 1000) / dayMs;
      return {
        finding: { state: 'ok', text: `events.db is sound; it holds ${events.toLocaleString('en')} events` },
        segments: { bytes: row.bytes, bytesADay: days >= 1 ? row.bytes / days : undefined },
      };
    } finally {
      database.close();
    }
  } catch (error) {
    return {
      finding: {
        state: 'fail',
        text: `events.db is damaged: ${reason(error)}`,
        fix: 'restart the service: it puts the damaged file aside and saves every row that can be read',
      },
      segments: none,
    };
  }
}

async function calibrations(cameras: readonly CameraConfig[], folder: string): Promise<CctvFinding[]> {
  const { loadCalibration } = await import('./ground/calibrate.ts');
  const calibrated: string[] = [];
  const bare: string[] = [];
  const damaged: CctvFinding[] = [];
  for (const { id } of cameras) {
    const file = path.join(folder, `${id}.json`);
    try {
      loadCalibration(await readFile(file, 'utf8'), file);
      calibrated.push(id);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') bare.push(id);
      else
        damaged.push({
          state: 'fail',
          text: `camera ${id} has no metres: ${reason(error)}`,
          fix: `lares cctv calibrate --camera ${id}`,
        });
    }
  }
  const said = [
    ...(calibrated.length === 0 ? [] : [`calibrated: ${calibrated.join(', ')}`]),
    ...(bare.length === 0 ? [] : [`without metres: ${bare.join(', ')}`]),
  ];
  return said.length === 0 ? damaged : [{ state: 'ok', text: said.join('; ') }, ...damaged];
}

async function folders(
  { cctv, cameras }: CctvSettings,
  { dataDir }: CctvPlaces,
  segments: Segments,
): Promise<CctvFinding[]> {
  const { KeepFolders } = await import('./keep/folders.ts');
  const { retention } = cctv;
  const registry = new KeepFolders(path.join(dataDir, 'folders'));
  const records = cameras.some((c) => c.enabled && (c.record ?? cctv.recording.mode) !== 'off');
  const limits = [retention.clip_gigabytes, retention.continuous_gigabytes].filter((gb) => gb !== undefined);
  const video =
    limits.length === 2
      ? limits.reduce((sum, gb) => sum + gb, 0) * gigabyte
      : (segments.bytesADay ?? 0) * Math.max(retention.clip_days, retention.continuous_days);
  const wanted = [
    {
      name: 'snapshots',
      folder: path.resolve(cctv.snapshots.folder ?? path.join(dataDir, 'snapshots')),
      setting: 'cctv.snapshots.folder',
      bytes: (retention.snapshot_gigabytes ?? 0) * gigabyte,
      kept: 0,
    },
    ...(records
      ? [
          {
            name: 'recordings',
            folder: path.resolve(cctv.recording.folder ?? path.join(dataDir, 'recordings')),
            setting: 'cctv.recording.folder',
            bytes: video,
            kept: segments.bytes,
          },
        ]
      : []),
  ];
  return Promise.all(
    wanted.map(async ({ name, folder, setting, bytes, kept }): Promise<CctvFinding> => {
      if (await registry.isLost(folder))
        return {
          state: 'fail',
          text: `the disk of ${folder} is not mounted: no ${name} are kept`,
          fix: `mount it, or name another folder in ${setting}`,
        };
      try {
        const place = await nearest(folder);
        await access(place, constants.W_OK | constants.X_OK);
        const { bavail, bsize } = await statfs(place);
        return judgeRoom({ name, folder, free: bavail * bsize, bytes, kept });
      } catch (error) {
        return {
          state: 'fail',
          text: `no ${name} can be kept in ${folder}: ${reason(error)}`,
          fix: `let the user of the service write there, or name another folder in ${setting}`,
        };
      }
    }),
  );
}

/** Whether what is to be kept will fit: `bytes` in the end, `kept` of them already, 0 where nobody can tell. */
export function judgeRoom(room: {
  readonly name: string;
  readonly folder: string;
  readonly free: number;
  readonly bytes: number;
  readonly kept: number;
}): CctvFinding {
  const { name, folder, free, bytes, kept } = room;
  const gb = (n: number) => `${(n / gigabyte).toFixed(1)} GB`;
  const more = Math.max(0, bytes - kept);
  const text = `${gb(free)} free for ${name} in ${folder}`;
  const fix = 'lower cctv.retention, or keep them on a larger disk';
  if (free < leastFree) return { state: 'fail', text, fix };
  if (more > free - leastFree)
    return { state: 'warn', text: `${text}, and ${gb(more)} more are to be kept`, fix };
  return { state: 'ok', text };
}

/** The folder itself, or the nearest one above it that exists. */
async function nearest(folder: string): Promise<string> {
  return existsSync(folder) || folder === path.dirname(folder) ? folder : nearest(path.dirname(folder));
}

/** Whether a text holds secrets of cameras themselves, and not only references to them. */
export async function holdsSecrets(text: string, cameras: readonly CameraConfig[]): Promise<boolean> {
  const { secretsOf } = await import('./plan.rules.ts');
  return cameras.flatMap(secretsOf).some((secret) => secret !== '' && text.includes(secret));
}
