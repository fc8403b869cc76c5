import { expect, test } from 'vitest';
import { localHour } from './local-time.ts';

test.each([
  ['2026-03-29T00:30:00Z', 'Europe/London', 0],
  ['2026-03-29T01:30:00Z', 'Europe/London', 2],
  ['2026-10-25T01:30:00Z', 'Europe/London', 1],
  ['2026-11-21T23:00:00Z', 'Asia/Kolkata', 4],
])('%s in %s is hour %i', (at, zone, hour) => expect(localHour(Date.parse(at), zone)).toBe(hour));
