import './no-telemetry.ts';
import { rmdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { LaresError, reason } from '#kernel/errors.ts';
import type { Configure, DetectorPlan, Report } from './child.model.ts';
import { loadDetector } from './detector.ts';
import type { Detector, ModelCard } from './model.ts';
import { prepareModel } from './prepare.ts';
import { defaultModel } from './registry.ts';
import { DetectorServer, faceOf } from './server.ts';

/**
 * The process of the detector. It listens where it is told, loads what it is told, and ends with the core: an
 * inference blocks its event loop, and a fault of native code costs a restart, not the house.
 */

const lifeSignMs = 1_000;

const server = new DetectorServer();
let listening: Promise<void> | undefined;
let socket: string | undefined;
let loaded: { readonly detector: Detector; readonly key: string } | undefined;
// One configuration after the other, in the order in which they came.
let configured: Promise<void> = Promise.resolve();

const report = (message: Report) => {
  // A core that was killed a moment ago is still connected; without the callback the failure would end us uncleanly.
  if (process.connected) process.send?.(message, () => {});
};

const named = (labels: readonly string[]) => labels.slice(0, 20).join(', ');

/** What to say where a model knows nothing of what is looked for: it would watch for ever and find nothing. */
function unknownClasses(
  { name, classes }: ModelCard,
  wanted: readonly string[] | undefined,
): string | undefined {
  if (wanted === undefined || wanted.some((label) => classes.includes(label))) return undefined;
  return `${name} knows none of what is looked for (${named(wanted)}), so nothing will be found; it knows ${named(classes)}: write some of these into processing.detection.classes`;
}

async function load(plan: DetectorPlan, folder: string): Promise<Detector> {
  const say = (level: 'info' | 'warn') => (message: string) => report({ kind: 'log', level, message });
  const prepared = await prepareModel(plan, folder, say('info'));
  const key = JSON.stringify([prepared.card, prepared.file, plan.classes, plan.device, plan.threads]);
  if (loaded?.key === key) return loaded.detector;
  const before = loaded?.detector;
  const { device, threads } = plan;
  const detector = await loadDetector({ ...prepared, device, threads, warn: say('warn') });
  loaded = { detector, key };
  const strange = unknownClasses(prepared.card, plan.classes);
  if (strange !== undefined) say('warn')(strange);
  await server.use(detector);
  await before?.close();
  return detector;
}

async function configure({ plan, folder, path: where }: Configure): Promise<void> {
  try {
    socket = where;
    listening ??= server.listen(where);
    await listening;
    const detector = await load(plan, folder);
    report({ kind: 'ready', model: faceOf(detector), device: detector.device });
  } catch (error) {
    // A house whose model is missing is better watched by another one than by none.
    const standIn = loaded === undefined && plan.model !== defaultModel;
    const code = error instanceof LaresError ? error.code : 'INTERNAL';
    report({ kind: 'refused', code, message: reason(error), standIn });
    const { device, threads, classes } = plan;
    if (standIn)
      await configure({
        kind: 'configure',
        plan: { model: defaultModel, device, threads, classes },
        folder,
        path: where,
      });
  }
}

process.title = 'lares-detector';
process.on('message', (message: Configure) => {
  configured = configured.then(() => configure(message));
});
process.on('disconnect', () => {
  // A core that was killed leaves its folder to us.
  if (socket !== undefined) {
    rmSync(socket, { force: true });
    try {
      rmdirSync(path.dirname(socket));
    } catch {
      // The core removed it already, or somebody else uses it.
    }
  }
  process.exit(0);
});
// Ctrl-C reaches the whole group of processes; the core decides when we end.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
setInterval(() => report({ kind: 'stats', stats: server.stats() }), lifeSignMs);
