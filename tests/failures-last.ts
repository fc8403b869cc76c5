import process from 'node:process';
import type { Reporter, TestModule } from 'vitest/node';

/**
 * Repeats what failed as the very last lines, one each: of a long run people and CI keep the tail,
 * and the full report of one failure is longer than that.
 */
export default class FailuresLast implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly { message: string }[]): void {
    const lines = modules.flatMap((module) => [
      ...module.errors().map(({ message }) => line(module.relativeModuleId, '', message)),
      ...module.children
        .allTests('failed')
        .map((test) => line(module.relativeModuleId, test.fullName, test.result().errors?.[0]?.message)),
    ]);
    lines.push(...unhandled.map(({ message }) => line('outside of any test', '', message)));
    if (lines.length > 0) process.stderr.write(`Failed:\n${lines.join('\n')}\n`);
  }
}

/** One line that fits the tail of a log. */
function line(file: string, test: string, message = 'no message'): string {
  const flat = (text: string, most: number) => text.replaceAll(/\s+/g, ' ').slice(0, most);
  return `  ${file}: ${flat(test, 120)}: ${flat(message, 200)}`;
}
