import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import { writeAtomically } from '#config/write.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import type { KnownFace } from './face.rules.ts';

/**
 * In the data directory, in a folder of its own that only its owner may enter, so that backups leave it out by one
 * name. Holds numbers of faces, no pictures.
 */
export const facesFile = path.join('faces', 'faces.json');

const mostFaces = 20;

const faceSchema = z.strictObject({
  /** The network that made it, with its fingerprint. */
  model: z.string().max(200),
  /** Epoch milliseconds. */
  at: z.number(),
  /** 32 bit floating point numbers, little-endian, base64; of length 1 together. */
  vector: z.base64().max(40_000),
});

const fileSchema = z.strictObject({
  version: z.literal(1),
  people: z.array(
    z.strictObject({
      person: z.string().min(1).max(64),
      /** When somebody said that this person agrees, epoch milliseconds. */
      consent_at: z.number(),
      faces: z.array(faceSchema),
    }),
  ),
});
type FacesFile = z.infer<typeof fileSchema>;

/** One enrolled person, as it may be shown. */
export interface EnrolledPerson {
  readonly person: string;
  /** Epoch milliseconds. */
  readonly consentAt: number;
  /** How many faces, and how many of them the network in use can compare. */
  readonly faces: number;
  readonly usable: number;
}

const encode = (vector: Float32Array): string => {
  const data = Buffer.alloc(vector.length * 4);
  for (const [i, value] of vector.entries()) data.writeFloatLE(value, 4 * i);
  return data.toString('base64');
};

const decode = (text: string): Float32Array => {
  const data = Buffer.from(text, 'base64');
  return Float32Array.from({ length: data.length >> 2 }, (_, i) => data.readFloatLE(4 * i));
};

/** The enrolled faces of a data directory. Reads the file anew when it changed. */
export class FaceBook {
  readonly #file: string;
  #read: { readonly stamp: string; readonly content: FacesFile } | undefined;

  constructor(dataDir: string) {
    this.#file = path.join(dataDir, facesFile);
  }

  /** What the network `model` can compare with. Throws CONFIG_UNREADABLE for a damaged file. */
  known(model: string): readonly KnownFace[] {
    return this.#content().people.flatMap(({ person, faces }) => {
      const vectors = faces.flatMap((f) => (f.model === model ? [decode(f.vector)] : []));
      return vectors.length === 0 ? [] : [{ person, vectors }];
    });
  }

  /** `model` is the network in use. */
  list(model?: string): readonly EnrolledPerson[] {
    return this.#content().people.map(({ person, consent_at: consentAt, faces }) => ({
      person,
      consentAt,
      faces: faces.length,
      usable: faces.filter((f) => model === undefined || f.model === model).length,
    }));
  }

  /** Adds faces of a person who agreed; the oldest beyond 20 are dropped, so are those of other networks. */
  enrol(person: string, model: string, vectors: readonly Float32Array[], at: number): void {
    const { people } = this.#content();
    const before = people.find((p) => p.person === person);
    const old = (before?.faces ?? []).filter((f) => f.model === model);
    const faces = [...old, ...vectors.map((v) => ({ model, at, vector: encode(v) }))].slice(-mostFaces);
    this.#write([...people.filter((p) => p !== before), { person, consent_at: at, faces }]);
  }

  /** True where there was something to forget. */
  forget(person: string): boolean {
    const { people } = this.#content();
    const kept = people.filter((p) => p.person !== person);
    if (kept.length === people.length) return false;
    this.#write(kept);
    return true;
  }

  #content(): FacesFile {
    const stat = statSync(this.#file, { throwIfNoEntry: false });
    if (stat === undefined) return { version: 1, people: [] };
    const stamp = `${stat.ino} ${stat.mtimeMs} ${stat.size}`;
    if (this.#read?.stamp !== stamp) {
      this.#shut(stat.mode);
      this.#read = { stamp, content: this.#parse() };
    }
    return this.#read.content;
  }

  /** A copy that was put back may be open to everybody. */
  #shut(mode: number): void {
    try {
      if ((mode & 0o077) !== 0) chmodSync(this.#file, 0o600);
      const folder = path.dirname(this.#file);
      if ((statSync(folder).mode & 0o077) !== 0) chmodSync(folder, 0o700);
    } catch {
      // Only its owner can, and it can be read all the same.
    }
  }

  #parse(): FacesFile {
    try {
      return fileSchema.parse(JSON.parse(readFileSync(this.#file, 'utf8')));
    } catch (error) {
      // What is wrong with it is not told: an error text would carry parts of the file.
      const why =
        error instanceof z.ZodError || error instanceof SyntaxError ? 'it is damaged' : reason(error);
      throw new LaresError(
        'CONFIG_UNREADABLE',
        `${this.#file} cannot be read: ${why}; move it away and enrol again`,
      );
    }
  }

  #write(people: FacesFile['people']): void {
    const content: FacesFile = {
      version: 1,
      people: people.toSorted((a, b) => a.person.localeCompare(b.person)),
    };
    const folder = path.dirname(this.#file);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
    // A kill in the middle of an earlier write left a copy, maybe of somebody who is forgotten now.
    for (const name of readdirSync(folder))
      if (name.endsWith('.tmp')) rmSync(path.join(folder, name), { force: true });
    writeAtomically(this.#file, `${JSON.stringify(content)}\n`, 0o600);
    // Whoever enrols as root must not shut the service out.
    if (process.getuid?.() === 0) {
      const { uid, gid } = statSync(path.dirname(folder));
      for (const one of [folder, this.#file]) chownSync(one, uid, gid);
    }
    this.#read = undefined;
  }
}
