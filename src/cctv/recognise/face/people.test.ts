import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { facesFile, FaceBook } from './people.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
const folder = () => {
  const made = mkdtempSync(path.join(tmpdir(), 'lares-faces-'));
  folders.push(made);
  return made;
};
const at = Date.parse('2026-01-31T08:00:00Z');
const one = Float32Array.of(0.6, 0.8);
const two = Float32Array.of(1, 0);

test('who is enrolled is known to the next process, with the numbers as they were', () => {
  const dir = folder();
  new FaceBook(dir).enrol('alex', 'net 1', [one, two], at);
  const book = new FaceBook(dir);
  expect(book.known('net 1')).toEqual([{ person: 'alex', vectors: [one, two] }]);
  expect(book.list('net 1')).toEqual([{ person: 'alex', consentAt: at, faces: 2, usable: 2 }]);
});

const modes = (dir: string) =>
  [path.dirname(path.join(dir, facesFile)), path.join(dir, facesFile)].map((f) => statSync(f).mode & 0o777);

test('only the owner may enter the folder and read the file, in a data directory that others may enter, too', () => {
  const dir = folder();
  chmodSync(dir, 0o755);
  new FaceBook(dir).enrol('alex', 'net 1', [one], at);
  expect(modes(dir)).toEqual([0o700, 0o600]);
});

test('a copy that was put back open to everybody is shut, by the next write and by the next look', () => {
  const dir = folder();
  const open = () => {
    chmodSync(path.join(dir, facesFile), 0o644);
    chmodSync(path.dirname(path.join(dir, facesFile)), 0o755);
  };
  new FaceBook(dir).enrol('alex', 'net 1', [one], at);
  open();
  expect(new FaceBook(dir).list().map((p) => p.person)).toEqual(['alex']);
  expect(modes(dir)).toEqual([0o700, 0o600]);
  open();
  new FaceBook(dir).enrol('sam', 'net 1', [two], at);
  expect(modes(dir)).toEqual([0o700, 0o600]);
});

test('faces of another network are never compared, and go when the person is enrolled again', () => {
  const book = new FaceBook(folder());
  book.enrol('alex', 'net 1', [one], at);
  expect(book.known('net 2')).toEqual([]);
  expect(book.list('net 2')).toEqual([{ person: 'alex', consentAt: at, faces: 1, usable: 0 }]);
  book.enrol('alex', 'net 2', [two], at + 1);
  expect(book.list('net 2')).toEqual([{ person: 'alex', consentAt: at + 1, faces: 1, usable: 1 }]);
});

test('what another process changes is seen at once', () => {
  const dir = folder();
  const service = new FaceBook(dir);
  expect(service.known('net 1')).toEqual([]);
  const command = new FaceBook(dir);
  command.enrol('alex', 'net 1', [one], at);
  expect(service.known('net 1').map((k) => k.person)).toEqual(['alex']);
  expect(command.forget('alex')).toBe(true);
  expect(service.known('net 1')).toEqual([]);
});

test('who is forgotten leaves nothing in the folder, nor in what a kill in the middle of a write left', () => {
  const dir = folder();
  const book = new FaceBook(dir);
  book.enrol('alex', 'net 1', [one], at);
  const file = path.join(dir, facesFile);
  writeFileSync(path.join(path.dirname(file), '.faces.json.4711.tmp'), readFileSync(file));
  book.enrol('sam', 'net 1', [two], at);
  book.forget('alex');
  expect(readdirSync(path.dirname(file))).toEqual(['faces.json']);
  const text = readFileSync(file, 'utf8');
  expect(text).not.toContain('alex');
  expect(text).not.toContain(Buffer.from(one.buffer).toString('base64'));
  expect(book.forget('alex')).toBe(false);
});

test('no more than 20 faces of a person are kept, the newest', () => {
  const book = new FaceBook(folder());
  for (let i = 0; i < 25; i += 1) book.enrol('alex', 'net 1', [Float32Array.of(i)], at + i);
  const [alex] = book.known('net 1');
  expect(alex!.vectors.map((v) => v[0])).toEqual(Array.from({ length: 20 }, (_, i) => i + 5));
});

test('a damaged file is named, and nothing of what is in it', () => {
  const dir = folder();
  mkdirSync(path.dirname(path.join(dir, facesFile)));
  writeFileSync(path.join(dir, facesFile), '{"version":1,"people":[{"person":"alex","faces":"c2VjcmV0"}]}');
  expect(() => new FaceBook(dir).list()).toThrow(
    expect.objectContaining({
      code: 'CONFIG_UNREADABLE',
      message: `${path.join(dir, facesFile)} cannot be read: it is damaged; move it away and enrol again`,
    }),
  );
});
