import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { scratch } from './process.ts';

const root = path.join(import.meta.dirname, '../..');

/** A folder with settings in which programs of `bin/` are called. For tests. */
export class Desk {
  readonly #folder = scratch('cctv');

  get dir(): string {
    return this.#folder.dir;
  }

  file(name: string): string {
    return path.join(this.dir, name);
  }

  read(name: string): string {
    return readFileSync(this.file(name), 'utf8');
  }

  settings(text: string): void {
    writeFileSync(this.file('lares.yaml'), text, { mode: 0o600 });
  }

  run(program: string, words: readonly string[], input = '') {
    const { status, stdout, stderr } = spawnSync(path.join(root, 'bin', program), words, {
      encoding: 'utf8',
      cwd: this.dir,
      env: { PATH: process.env['PATH'] },
      input,
    });
    return { status, stdout, stderr };
  }

  /** Takes away what commands wrote. */
  clear(): void {
    for (const name of ['lares.yaml', 'lares.env', 'config', 'data'])
      rmSync(this.file(name), { recursive: true, force: true });
  }

  remove(): void {
    this.#folder.remove();
  }
}
