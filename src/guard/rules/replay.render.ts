import { localTime, table } from '#platform/table.ts';
import type { Replay, Replayed } from './replay.rules.ts';

const mostShown = 60;
const signs: Readonly<Record<Replayed['change'], string>> = { appeared: '+', vanished: '-', same: '=' };

const heldText = (held: Replay['rules'][number]['held']) =>
  Object.entries(held)
    .map(([cause, count]) => `${count} ${cause}`)
    .join(', ');

/** What a replay says, for the terminal: a line a rule, then every alert that appears or vanishes. */
export function renderReplay(replay: Replay, days: number, timeZone?: string): string {
  const rows = replay.rules.map((r) => [
    r.rule,
    String(r.would),
    String(r.did),
    String(r.same),
    String(r.appeared),
    String(r.vanished),
    heldText(r.held),
  ]);
  const changed = replay.alerts.filter((a) => a.change !== 'same');
  const shown = changed
    .slice(-mostShown)
    .map((a) => [
      signs[a.change],
      localTime(a.at, timeZone),
      a.rule,
      a.camera,
      a.why === undefined ? a.message : `${a.message} (now silent: ${a.why})`,
    ]);
  return [
    `${replay.objects} objects of ${days} ${days === 1 ? 'day' : 'days'}, ${replay.observations} sights`,
    '',
    table(['RULE', 'WOULD ALERT', 'DID', 'SAME', 'NEW', 'GONE', 'HELD BACK'], rows),
    ...(shown.length === 0
      ? []
      : [
          '',
          table(['', 'TIME', 'RULE', 'CAMERA', 'ALERT'], shown),
          ...(changed.length > mostShown
            ? [`and ${changed.length - mostShown} earlier; --json lists all`]
            : []),
        ]),
  ].join('\n');
}
