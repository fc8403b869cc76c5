import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { Logger } from './log.ts';

function setUp(options: object = {}) {
  const lines: string[] = [];
  return {
    lines,
    log: new Logger({ write: (line) => lines.push(line), now: () => 0, level: 'debug', ...options }),
  };
}

test('a line carries time, level, component, code, message and fields', () => {
  const { lines, log } = setUp();
  log
    .child('graphite')
    .warn('graphite error', { error: new LaresError('UNREACHABLE', 'refused'), port: 2003 });
  expect(lines).toEqual([
    '1970-01-01T00:00:00.000Z|WARN|graphite|UNREACHABLE|graphite error reason=refused port=2003',
  ]);
});

test('JSON lines parse back', () => {
  const { lines, log } = setUp({ format: 'json' });
  log.info('hello', { n: 1 });
  expect(JSON.parse(lines[0] ?? '')).toEqual({
    time: '1970-01-01T00:00:00.000Z',
    level: 'info',
    component: 'lares',
    code: '-',
    message: 'hello',
    n: 1,
  });
});

test('lines below the level are counted but not written, also after a change', () => {
  const { lines, log } = setUp({ level: 'warn' });
  log.info('quiet');
  log.configure({ level: 'info' });
  log.child('x').info('loud');
  expect([lines.length, log.counts.info]).toEqual([1, 2]);
});

test('a registered secret never reaches a line, wherever it stands', () => {
  const { lines, log } = setUp();
  log.hide('s3cret-token');
  log
    .child('ha')
    .error('refused s3cret-token', { error: new Error('Bearer s3cret-token'), token: 's3cret-token' });
  expect(lines.join('')).not.toContain('s3cret-token');
  expect(lines[0]).toContain('[secret]');
});

test('nothing from outside can forge a second line or reach the terminal', () => {
  const { lines, log } = setUp();
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      lines.length = 0;
      log.info(`found ${name}`, { name });
      expect(lines).toHaveLength(1);
      // oxlint-disable-next-line no-control-regex
      expect(lines[0]).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
    }),
  );
});

test('a writer that fails does not stop the house', () => {
  const log = new Logger({
    write: () => {
      throw new Error('ENOSPC');
    },
  });
  expect(() => log.info('x')).not.toThrow();
});
