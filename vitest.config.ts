import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // Two cores: each worker is a process of its own, because tests open sockets and native code.
    pool: 'forks',
    reporters: ['default', './tests/failures-last.ts'],
    maxWorkers: 3,
    // These only end what hangs: a busy machine may take its time.
    testTimeout: 120_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 30_000 } },
    projects: [
      { extends: true, test: { name: 'unit', include: ['src/**/*.test.ts'] } },
      {
        extends: true,
        test: { name: 'contract', include: ['tests/*.test.ts', 'tests/contract/**/*.test.ts'] },
      },
      {
        extends: true,
        // Real servers and real processes: one file at a time, or they measure each other.
        test: {
          name: 'system',
          include: ['tests/system/**/*.test.ts'],
          testTimeout: 300_000,
          fileParallelism: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['tests/e2e/**/*.test.ts'],
          testTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
