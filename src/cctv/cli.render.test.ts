import { expect, test } from 'vitest';
import type { AlertBody } from './body.ts';
import { alertsText, whyText } from './cli.render.ts';

const alert: AlertBody = {
  id: 'a1',
  at: '2026-01-31T08:00:00.000Z',
  rule: 'gate',
  camera: 'front',
  event: 'e1',
  label: 'person',
  message: 'A person at Gate\u001B[2J\nrule forged',
  severity: 'warning',
  distance_metres: 4.1,
  snapshot: '/api/cctv/events/e1/snapshot.jpg',
  false_alarm: false,
  why: { gates: [{ gate: 'identity', passed: true, text: 'the plate says \u202E"EVIL"' }] },
};

test('why an alert was made stands in one line a gate, whatever cameras and plates are called', () => {
  expect(whyText(alert, 'Europe/London').split('\n')).toEqual([
    '2026-01-31 08:00:00 A person at Gate\uFFFD[2J\uFFFDrule forged',
    'rule gate, camera front, warning',
    '  yes identity: the plate says \uFFFD"EVIL"',
    'event e1; its picture: lares cctv snapshot --event e1',
  ]);
  expect(alertsText([alert], 'Europe/London').split('\n')).toHaveLength(2);
});
