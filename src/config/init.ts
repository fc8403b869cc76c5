import { existsSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { z } from 'zod';
import { LaresError } from '#kernel/errors.ts';
import { normaliseNode } from '#kernel/reading.ts';
import { envLine, parseEnvFile } from './env-file.ts';
import { renderLaresYaml } from './lares-yaml.ts';
import { loadConfig, type LoadOptions } from './load.ts';
import { macOf } from './people-keys.ts';
import { SecretRef } from './source.ts';
import { writeAtomically } from './write.ts';

export interface PersonAnswer {
  readonly person: string;
  readonly name?: string | undefined;
  readonly homeassistant_entity?: string | undefined;
  readonly wifi_macs: readonly string[];
}

/** What `lares init` needs to know. */
export interface InitAnswers {
  readonly name?: string | undefined;
  readonly networks: readonly string[];
  readonly graphite?: { readonly host: string; readonly port: number } | undefined;
  readonly homeassistant?: { readonly url: string; readonly token?: string | undefined } | undefined;
  readonly people: readonly PersonAnswer[];
}

/** A `lares.yaml` for these answers, with comments; the token is only named in it. */
export function initConfig(answers: InitAnswers): string {
  const { name, networks, graphite, homeassistant, people } = answers;
  const tree = {
    ...(name === undefined || name === '' ? {} : { home: { name } }),
    ...(graphite === undefined ? {} : { graphite }),
    wifi: { networks, scan_interval_seconds: 30 },
    ...(homeassistant === undefined
      ? {}
      : {
          homeassistant: {
            url: homeassistant.url,
            token: new SecretRef('homeassistant_token'),
            poll_interval_seconds: 300,
          },
        }),
    presence: {
      offline_grace_seconds: 300,
      people: people.map((p) =>
        Object.fromEntries(Object.entries(p).filter(([, v]) => v !== undefined && v !== '')),
      ),
    },
  };
  return renderLaresYaml({ tree }, [
    'Settings of this house, written by: lares init',
    'Check them with: lares check. Everything that can be set: docs/reference/config.md',
  ]);
}

export interface InitFiles {
  readonly file: string;
  /** Where the token goes, readable for its owner only. */
  readonly envFile: string;
  readonly force: boolean;
}

/**
 * Writes the settings and the env file, after the same check that the service makes.
 * Throws USAGE when the file exists (without `force`) and ConfigError when the answers make no valid settings.
 */
export function writeInit(
  schema: z.ZodType,
  answers: InitAnswers,
  files: InitFiles,
  options: Omit<LoadOptions, 'file' | 'text'>,
): readonly string[] {
  if (existsSync(files.file) && !files.force)
    throw new LaresError(
      'USAGE',
      `${files.file} exists already; edit it, name another with --out, or overwrite it with --force`,
    );
  const text = initConfig(answers);
  const token = answers.homeassistant?.token;
  // A token that comes later must not stop the file from being written; the service will ask for it by name.
  const env = {
    ...options.env,
    HOMEASSISTANT_TOKEN: token ?? options.env?.['HOMEASSISTANT_TOKEN'] ?? 'to-be-set-later',
  };
  loadConfig(schema, { ...options, env, file: files.file, text });
  const written = [files.file];
  if (token !== undefined) {
    writeAtomically(files.envFile, withEnvLine(files.envFile, 'HOMEASSISTANT_TOKEN', token), 0o600);
    written.push(files.envFile);
  }
  writeAtomically(files.file, text);
  return written;
}

/** The text of an env file with one variable set; other lines stay. */
export function withEnvLine(file: string, key: string, value: string): string {
  const old = existsSync(file)
    ? readFileSync(file, 'utf8')
    : '# Secrets of Lares. Keep this file readable for its owner only (chmod 600).\n';
  const line = envLine(key, value);
  const lines = old.split('\n');
  const at = lines.findIndex((l) => parseEnvFile(l).values.has(key));
  if (at !== -1) return lines.with(at, line).join('\n');
  return `${old}${old === '' || old.endsWith('\n') ? '' : '\n'}${line}\n`;
}

const networkPattern = /^(\d{1,3}\.){3}\d{1,3}\/\d{1,2}$/;

/** `192.0.2.123:2003`, `graphite.lan` → host and port. Throws USAGE. */
export function parseHostPort(text: string): { host: string; port: number } {
  const match = /^(\[[\da-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?$/i.exec(text.trim());
  const port = Number(match?.[2] ?? 2003);
  if (match === null || port < 1 || port > 65_535)
    throw new LaresError('USAGE', `expected HOST or HOST:PORT, found ${JSON.stringify(text)}`);
  return { host: match[1]!.replaceAll(/^\[|\]$/g, ''), port };
}

/** `Alex=AA:BB:CC:DD:EE:FF,02:…` → a person with phones; the name alone will do. Throws USAGE. */
export function parsePerson(text: string): PersonAnswer {
  const [shown = '', phones = ''] = text.split(/=(.*)/s);
  const person = normaliseNode(shown, '');
  if (person === '') throw new LaresError('USAGE', `expected a name, found ${JSON.stringify(shown)}`);
  return { person, ...(person === shown ? {} : { name: shown.trim() }), wifi_macs: parseMacs(phones) };
}

export function parseMacs(text: string): string[] {
  return text
    .split(/[,;\s]+/)
    .filter((part) => part !== '')
    .map((part) => {
      const mac = macOf(part);
      if (mac === undefined)
        throw new LaresError(
          'USAGE',
          `expected a MAC address like AA:BB:CC:DD:EE:FF, found ${JSON.stringify(part)}`,
        );
      return mac;
    });
}

export function parseNetwork(text: string): string {
  const network = text.trim();
  if (!networkPattern.test(network))
    throw new LaresError('USAGE', `expected a network like 192.0.2.0/24, found ${JSON.stringify(text)}`);
  return network;
}

export function parseUrl(text: string): string {
  const url = URL.parse(/^https?:\/\//.test(text) ? text : `http://${text}`);
  if (url === null || text.trim() === '')
    throw new LaresError(
      'USAGE',
      `expected an address like http://homeassistant.local:8123, found ${JSON.stringify(text)}`,
    );
  return url.href.replace(/\/$/, '');
}

/** Networks that this machine is in, as proposals; nothing is used before somebody agrees. */
export function ownNetworks(): string[] {
  return Object.values(networkInterfaces())
    .flat()
    .flatMap((at) => (at?.family === 'IPv4' && !at.internal && at.cidr !== null ? [networkOf(at.cidr)] : []))
    .filter((network, i, all) => all.indexOf(network) === i && Number(network.split('/')[1]) >= 16);
}

/** The network of an interface address: `192.0.2.17/24` → `192.0.2.0/24`. */
export function networkOf(cidr: string): string {
  const [address = '', prefix = '32'] = cidr.split('/');
  const bits = address.split('.').reduce((n, octet) => n * 256 + Number(octet), 0);
  const size = 2 ** (32 - Number(prefix));
  const base = Math.floor(bits / size) * size;
  return `${[24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join('.')}/${prefix}`;
}

export interface AskIo {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  readonly signal?: AbortSignal;
  /** Networks to propose. */
  readonly networks: readonly string[];
}

/** Asks for everything that is not known yet. An empty answer takes the proposal in brackets, or skips. */
export async function askInit(known: Partial<InitAnswers>, io: AskIo): Promise<InitAnswers> {
  let quiet = false;
  const output = new Writable({
    write(chunk, _encoding, done) {
      if (quiet) done();
      else io.output.write(chunk as Buffer, () => done());
    },
  });
  const lines = createInterface({
    input: io.input,
    output,
    terminal: 'isTTY' in io.input && io.input.isTTY === true,
  });
  // Lines that arrive before the question is asked must not be lost, as they are when a script answers.
  const queue = lines[Symbol.asyncIterator]();
  const say = (text: string) => io.output.write(text);
  const ask = async (question: string): Promise<string> => {
    say(question);
    const { value, done } = await queue.next();
    if (done === true || io.signal?.aborted === true)
      throw new LaresError('USAGE', 'stopped before all questions were answered; nothing was written');
    return String(value).trim();
  };
  const askUntil = async <T>(question: string, read: (answer: string) => T): Promise<T> => {
    for (;;) {
      try {
        return read(await ask(question));
      } catch (error) {
        if (!(error instanceof LaresError) || error.message.startsWith('stopped')) throw error;
        say(`  ${error.message}\n`);
      }
    }
  };
  const askSecret = async (question: string): Promise<string> => {
    say(question);
    quiet = true;
    const answer = await ask('');
    quiet = false;
    say('\n');
    return answer;
  };
  try {
    const name = known.name ?? (await ask('What is your house called? [Home] '));
    const proposal = io.networks.join(' ');
    const networks = known.networks?.length
      ? known.networks
      : await askUntil(
          `Which network are the phones in? Only this is ever scanned. [${proposal || 'none'}] `,
          (answer) =>
            (answer || proposal)
              .split(/[,\s]+/)
              .filter((n) => n !== '' && n !== 'none')
              .map(parseNetwork),
        );
    const graphite =
      known.graphite ??
      (await askUntil('Where is Graphite (HOST or HOST:PORT)? Empty: none. ', (a) =>
        a === '' ? undefined : parseHostPort(a),
      ));
    const homeassistant = known.homeassistant ?? (await askHomeAssistant(askUntil, askSecret));
    const people = known.people?.length
      ? known.people
      : await askPeople(ask, askUntil, homeassistant !== undefined);
    return { name: name || 'Home', networks, graphite, homeassistant, people };
  } finally {
    lines.close();
  }
}

type Ask = (question: string) => Promise<string>;
type AskUntil = <T>(question: string, read: (answer: string) => T) => Promise<T>;

async function askHomeAssistant(askUntil: AskUntil, askSecret: Ask): Promise<InitAnswers['homeassistant']> {
  const url = await askUntil('Where is Home Assistant (address as in your browser)? Empty: none. ', (a) =>
    a === '' ? undefined : parseUrl(a),
  );
  if (url === undefined) return undefined;
  const token = await askSecret(
    'Its long-lived access token (profile, Security; not shown here)? Empty: later. ',
  );
  return { url, token: token === '' ? undefined : token };
}

async function askPeople(ask: Ask, askUntil: AskUntil, withEntities: boolean): Promise<PersonAnswer[]> {
  const people: PersonAnswer[] = [];
  for (;;) {
    const who = await askUntil(`Who lives here (person ${people.length + 1})? Empty: that is all. `, (a) =>
      a === '' ? undefined : parsePerson(a),
    );
    if (who === undefined) return people;
    const wifi_macs = await askUntil(`  MAC addresses of ${who.person}'s phones? Empty: later. `, parseMacs);
    const entity = withEntities
      ? await ask(`  Their entity in Home Assistant, such as person.${who.person}? Empty: none. `)
      : '';
    people.push({
      ...who,
      homeassistant_entity: entity === '' ? undefined : entity,
      wifi_macs: [...who.wifi_macs, ...wifi_macs],
    });
  }
}

/** The env file beside the settings, for homes without `/etc/presence-monitoring.env`. */
export const envFileBeside = (file: string): string => path.join(path.dirname(file), 'lares.env');
