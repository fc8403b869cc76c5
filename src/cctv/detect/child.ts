import { LaresError, reason } from '#kernel/errors.ts';
import type { Configure, Report } from './child.model.ts';
import { loadDetector } from './detector.ts';
import type { Detector } from './model.ts';
import { prepareModel } from './prepare.ts';
import { DetectorServer, faceOf } from './server.ts';

/**
 * The process of the detector. It listens where it is told, loads what it is told, and ends with the core: an
 * inference blocks its event loop, and a fault of native code costs a restart, not the house.
 */

const lifeSignMs = 1_000;

const server = new DetectorServer();
let listening: Promise<void> | undefined;
let loaded: Detector | undefined;
// One configuration after the other, in the order in which they came.
let configured: Promise<void> = Promise.resolve();

const report = (message: Report) => {
  if (process.connected) process.send?.(message);
};

async function configure({ plan, folder, path }: Configure): Promise<void> {
  try {
    listening ??= server.listen(path);
    await listening;
    const say = (level: 'info' | 'warn') => (message: string) => report({ kind: 'log', level, message });
    const { card, file } = await prepareModel(plan, folder, say('info'));
    const before = loaded;
    loaded = await loadDetector({ ...plan, card, file, warn: say('warn') });
    await server.use(loaded);
    await before?.close();
    report({ kind: 'ready', model: faceOf(loaded), device: loaded.device });
  } catch (error) {
    const code = error instanceof LaresError ? error.code : 'INTERNAL';
    report({ kind: 'refused', code, message: reason(error) });
  }
}

process.title = 'lares-detector';
process.on('message', (message: Configure) => {
  configured = configured.then(() => configure(message));
});
process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole group of processes; the core decides when we end.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
setInterval(() => report({ kind: 'stats', stats: server.stats() }), lifeSignMs);
