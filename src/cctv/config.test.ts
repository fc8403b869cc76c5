import { expect, test } from 'vitest';
import * as z from 'zod';
import { ConfigError, loadConfig } from '#config/load.ts';
import { camerasConfig, cctvConfig, performanceConfig } from './config.ts';

const schema = z.strictObject({ cameras: camerasConfig, cctv: cctvConfig, performance: performanceConfig });
const camera = (...lines: readonly string[]) =>
  ['cameras:', '  - id: front', '    url: rtsp://192.0.2.20/s', ...lines.map((l) => `    ${l}`)].join('\n');
const zone = (polygon: string) => camera('zones:', '  - name: drive', `    polygon: ${polygon}`);

/** What `lares check` says of settings, one line each. */
function said(text: string): string[] {
  try {
    loadConfig(schema, { file: 'lares.yaml', text });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(
      ({ line, path, message, hint }) => `${line} ${path}: ${message} (${hint ?? ''})`,
    );
  }
}

test.each([
  [
    'an id with capitals',
    'cameras:\n  - id: Front\n    url: rtsp://192.0.2.20/s',
    /^2 cameras\[0\]\.id: expected lower-case letters, .* found "Front"/,
  ],
  ['no address', 'cameras:\n  - id: front', /^2 cameras\[0\]\.url: is missing; .*for example url: "rtsp:/],
  [
    'an address without a scheme',
    'cameras:\n  - id: front\n    url: 192.0.2.20/s',
    /^3 cameras\[0\]\.url: expected an address like rtsp:\/\/192/,
  ],
  [
    'a password that cuts the address short',
    'cameras:\n  - id: front\n    url: "rtsp://admin:p#ss@192.0.2.20/s"',
    /^3 .*a password with # \/ or \? in it belongs under password/,
  ],
  [
    'a password without a user',
    camera('password: abcdef'),
    /^4 cameras\[0\]\.password: a password needs a username beside it/,
  ],
  [
    'a word that is nearly right',
    camera('enable: true'),
    /^4 .*unknown key "enable" \(did you mean enabled\?\)/,
  ],
  ['a truth in quotes', camera('enabled: "yes"'), /^4 .*expected true or false, found "yes" \(write true\)/],
  [
    'a truth where a word is wanted',
    camera('record: true'),
    /^4 cameras\[0\]\.record: expected one of off, events, continuous, found true \(\)/,
  ],
  [
    'corners in pixels',
    zone('[[100, 0.2], [0.3, 0.2], [0.3, 0.5]]'),
    /^6 .*polygon\[0\]\[0\]: expected a fraction of the picture from 0 to 1 \(for pixels divide by its width or height\), found 100/,
  ],
  [
    'corners as names',
    zone('[{x: 0.1}, [0.3, 0.2], [0.3, 0.5]]'),
    /^6 .*polygon\[0\]: expected a corner as \[x, y\]/,
  ],
  [
    'two corners',
    zone('[[0.1, 0.2], [0.3, 0.2]]'),
    /^6 .*polygon: expected an outline of at least three corners, such as \[\[/,
  ],
  [
    'corners on one line',
    zone('[[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]]'),
    /^6 .*polygon: the outline encloses nothing/,
  ],
  [
    'corners out of turn',
    zone('[[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]]'),
    /^6 .*polygon: the outline encloses nothing: name its corners in turn/,
  ],
  [
    'one outline where a list of them is wanted',
    camera('motion_masks: [[0, 0], [1, 0], [1, 1]]'),
    /^4 .*motion_masks\[0\]: expected an outline/,
  ],
  [
    'an id twice',
    `${camera()}\n  - id: front\n    url: rtsp://192.0.2.21/s`,
    /^4 cameras\[1\]\.id: camera front stands in the list twice/,
  ],
  [
    'two ids that become one series',
    `${camera().replace('front', 'drive-1')}\n  - id: drive_1\n    url: rtsp://192.0.2.21/s`,
    /^4 cameras\[1\]\.id: camera drive_1 would have the same series as number 1, drive-1/,
  ],
  [
    'a network that is none',
    'cctv: { networks: [999.0.2.0/24] }',
    /^1 cctv\.networks\[0\]: expected a network like 192\.0\.2\.0\/24, found/,
  ],
  [
    'a network that is too wide',
    'cctv: { networks: [10.0.0.0/8] }',
    /^1 cctv\.networks\[0\]: "10\.0\.0\.0\/8" has 16,777,216 addresses, too many/,
  ],
  [
    'a fraction of a frame',
    'performance: { frame_skip: 1.5 }',
    /^1 performance\.frame_skip: expected a whole number from 0 to 60, found 1\.5/,
  ],
])('%s is refused with its line and what to write', (_, text, wanted) => {
  expect(said(text)[0]).toMatch(wanted);
});

test('what is right is taken, in all its forms', () => {
  const text = camera(
    'username: admin',
    'password: abcdef',
    'zones:',
    '  - name: drive',
    '    polygon: [[0.1, 0.2], [0.12, 0.2], [0.12, 0.21]]',
  );
  expect(said(`${text}\n  - id: back\n    url: rtsp://admin@192.0.2.21/s\n    password: abcdef\n`)).toEqual(
    [],
  );
  expect(said('cctv: { networks: [192.0.2.0/24, 127.0.1.8/29] }')).toEqual([]);
});
