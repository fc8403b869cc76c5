/**
 * What it costs to keep and to show a camera: 1920x1080 at 25 pictures a second, 4 Mb/s, taken in real time.
 * The rival is `ffmpeg -c copy` into fragmented MP4, four processes, in the same run.
 *
 *     node bench/recorder.ts [--seconds 20]
 */
import { execFileSync, fork, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Source } from '#cctv/ingest/source.ts';
import { KeepFolders } from '#cctv/keep/folders.ts';
import { makeRecorder } from '#cctv/keep/recorder.ts';
import { makeLive } from '#cctv/live/remux.ts';
import { table } from '#platform/table.ts';

const streams = 4;
const modes = ['read only', 'recorded', 'recorded and watched'] as const;
type Mode = (typeof modes)[number];

/** Reads `streams` copies in real time and tells the share of one core that took, start-up not counted. */
async function child(mode: Mode, file: string, root: string): Promise<void> {
  const sources = await Promise.all(
    Array.from({ length: streams }, async () => {
      const opened = await Source.open(file, 'tcp', () => {});
      if (!opened.ok) throw new Error(`libav says ${opened.code}`);
      return opened.source;
    }),
  );
  let bytes = 0;
  const taps = sources.map((source, i) => {
    const camera = `c${i}`;
    const plan = {
      mode: 'continuous',
      folder: path.join(root, camera),
      segmentSeconds: 60,
      preSeconds: 5,
      postSeconds: 5,
    } as const;
    const recorder = makeRecorder({ plan, camera, timeZone: 'UTC', send() {}, clock: Date });
    const live = makeLive({
      camera,
      send: (signal) => signal.kind === 'live' && (bytes += signal.data.length),
    });
    live.watch(mode === 'recorded and watched');
    const size = { width: 1920, height: 1080 };
    const all = { 'read only': [], recorded: [recorder], 'recorded and watched': [recorder, live] }[mode];
    for (const tap of all) tap.open(source.stream, size);
    return { source, all, recorder };
  });
  const before = process.cpuUsage();
  const began = performance.now();
  await Promise.all(
    taps.map(async ({ source, all, recorder }) => {
      // Sources of files keep the pace of a camera.
      for (let packet = await source.next(); typeof packet !== 'number'; packet = await source.next())
        for (const tap of all) tap.packet(packet, Date.now(), packet.isKeyframe);
      await recorder.end();
    }),
  );
  const { user, system } = process.cpuUsage(before);
  const seconds = (performance.now() - began) / 1000;
  process.send!({ cpu: (user + system) / 1e6 / seconds / streams, rss: process.memoryUsage().rss, bytes });
}

interface Cost {
  /** Share of a core a stream. */
  readonly cpu: number;
  /** Bytes of memory a stream. */
  readonly rss: number;
}

function ours(mode: Mode, file: string, root: string): Promise<Cost> {
  return new Promise((resolve, reject) => {
    const worker = fork(import.meta.filename, [], {
      env: { ...process.env, MODE: mode, FILE: file, ROOT: root },
    });
    let cost: Cost | undefined;
    worker.on('message', ({ cpu, rss }: Cost) => (cost = { cpu, rss: rss / streams }));
    worker.on('exit', (code) =>
      cost === undefined ? reject(new Error(`child ended with ${code}`)) : resolve(cost),
    );
  });
}

function rival(file: string, target: string): Promise<Cost> {
  return new Promise((resolve, reject) => {
    const args = [
      '-y',
      '-v',
      'info',
      '-benchmark',
      '-re',
      '-i',
      file,
      '-c',
      'copy',
      '-movflags',
      'frag_keyframe+empty_moov',
      target,
    ];
    const ffmpeg = spawn('ffmpeg', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    ffmpeg.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    ffmpeg.on('exit', () => {
      const times = /utime=([\d.]+)s stime=([\d.]+)s rtime=([\d.]+)s/.exec(said);
      const rss = /maxrss=(\d+)/.exec(said);
      if (times === null || rss === null) return reject(new Error(said.slice(-500)));
      const [user, system, real] = times.slice(1).map(Number) as [number, number, number];
      return resolve({ cpu: (user + system) / real, rss: Number(rss[1]) * 1024 });
    });
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '20' } } });
  const dir = mkdtempSync(path.join(tmpdir(), 'lares-bench-'));
  try {
    const file = path.join(dir, 'camera.mp4');
    const source = `-y -v error -f lavfi -i testsrc2=s=1920x1080:r=25:d=${values.seconds}`;
    const format =
      '-vf noise=alls=5:allf=t -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 50 -bf 0 -b:v 4M -maxrate 5M -bufsize 4M';
    execFileSync('ffmpeg', [...`${source} ${format}`.split(' '), file]);
    const root = path.join(dir, 'recordings');
    await new KeepFolders(path.join(dir, 'folders')).claim(root);
    mkdirSync(path.join(dir, 'rival'));
    const costs = await Promise.all(
      Array.from({ length: streams }, (_, i) => rival(file, path.join(dir, 'rival', `${i}.mp4`))),
    );
    const mean = (pick: (cost: Cost) => number) =>
      costs.reduce((n, cost) => n + pick(cost), 0) / costs.length;
    const theirs = { cpu: mean((cost) => cost.cpu), rss: mean((cost) => cost.rss) };
    const rows: [string, Cost][] = [[`ffmpeg -c copy, ${streams} processes`, theirs]];
    for (const mode of modes) rows.push([`lares, one process, ${mode}`, await ours(mode, file, root)]);
    console.log(
      table(
        ['what', '% of a core a stream', 'MiB a stream', 'CPU : ffmpeg'],
        rows.map(([what, { cpu, rss }]) => [
          what,
          (cpu * 100).toFixed(2),
          (rss / 2 ** 20).toFixed(0),
          (cpu / theirs.cpu).toFixed(2),
        ]),
      ),
    );
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const { MODE, FILE = '', ROOT = '' } = process.env;
const mode = modes.find((one) => one === MODE);
await (mode === undefined ? main() : child(mode, FILE, ROOT));
