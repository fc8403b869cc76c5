import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const fileIn = (dataDir: string) => path.join(dataDir, 'address');

/** Lets commands find the house that has its data here, also while its settings are wrong or name another port. */
export function tellAddress(dataDir: string, url: string): void {
  try {
    writeFileSync(fileIn(dataDir), `${process.pid} ${url}\n`, { mode: 0o600 });
  } catch {
    // A full disk: commands then go by the settings.
    forgetAddress(dataDir);
  }
}

export function forgetAddress(dataDir: string): void {
  rmSync(fileIn(dataDir), { force: true });
}

/** Address of the house that runs with this data directory; undefined where none does, or nobody may know. */
export function addressIn(dataDir: string): string | undefined {
  try {
    const [, pid, url] = /^(\d+) (http:\/\/\S+)\s*$/.exec(readFileSync(fileIn(dataDir), 'utf8')) ?? [];
    // A house that was killed leaves the file, and a copy of the directory has it too.
    return pid !== undefined && lives(Number(pid)) ? url : undefined;
  } catch {
    return undefined;
  }
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
