import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import '../detect/no-telemetry.ts';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { LaresError, reason } from '#kernel/errors.ts';
import { sessionOptions } from '../detect/detector.ts';
import type { RawOutput } from '../detect/heads.codec.ts';
import type { Frame } from '../detect/model.ts';
import type { NetCard } from './contract.ts';

/** The files of a network that comes with a package, checked. Throws NOT_FOUND, or CONFIG_INVALID for other bytes. */
export async function shippedFiles({ name, source }: NetCard): Promise<readonly Buffer[]> {
  if (source.kind !== 'package') throw new LaresError('INTERNAL', `${name} does not come with a package`);
  const searched = createRequire(import.meta.url).resolve.paths(source.name) ?? [];
  const root = searched.map((folder) => path.join(folder, source.name)).find((folder) => existsSync(folder));
  if (root === undefined)
    throw new LaresError(
      'NOT_FOUND',
      `${name}: the package ${source.name} is not installed; run npm install in the folder of Lares`,
    );
  return Promise.all(
    source.files.map(async (file) => {
      const data = await readNet(path.join(root, file.path), name);
      if (createHash('sha256').update(data).digest('hex') !== file.sha256)
        throw new LaresError(
          'CONFIG_INVALID',
          `${name}: ${file.path} of ${source.name} is not the file that was tested; run npm ci in the folder of Lares`,
        );
      return data;
    }),
  );
}

/** A file that the settings name; `setting` says where. Throws NOT_FOUND. */
export async function readNet(file: string, setting: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new LaresError('NOT_FOUND', `${setting}: ${file} cannot be read: ${reason(error)}`, {
      cause: error,
    });
  }
}

/** A loaded network that takes pictures of 8 bit, channels last. */
export interface Net {
  readonly outputs: readonly string[];
  run(frame: {
    readonly data: Uint8Array;
    readonly width: number;
    readonly height: number;
  }): Promise<Readonly<Record<string, RawOutput>>>;
  close(): Promise<void>;
}

/** Loads a graph that takes `channels` bytes a pixel. Throws CONFIG_INVALID where it cannot. */
export async function openNet(onnx: Uint8Array, setting: string, channels = 3): Promise<Net> {
  let session: InferenceSession;
  try {
    session = await InferenceSession.create(onnx, sessionOptions(1));
  } catch (error) {
    throw new LaresError('CONFIG_INVALID', `${setting} cannot be loaded: ${reason(error).slice(0, 300)}`, {
      cause: error,
    });
  }
  const [input] = session.inputNames as [string];
  return {
    outputs: session.outputNames,
    run: async ({ data, width, height }: Frame) => {
      const feeds = { [input]: new Tensor('uint8', data, [1, height, width, channels]) };
      return (await session.run(feeds)) as unknown as Readonly<Record<string, RawOutput>>;
    },
    close: () => session.release(),
  };
}

/** What made the numbers of a face, so that those of another network are never compared with it. */
export const fingerprint = (parts: readonly Uint8Array[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex').slice(0, 16);
};
