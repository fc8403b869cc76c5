import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { EventBook } from '#cctv/book/book.ts';
import type { CctvBody } from '#cctv/index.ts';
import { processingConfig } from '#cctv/detect/config.ts';
import { modelsFolder } from '#cctv/detect/commands.ts';
import { signedUrl } from '#cctv/plan.rules.ts';
import { LaresError } from '#kernel/errors.ts';
import { systemClock } from '#platform/clock.ts';
import { numberOf } from '#platform/flags.ts';
import { Logger } from '#platform/log.ts';
import { capacity, capacityText } from './tools/capacity.ts';
import { csvHead, csvLine } from './tools/monitor.rules.ts';
import { monitor, monitorText } from './tools/monitor.ts';
import { plotMetrics } from './tools/plot.ts';
import { houseConfig, type HouseConfig } from '../config.ts';
import type { EditingHouse, GlobalOptions } from '../context.ts';

type Env = Readonly<Record<string, string | undefined>>;

export interface AboutTools {
  readonly env: Env;
  readonly version: string;
  readonly options: () => GlobalOptions;
}

const number = (flag: string, text: string, most: number, whole = true) =>
  Number(numberOf(flag, text, { most, whole }));
const dayOfSeconds = 86_400;

/** `lares cctv benchmark | monitor | plot | capacity | e2e | stress`: the operator's tools. */
export function cctvTools(cctv: Command, house: EditingHouse, about: AboutTools): void {
  const settings = async (): Promise<HouseConfig> =>
    house.configFile() === undefined ? houseConfig.parse({}) : house.config();
  const quiet = () => about.options().json === true;
  /** A line as it happens. Scripts that read JSON get the document alone. */
  const tell = (line: string) => void (quiet() || process.stderr.write(`${line}\n`));
  benchmarkCommand(cctv, house, settings);
  monitorCommand(cctv, house, quiet);
  plotCommand(cctv, house, settings);
  capacityCommand(cctv, house, settings);
  trialCommands(cctv, house, tell);
}

function benchmarkCommand(cctv: Command, house: EditingHouse, settings: () => Promise<HouseConfig>): void {
  cctv
    .command('benchmark')
    .description('measure what this machine can look at: each stage, each model, and how many cameras')
    .option('--seconds <count>', 'for all measurements together', '8')
    .option('--camera <id>', 'with the stream of this camera instead of a drawn one')
    .action(async ({ seconds, camera }: { seconds: string; camera?: string }) => {
      const ms = 1000 * number('--seconds', seconds, 3_600);
      const config = await settings();
      // Native code of video and detection: not in the memory of other commands.
      const { cameraClip, drawnClip } = await import('./tools/bench-clip.ts');
      const { benchmark, benchmarkText, installedModels } = await import('./tools/benchmark.ts');
      const { detection } = (
        camera === undefined ? config : { processing: processingConfig.parse(config.processing) }
      ).processing;
      const folder = modelsFolder(house.dataDir());
      const clips =
        camera === undefined
          ? [await drawnClip(1, 20), await drawnClip(3, 6)]
          : [await cameraClip(streamOf(config, camera), Math.min(ms, 5_000))];
      try {
        const result = await benchmark({
          clip: clips[0]!,
          others: clips.slice(1),
          models: await installedModels(folder, {
            model: detection.model,
            inputSize: detection.input_size,
            classes: detection.classes,
          }),
          modelsFolder: folder,
          device: detection.device,
          threads: detection.threads,
          ms,
          progress: (text) => house.progress(text),
          warn: (text) => house.log.warn(text),
          signal: house.signal,
        });
        house.print(result, () => benchmarkText(result));
      } finally {
        for (const clip of clips) await clip.close();
      }
    });
}

/** The stream of a camera that is looked at. Throws NOT_FOUND. */
function streamOf({ cameras }: HouseConfig, id: string) {
  const camera = cameras.find((c) => c.id === id);
  if (camera === undefined)
    throw new LaresError(
      'NOT_FOUND',
      `there is no camera ${id}; ${cameras.length === 0 ? 'the settings name none' : `there are ${cameras.map((c) => c.id).join(', ')}`}`,
    );
  const { url, streams, username, password, transport } = camera;
  return { id, url: signedUrl(streams?.detect ?? url, username, password), transport };
}

function monitorCommand(cctv: Command, house: EditingHouse, quiet: () => boolean): void {
  cctv
    .command('monitor')
    .description(
      'what the running service, its cameras and the machine use: CPU, memory, disk, temperature, GPU',
    )
    .option('--duration <seconds>', 'how long', '300')
    .option('--interval <seconds>', 'between two rows; 5, or a fifth of the duration, unless given')
    .option('--csv <file>', 'where the rows go; to standard output unless given')
    .action(async (options: { duration: string; interval?: string; csv?: string }) => {
      const seconds = number('--duration', options.duration, dayOfSeconds);
      const interval =
        options.interval === undefined
          ? Math.max(1, Math.min(5, seconds / 5))
          : number('--interval', options.interval, 3_600, false);
      const rowsHere = options.csv === undefined && !quiet();
      if (rowsHere) process.stdout.write(`${csvHead}\n`);
      const result = await monitor({
        dataDir: house.dataDir(),
        durationMs: seconds * 1000,
        intervalMs: interval * 1000,
        csv: options.csv,
        clock: systemClock,
        signal: house.signal,
        onRow: (row) => void (rowsHere && process.stdout.write(`${csvLine(row)}\n`)),
      });
      house.print(result, () => `${rowsHere ? '\n' : ''}${monitorText(result)}`);
    });
}

/** The book beside the running service; undefined where no camera ever saw anything. */
async function openBook(house: EditingHouse): Promise<EventBook | undefined> {
  try {
    return await EventBook.open({
      dataDir: house.dataDir(),
      clock: systemClock,
      log: house.log,
      guest: true,
    });
  } catch (error) {
    if (error instanceof LaresError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}

function plotCommand(cctv: Command, house: EditingHouse, settings: () => Promise<HouseConfig>): void {
  cctv
    .command('plot')
    .description(
      'draw the stored readings of the cameras as SVG: frames, inference, objects, events, alerts, disk',
    )
    .option('--days <count>', 'how many days back', '30')
    .option('-o, --out <file>', 'where to', 'metrics.svg')
    .action(async ({ days, out }: { days: string; out: string }) => {
      const config = await settings();
      const store = await house.store();
      const book = await openBook(house);
      try {
        const { svg, points, cameras } = await plotMetrics({
          readings: store.readings,
          book,
          prefix: config.cctv.prefix,
          cameras: config.cameras.map(({ id, name }) => ({ id, name: name ?? id })),
          days: number('--days', days, 3_660),
          now: Date.now(),
          timeZone: config.home.time_zone,
        });
        await writeFile(out, svg).catch((error: unknown) => {
          throw new LaresError('USAGE', `${out} cannot be written; name another place with --out`, {
            cause: error,
          });
        });
        house.print(
          { file: out, bytes: svg.length, points, cameras },
          () => `${out}: ${points} points of ${cameras.length} cameras, ${svg.length} bytes`,
        );
      } finally {
        await book?.close();
        await store.close();
      }
    });
}

function capacityCommand(cctv: Command, house: EditingHouse, settings: () => Promise<HouseConfig>): void {
  cctv
    .command('capacity')
    .description('how many more cameras this machine carries, and how long its disks last')
    .option('--seconds <count>', 'how long the running service is watched', '5')
    .action(async ({ seconds }: { seconds: string }) => {
      const config = await settings();
      const book = await openBook(house);
      const body = (await house.get('/api/cctv').catch(() => undefined)) as CctvBody | undefined;
      try {
        const result = await capacity({
          config: config.cctv,
          dataDir: house.dataDir(),
          book,
          camerasLive: body?.cameras.filter((c) => c.state === 'live').length,
          clock: systemClock,
          timeZone: config.home.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
          watchMs: 1000 * number('--seconds', seconds, 3_600),
          signal: house.signal,
        });
        house.print(result, () => capacityText(result));
      } finally {
        await book?.close();
      }
    });
}

function trialCommands(cctv: Command, house: EditingHouse, tell: (line: string) => void): void {
  cctv
    .command('e2e')
    .description(
      'prove the whole way on this machine: a drawn camera, detection, alert, voice, mail, database, page',
    )
    .option('--duration <seconds>', 'how long it may take; it ends when all is proved', '60')
    .action(async ({ duration }: { duration: string }) => {
      const { e2eTest } = await import('./tools/e2e.ts');
      const log = new Logger({ level: 'error', write: (line) => process.stderr.write(`${line}\n`) });
      const limit = 1000 * number('--duration', duration, 3_600);
      const { text, ...result } = await e2eTest(limit, tell, log, house.signal);
      house.print(
        result,
        () => `\n${text}\n\n${result.passed ? 'PASSED' : 'FAILED'} in ${result.seconds.toFixed(1)} s`,
      );
      if (!result.passed) process.exitCode = 1;
    });
  cctv
    .command('stress')
    .description(
      'many cameras, alerts and questions at once on a house that is thrown away, held against a budget',
    )
    .option('--duration <seconds>', 'how long is measured, after the start', '60')
    .option('--cameras <count>', 'how many', '8')
    .option('--alerts <count>', 'at least so many are made', '40')
    .option('--requests <count>', 'questions to the API a second', '20')
    .action(async (options: { duration: string; cameras: string; alerts: string; requests: string }) => {
      const { stressTest, stressText } = await import('./tools/stress.ts');
      const result = await stressTest({
        durationMs: 1000 * number('--duration', options.duration, dayOfSeconds),
        cameras: number('--cameras', options.cameras, 64),
        alerts: number('--alerts', options.alerts, 10_000),
        requests: number('--requests', options.requests, 1_000),
        tell,
        signal: house.signal,
      });
      house.print(result, () => `\n${stressText(result)}\n\n${result.passed ? 'PASSED' : 'FAILED'}`);
      if (!result.passed) process.exitCode = 1;
    });
}
