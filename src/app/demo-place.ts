import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { lockDataDir } from '#store/index.ts';

type Env = Readonly<Record<string, string | undefined>>;

export interface DemoPlace {
  readonly dir: string;
  /** Removed at the end; not where somebody named it. */
  readonly fleeting: boolean;
}

/** Where the demo house of this user keeps its data, unless told: a place that `lares demo fault` finds too. */
export function usualDemoDir(env: Env): string {
  return path.join(env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 'lares', 'demo');
}

/** The data directory of a demo that begins now, empty unless somebody named one. */
export function openDemoPlace(named: string | undefined, env: Env): DemoPlace {
  if (named !== undefined) {
    const dir = path.resolve(named);
    // As the data directory of a home: whoever comes first must not leave it open to all.
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    return { dir, fleeting: false };
  }
  const dir = usualDemoDir(env);
  try {
    lockDataDir(dir).release();
    // What a demo left that was killed.
    rmSync(dir, { recursive: true, force: true });
    lockDataDir(dir).release();
    return { dir, fleeting: true };
  } catch {
    // Another demo lives there, or this user cannot write.
    return { dir: mkdtempSync(path.join(tmpdir(), 'lares-demo-')), fleeting: true };
  }
}

export function closeDemoPlace({ dir, fleeting }: DemoPlace): void {
  if (fleeting) rmSync(dir, { recursive: true, force: true });
}
