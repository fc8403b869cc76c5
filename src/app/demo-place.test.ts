import { statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { openDemoPlace } from './demo-place.ts';

test('a data directory that is named for the demo is open to nobody else', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'lares-place-'));
  const place = openDemoPlace(path.join(dir, 'a', 'data'), {});
  expect(place.fleeting).toBe(false);
  expect(statSync(place.dir).mode & 0o777).toBe(0o700);
  await rm(dir, { recursive: true });
});
