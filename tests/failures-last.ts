import process from 'node:process';
import type { Reporter, TestModule } from 'vitest/node';

/**
 * Repeats what failed as the very last lines, one each, and how many by file: of a long run people and CI keep the
 * tail, and the full report of one failure is longer than that.
 */
export default class FailuresLast implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly { message: string }[]): void {
    const failed = modules.flatMap((module) => [
      ...module.errors().map(({ message }) => ({ file: module.relativeModuleId, test: '', message })),
      ...[...module.children.allTests('failed')].map((test) => ({
        file: module.relativeModuleId,
        test: test.fullName,
        message: test.result().errors?.[0]?.message ?? 'no message',
      })),
    ]);
    failed.push(...unhandled.map(({ message }) => ({ file: 'outside of any test', test: '', message })));
    if (failed.length === 0) return;
    const lines = failed.map((one) => `  ${one.file}: ${flat(one.test, 120)}: ${flat(one.message, 200)}\n`);
    const files = Map.groupBy(failed, ({ file }) => file);
    const counts = [...files].map(([file, those]) => `${file} ${those.length}`);
    process.stderr.write(`Failed:\n${lines.join('')}Failed by file: ${counts.join(', ')}\n`);
  }
}

const flat = (text: string, most: number) => text.replaceAll(/\s+/g, ' ').slice(0, most);
