import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { LogFiles } from './log-files.ts';
import { Logger } from './log.ts';

let folder: string;
let now = Date.parse('2026-03-10T12:00:00Z');
beforeEach(() => (folder = path.join(mkdtempSync(path.join(tmpdir(), 'lares-logs-')), 'logs')));
afterEach(() => rmSync(path.dirname(folder), { recursive: true }));

function writer() {
  const files = new LogFiles({ folder, now: () => now, timeZone: 'Europe/London' });
  const log = new Logger({ write: () => undefined, now: () => now });
  log.listen(files.hear);
  return { files, log };
}
const read = (name: string) => readFileSync(path.join(folder, name), 'utf8');
const codesOf = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => line.split('|')[3]);

describe('log files', () => {
  it('keep everything in app.log, errors besides in errors.log and alerts in alerts.log', () => {
    const { files, log } = writer();
    log.info('started');
    log.child('cctv').error('camera front error: refused', { code: 'RTSP_CONNECT' });
    log.child('store').error('store error', { error: new LaresError('STORE_UNAVAILABLE', 'disk full') });
    log.child('alerts').info('rule=gate');
    files.flush();
    expect(codesOf(read('app.log'))).toEqual(['-', 'RTSP_CONNECT', 'STORE_UNAVAILABLE', '-']);
    expect(codesOf(read('errors.log'))).toEqual(['RTSP_CONNECT', 'STORE_UNAVAILABLE']);
    expect(read('alerts.log')).toBe('2026-03-10T12:00:00.000Z|INFO|alerts|-|rule=gate\n');
  });

  it('go on in a new file when somebody moved, compressed or deleted the old one', () => {
    const { files, log } = writer();
    log.info('one');
    files.flush();
    renameSync(path.join(folder, 'app.log'), path.join(folder, 'elsewhere'));
    log.info('two');
    files.flush();
    rmSync(folder, { recursive: true });
    log.info('three');
    files.flush();
    expect(read('app.log')).toContain('|three\n');
  });

  it('begin anew at local midnight, are compressed after 30 days and removed after 90', () => {
    const { files, log } = writer();
    log.info('today');
    files.flush();
    utimesSync(path.join(folder, 'app.log'), now / 1000, now / 1000);
    writeFileSync(path.join(folder, 'app-2026-01-31.log'), 'old\n');
    writeFileSync(path.join(folder, 'errors-2025-11-01.log.gz'), gzipSync('older\n'));
    writeFileSync(path.join(folder, 'mine.txt'), 'not ours\n');
    now += 86_400_000;
    log.info('tomorrow');
    files.flush();
    expect(readdirSync(folder).toSorted()).toEqual([
      'app-2026-01-31.log.gz',
      'app-2026-03-10.log',
      'app.log',
      'mine.txt',
    ]);
    expect(gunzipSync(readFileSync(path.join(folder, 'app-2026-01-31.log.gz'))).toString()).toBe('old\n');
    expect(read('app-2026-03-10.log')).toContain('|today\n');
  });

  it('that cannot be written stop nothing', () => {
    const { files, log } = writer();
    writeFileSync(folder, 'a file where the folder should be');
    log.info('lost here, told on standard output');
    expect(() => files.flush()).not.toThrow();
    expect(existsSync(path.join(folder, 'app.log'))).toBe(false);
  });
});
