import { expect, test } from 'vitest';
import { scan, violations } from './architecture.ts';

test('the tree obeys its own layers', () => {
  const { files, found } = scan();
  expect(files).toBeGreaterThan(8);
  expect(found).toEqual([]);
});

test.each([
  ['src/presence/rules.ts', `import { createSocket } from 'node:dgram'`],
  ['src/presence/rules.ts', `import { z } from 'fastify'`],
  ['src/kernel/units.ts', `import * as z from 'zod'`],
  ['src/kernel/units.ts', `export { settle } from '#presence/rules.ts'`],
  ['src/presence/service.ts', `import { drivers } from '#electricity/index.ts'`],
  ['src/presence/service.ts', `const x = await import('#electricity/index.ts')`],
  ['src/presence/service.ts', `import { x } from '../metrics/carbon.ts'`],
  ['src/presence/service.ts', `import { x } from '#metrics/index.ts'`],
  ['src/metrics/tick.ts', `import { settle } from '#presence/rules.ts'`],
  ['src/garage/tick.ts', `import { x } from './rules.ts'`],
  ['src/presence/service.ts', `import { until } from '../../tests/servers/process.ts'`],
])('it catches %s doing %s', (file, code) => {
  expect(violations(file, code)).toHaveLength(1);
});

test.each([
  ['src/metrics/tick.ts', `import { view } from '#presence/index.ts'`],
  ['src/presence/service.ts', `import type { Mac } from '#devices/model.ts'`],
  ['src/presence/config.ts', `import * as z from 'zod'`],
  ['src/app/main.ts', `import { x } from '#presence/service.ts'`],
  ['src/presence/fixture.ts', `import { until } from '../../tests/servers/process.ts'`],
])('it lets %s do %s', (file, code) => {
  expect(violations(file, code)).toEqual([]);
});
