import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { isScalar } from 'yaml';
import { parseEnvFile } from './env-file.ts';
import type { Problem } from './model.ts';
import { scalarText } from './problems.ts';
import { decode, nodeAt, parseSource } from './source.ts';
import type { Notice } from './types.ts';

export type Env = Readonly<Record<string, string | undefined>>;

export interface SecretPlaces {
  readonly env: Env;
  /** `$CREDENTIALS_DIRECTORY` of systemd: one file for each secret. */
  readonly credentialsDir?: string | undefined;
  /** Files like `/etc/presence-monitoring.env`; those that do not exist are passed over. */
  readonly envFiles?: readonly string[] | undefined;
  /** A YAML file `name: value`, usually `secrets.yaml` beside the settings. */
  readonly secretsFile?: string | undefined;
}

export interface FoundSecret {
  readonly value: string;
  /** Where it came from, for people: `HA_TOKEN of /etc/presence-monitoring.env`. */
  readonly from: string;
}

/** Finds secrets and settings outside the settings file. Reads each file once. */
export class Secrets {
  readonly notices: Notice[] = [];
  readonly problems: Problem[] = [];
  readonly #places: SecretPlaces;
  readonly #envFiles: { file: string; values: ReadonlyMap<string, string> }[];
  readonly #named: ReadonlyMap<string, string>;

  constructor(places: SecretPlaces) {
    this.#places = places;
    this.#envFiles = [];
    for (const file of places.envFiles ?? []) this.#readEnvFile(file);
    this.#named = this.#readSecretsFile(places.secretsFile);
  }

  /** The secret of `!secret name`, or the sentence that says where it was looked for. */
  find(name: string): FoundSecret | { readonly lookedIn: string; readonly fix: string } {
    const key = envName(name);
    const found = this.#credential(name) ?? this.variable(key);
    if (found !== undefined) return found;
    const named = this.#named.get(name);
    if (named !== undefined) return { value: named, from: this.#places.secretsFile ?? 'secrets.yaml' };
    const { credentialsDir, secretsFile } = this.#places;
    const places = [
      credentialsDir === undefined ? '$CREDENTIALS_DIRECTORY (not set)' : path.join(credentialsDir, name),
      `the environment variables ${key}_FILE and ${key}`,
      ...(this.#places.envFiles ?? []).map(
        (f) => `${key} in ${f}${this.#envFiles.some((e) => e.file === f) ? '' : ' (no such file)'}`,
      ),
      ...(secretsFile === undefined ? [] : [`${name} in ${secretsFile}`]),
    ];
    const envFile = this.#places.envFiles?.at(-1);
    const fix = envFile === undefined ? `put ${name} into one of them` : `write ${key}=... into ${envFile}`;
    return { lookedIn: places.join(', '), fix };
  }

  /** An environment variable: from a credential of its name, `<NAME>_FILE`, the environment, or an env file. Empty is unset. */
  variable(name: string): FoundSecret | undefined {
    const credential = this.#credential(name.toLowerCase());
    if (credential !== undefined) return credential;
    const { env } = this.#places;
    const file = env[`${name}_FILE`];
    if (file !== undefined && file !== '') {
      const text = this.#read(file, `${name}_FILE`);
      if (text !== undefined) return { value: text.replace(/\r?\n$/, ''), from: `${file} (${name}_FILE)` };
    }
    const value = env[name];
    if (value !== undefined && value !== '') return { value, from: `the environment variable ${name}` };
    for (const { file: where, values } of this.#envFiles) {
      const inFile = values.get(name);
      if (inFile !== undefined && inFile !== '') return { value: inFile, from: `${name} of ${where}` };
    }
    return undefined;
  }

  #credential(name: string): FoundSecret | undefined {
    const { credentialsDir } = this.#places;
    if (credentialsDir === undefined || !/^[\w-][\w.-]*$/.test(name)) return undefined;
    try {
      const file = path.join(credentialsDir, name);
      return { value: readFileSync(file, 'utf8').replace(/\r?\n$/, ''), from: file };
    } catch {
      return undefined;
    }
  }

  #readEnvFile(file: string): void {
    if (!exists(file)) return;
    const text = this.#read(file, 'env file');
    if (text === undefined) return;
    const { values, troubles } = parseEnvFile(text);
    this.#envFiles.push({ file, values });
    for (const { line, message } of troubles)
      this.problems.push({ file, line, column: 1, path: '', message });
  }

  #readSecretsFile(file: string | undefined): ReadonlyMap<string, string> {
    if (file === undefined || !exists(file)) return new Map();
    const text = this.#read(file, 'secrets file');
    if (text === undefined) return new Map();
    const source = parseSource(text, file);
    this.problems.push(...source.problems);
    // The text as written: a secret of digits keeps its leading zeros.
    return new Map(
      Object.keys(source.value as object).flatMap((key): [string, string][] => {
        const node = nodeAt(source.document, [key]);
        return isScalar(node) && node.value !== null
          ? [[key, typeof node.value === 'string' ? node.value : (node.source ?? scalarText(node.value))]]
          : [];
      }),
    );
  }

  #read(file: string, what: string): string | undefined {
    try {
      const open = worldReadable(file);
      if (open !== undefined) this.notices.push(open);
      const { text, problem } = decode(readFileSync(file), file);
      if (problem !== undefined) this.problems.push(problem);
      return text;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // systemd reads its EnvironmentFile as root and hands the values over; the service itself need not open it.
      if (what === 'env file' && code === 'EACCES') {
        this.notices.push({
          level: 'info',
          subject: file,
          message: `${file} is not readable for this user; only variables that are set already count`,
        });
        return undefined;
      }
      this.problems.push({
        file,
        line: 1,
        column: 1,
        path: '',
        message: `expected a readable ${what}, found ${code ?? 'an error'}`,
        hint: code === 'EACCES' ? `run as its owner, or: chown "$USER" ${file}` : `check the path ${file}`,
      });
      return undefined;
    }
  }
}

/** False only when it is surely not there; a file behind a closed door exists as far as reading is concerned. */
function exists(file: string): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

/**
 * A warning with its fix when anybody on the machine can read the file, with `group` also when its group can; undefined
 * when it is private. A file of root that is shared with one group is how a service is let to read it and not to write it.
 */
export function worldReadable(file: string, group?: 'group'): Notice | undefined {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isFile()) return undefined;
  const shared = stat.uid === 0 && stat.gid !== 0;
  const everybody = (stat.mode & 0o004) !== 0;
  if (!everybody && (group === undefined || shared || (stat.mode & 0o040) === 0)) return undefined;
  return {
    level: 'warning',
    subject: file,
    message: `${file} holds secrets and ${everybody ? 'everybody on this machine' : 'its group'} can read it`,
    fix: `chmod 600 ${file}`,
  };
}

/** The environment variable of a secret: `homeassistant_token` → `HOMEASSISTANT_TOKEN`. */
export const envName = (name: string): string => name.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_');
