import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { installed, scratch, systemPath } from '../../tests/servers/process.ts';

const root = path.join(import.meta.dirname, '../..');
const file = path.join(root, 'deploy/systemd/presence-monitoring.service');
const unit = readFileSync(file, 'utf8');
const value = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1];

const analyze = installed('/usr/bin/systemd-analyze');

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

test('the unit starts programs that this repository has, under the name that operators look for', () => {
  const words = value('ExecStart')!.split(' ');
  const ours = words
    .filter((word) => word.startsWith('/opt/lares/'))
    .map((word) => path.join(root, word.slice(11)));
  expect(ours).toHaveLength(2);
  expect(ours.filter((there) => !existsSync(there))).toEqual([]);
  expect(words).toContain('--title=presence_to_graphite');
  const shown = execFileSync(ours[0]!, ['--title=presence_to_graphite', '-p', 'process.title'], {
    encoding: 'utf8',
  });
  expect(shown.trim()).toBe('presence_to_graphite');
});

test('it restarts for ever, is watched, and holds one capability', () => {
  expect(
    [
      'Type',
      'Restart',
      'RestartSec',
      'User',
      'AmbientCapabilities',
      'CapabilityBoundingSet',
      'EnvironmentFile',
    ].map(value),
  ).toEqual([
    'notify',
    'always',
    '10',
    'lares',
    'CAP_NET_RAW',
    'CAP_NET_RAW',
    '-/etc/presence-monitoring.env',
  ]);
  // With a limit, ten tries in two minutes and a PostgreSQL that needs three would leave the house down for good.
  expect(value('StartLimitIntervalSec')).toBe('0');
  expect(Number(value('WatchdogSec'))).toBeGreaterThanOrEqual(15);
});

describe.skipIf(analyze === undefined)(
  `systemd-analyze${analyze === undefined ? ' (needs systemd)' : ''}`,
  () => {
    /** The unit with programs that exist here, because verify looks for them. */
    function copy(): string {
      const { dir, remove } = scratch('unit');
      cleanups.push(remove);
      mkdirSync(dir, { recursive: true });
      const there = path.join(dir, 'presence-monitoring.service');
      writeFileSync(there, unit.replaceAll('/opt/lares/', `${root}/`));
      return there;
    }

    test('finds no mistake in the unit', () => {
      const said = spawnSync('systemd-analyze', ['verify', copy()], {
        encoding: 'utf8',
        env: { PATH: systemPath },
      });
      // Units of other packages on this machine have mistakes of their own.
      expect(said.stderr.split('\n').filter((line) => line.includes('presence-monitoring'))).toEqual([]);
      expect(said.status).toBe(0);
    });

    test('rates its exposure at most 2.5', () => {
      const said = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=25', copy()], {
        encoding: 'utf8',
        env: { PATH: systemPath },
      });
      expect(said.status, said.stdout.split('\n').slice(-3).join('\n')).toBe(0);
    });
  },
);

test('the example env file can be sourced by a shell', () => {
  const example = path.join(root, 'deploy/presence-monitoring.env.example');
  const shown = execFileSync('bash', ['-euc', `. "${example}"; echo "token=[$HOMEASSISTANT_TOKEN]"`], {
    encoding: 'utf8',
  });
  expect(shown).toBe('token=[]\n');
});
