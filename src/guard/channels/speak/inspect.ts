import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import path from 'node:path';
import { playerFor } from './player.ts';
import { packageOf, type Env } from './program.ts';

/** What of a speaker the programs depend on. */
export interface InspectedSpeaker {
  readonly id: string;
  readonly type: 'wired' | 'bluetooth';
  readonly device: string;
}

/** A program that speakers need: who needs it, and the package to install where it is missing. */
export interface NeededProgram {
  readonly program: string;
  readonly speakers: readonly string[];
  readonly there: boolean;
  readonly package: string;
}

const voice = 'espeak-ng';
const bluetooth = 'bluetoothctl';

/** Looks for the programs that these speakers need in PATH. Runs none of them. */
export async function programsOf(speakers: readonly InspectedSpeaker[], env: Env): Promise<NeededProgram[]> {
  const needs = speakers.flatMap(({ id, type, device }) =>
    [voice, playerFor(device).program, ...(type === 'bluetooth' ? [bluetooth] : [])].map((program) => ({
      id,
      program,
    })),
  );
  return Promise.all(
    [...Map.groupBy(needs, ({ program }) => program)].map(async ([program, users]) => ({
      program,
      speakers: users.map(({ id }) => id),
      there: await inPath(program, env),
      package: packageOf(program),
    })),
  );
}

async function inPath(program: string, env: Env): Promise<boolean> {
  const folders = (env['PATH'] ?? '').split(path.delimiter).filter((folder) => folder !== '');
  const found = await Promise.allSettled(
    folders.map((folder) => access(path.join(folder, program), constants.X_OK)),
  );
  return found.some(({ status }) => status === 'fulfilled');
}
