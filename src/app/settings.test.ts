import { expect, test } from 'vitest';
import type { NewEvent } from '#kernel/event.ts';
import { Logger } from '#platform/log.ts';
import { tellSettings, type SettingsChange } from './settings.ts';

function tell(change: SettingsChange): { lines: string[]; kept: NewEvent[] } {
  const lines: string[] = [];
  const kept: NewEvent[] = [];
  const log = new Logger({ now: () => 0, write: (line) => lines.push(line.slice(line.indexOf('|') + 1)) });
  const append = async (event: NewEvent) => (kept.push(event), { ...event, id: '1' });
  tellSettings(change, { clock: { now: () => 5 }, log, journal: { append } });
  return { lines, kept };
}

const limit = { path: 'performance.fps_limit', from: '5', to: '3', live: true };
const prefix = { path: 'cctv.prefix', from: '"home.cctv"', to: '"home.eyes"', live: false };

test('changed settings are told with what they were and the file that says so, and kept in the journal', () => {
  expect(tell({ changes: [limit, prefix], from: ['/etc/lares/lares.yaml'] })).toEqual({
    lines: [
      'INFO|lares|-|config: settings applied: performance.fps_limit: 5 -> 3 (from /etc/lares/lares.yaml)',
      'WARN|lares|-|config: settings that need a restart: cctv.prefix: "home.cctv" -> "home.eyes" (from /etc/lares/lares.yaml)',
    ],
    kept: [
      {
        at: 5,
        kind: 'config.changed',
        subject: 'config:lares.yaml',
        cause: 'file',
        evidence: [
          {
            at: 5,
            source: 'config',
            text: 'performance.fps_limit: 5 -> 3; cctv.prefix: "home.cctv" -> "home.eyes"',
          },
        ],
        data: { from: ['/etc/lares/lares.yaml'], changes: [limit, prefix], count: 2 },
      },
    ],
  });
});

test('a file that differs everywhere makes no endless line', () => {
  const many = Array.from({ length: 300 }, (_, i) => ({ ...limit, path: `setting_${i}` }));
  const { lines, kept } = tell({ changes: many, from: [] });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/setting_19: 5 -> 3; and 280 more$/);
  expect(kept[0]!.data['count']).toBe(300);
  expect(kept[0]!.data['changes']).toHaveLength(100);
});

test('nothing that differs is nothing to tell', () => {
  expect(tell({ changes: [], from: ['lares.yaml'] })).toEqual({ lines: [], kept: [] });
});
