import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { sceneFile } from '#cctv/motion/memory.ts';
import { scratch } from '../../../tests/servers/process.ts';

test('a camera whose view is accepted forgets the old one, and only a camera of the house can be', () => {
  const { dir, remove } = scratch('accept');
  const [settings, data] = [path.join(dir, 'lares.yaml'), path.join(dir, 'data')];
  writeFileSync(
    settings,
    'presence: {people: [{person: alex}]}\ncameras: [{id: yard, url: "rtsp://192.0.2.21/s"}]\n',
  );
  const file = sceneFile(data, 'yard');
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, '{}');
  const lares = (...words: string[]) =>
    spawnSync(
      path.join(import.meta.dirname, '../../../bin/lares'),
      ['-c', settings, '--data', data, 'cctv', 'accept', ...words],
      { encoding: 'utf8', env: { PATH: process.env['PATH'] } },
    );
  const wrong = lares('../yard');
  expect([wrong.status, existsSync(file)]).toEqual([1, true]);
  expect(wrong.stderr).toContain('there is no camera ../yard; there are yard');
  const right = lares('yard', '--json');
  expect([right.status, JSON.parse(right.stdout)]).toEqual([0, { camera: 'yard' }]);
  expect(existsSync(file)).toBe(false);
  remove();
});
