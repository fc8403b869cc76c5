import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // Two cores: each worker is a process of its own, because tests open sockets and native code.
    pool: 'forks',
    maxWorkers: 3,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'unit', include: ['src/**/*.test.ts'] } },
      { extends: true, test: { name: 'contract', include: ['tests/*.test.ts', 'tests/contract/**/*.test.ts'] } },
      {
        extends: true,
        // Real servers and real processes: one file at a time, or they measure each other.
        test: { name: 'system', include: ['tests/system/**/*.test.ts'], testTimeout: 120_000, fileParallelism: false },
      },
      {
        extends: true,
        test: { name: 'e2e', include: ['tests/e2e/**/*.test.ts'], testTimeout: 60_000, fileParallelism: false },
      },
    ],
  },
});
