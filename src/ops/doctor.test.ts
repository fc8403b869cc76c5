import { expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { io, states } from './checks/fixture.ts';
import { areas } from './cli.ts';
import { examine, passed, report } from './doctor.ts';

test('its own error is the finding, and what depends on it says so', async () => {
  const settings = async () => {
    throw new LaresError(
      'CONFIG_INVALID',
      'lares.yaml:3:5 presence.poeple: unknown key; did you mean people?',
    );
  };
  const { config, graphite } = areas;
  const findings = await examine({ config, graphite }, io({}, { settings }));
  expect(states(findings)).toEqual([
    ['fail', 'lares.yaml:3:5 presence.poeple: unknown key; did you mean people?'],
    ['warn', 'not looked at, because the settings are not valid'],
  ]);
});

test('the report is readable, ends with a count and cannot be forged by a peer', () => {
  const findings = [
    { check: 'config', state: 'ok', text: 'valid' },
    { check: 'homeassistant', state: 'fail', text: 'said \u001b[2Jhi', fix: 'look' },
  ] as const;
  expect(report(findings)).toBe(
    [
      'ok    config         valid',
      'FAIL  homeassistant  said \uFFFD[2Jhi',
      '                     fix: look',
      '',
      '1 failure.',
    ].join('\n'),
  );
  expect([passed(findings), passed([])]).toEqual([false, true]);
  expect(report([])).toBe('\nAll is well.');
});
