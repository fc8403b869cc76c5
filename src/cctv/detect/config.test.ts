import { Command } from 'commander';
import { expect, test } from 'vitest';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { modelCommands } from './commands.ts';
import { parseInputSize, processingConfig, usualClasses } from './config.ts';
import { tinyModel } from './tiny-model.fixture.ts';

const detection = (value: object) => {
  const result = processingConfig.safeParse({ detection: value });
  return result.success ? result.data.detection : result.error.issues.map((i) => i.message);
};

test('nothing set means the model that npm brings, the threshold that suits it and what a house looks for', () => {
  expect(processingConfig.parse({})).toEqual({
    detection: {
      model: 'centernet',
      confidence_threshold: 0.5,
      device: 'cpu',
      threads: 1,
      classes: [...usualClasses],
    },
  });
});

test('the settings of the original are understood', () => {
  const set = { model: 'yolov8n', confidence_threshold: 0.6, device: 'cuda', input_size: 640 };
  expect(detection(set)).toEqual({
    ...set,
    device: 'cuda:0',
    input_size: { width: 640, height: 640 },
    threads: 1,
    classes: [...usualClasses],
  });
});

test.each([
  [{ model: 'yolov8' }, /^expected one of centernet, .* found "yolov8" \(did you mean yolov8n\?\)$/],
  [{ device: 'openvino' }, /^openvino is not among .*; write cpu or cuda:0$/],
  [{ device: 'coreml:0' }, /^coreml is not among/],
  [{ device: 'fast' }, /^expected cpu or cuda:0, found "fast"$/],
  [{ input_size: '500x288' }, /^expected width and height in multiples of 32 .* found "500x288"$/],
  [{ classes: ['persn'] }, /^centernet does not know "persn" \(did you mean person\?\)$/],
  [{ confidence_threshold: 1.2 }, /1/],
  [{ modle: 'centernet' }, /modle/],
])('%j is refused with the remedy', (value, message) => {
  expect(detection(value)).toEqual([expect.stringMatching(message)]);
});

test("a file of one's own may have classes of its own", () => {
  expect(detection({ model: '/srv/fox.onnx', classes: ['fox'] })).toMatchObject({ classes: ['fox'] });
});

test.each([
  ['512x288', { width: 512, height: 288 }],
  ['416', { width: 416, height: 416 }],
  [' 640 X 384 ', { width: 640, height: 384 }],
  ['511x288', undefined],
  ['32x32', undefined],
  ['4096x32', undefined],
  ['', undefined],
])('the size %j is %j', (text, size) => expect(parseInputSize(text)).toEqual(size));

test('models are listed, installed and used by command', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'lares-models-'));
  const file = path.join(folder, 'mine.onnx');
  await writeFile(file, tinyModel(64));
  const printed: { data: unknown; text: string }[] = [];
  const set: unknown[] = [];
  let detection: object = {};
  const run = async (...words: string[]) => {
    const program = new Command().exitOverride();
    modelCommands(program, {
      config: () => Promise.resolve({ processing: processingConfig.parse({ detection }) }),
      dataDir: () => folder,
      env: {},
      print: (data, human) => printed.push({ data, text: human() }),
      progress: () => {},
      signal: new AbortController().signal,
      setDetection: (values) => Promise.resolve(void set.push(values)),
    });
    await program.parseAsync(words, { from: 'user' });
    return printed.pop()!.text;
  };
  expect((await run('list')).split('\n').map((line) => line.split(/ {2,}/).slice(0, 2))).toEqual([
    ['MODEL', 'STATE'],
    ['centernet', 'used, here, default'],
    ['nanodet', 'not here'],
    ['yolox_nano', 'not here'],
    ['yolov8n', 'needs your file and consent'],
    ['yolo11n', 'needs your file and consent'],
  ]);
  expect(await run('install', 'yolox_nano', '--file', file)).toBe(
    'yolox_nano is ready (64x64, Apache-2.0 (Megvii)); lares cctv models use yolox_nano',
  );
  expect(await run('use', file)).toBe(`${file} is used from now on (64x64, that of your file)`);
  expect(await run('use', path.relative(process.cwd(), file))).toContain('is used from now on (64x64');
  await expect(run('use', 'nanodet')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(run('use', 'centernet', '--input-size', '100x100')).rejects.toMatchObject({ code: 'USAGE' });
  expect(await run('use', 'centernet', '--input-size', '128x96')).toBe(
    'centernet is used from now on (128x96, MIT (@vladmandic/human))',
  );
  // The size that the settings ask of the model of now is not that of the file, so the service could not load it.
  detection = { input_size: '128x96' };
  await expect(run('use', file)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('its input is fixed at 64x64; take processing.detection.input_size out'),
  });
  expect(await run('use', file, '--input-size', '64x64')).toContain('(64x64');
  expect(set).toEqual([
    { model: file },
    { model: file },
    { model: 'centernet', input_size: '128x96' },
    { model: file, input_size: '64x64' },
  ]);
  await rm(folder, { recursive: true });
});
