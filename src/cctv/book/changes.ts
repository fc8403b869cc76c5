import type { Said } from './file.ts';
import type { EventTouch } from './model.ts';
import type { PathChunk } from './paths.ts';
import { boxText, toSeconds, type Value } from './rows.codec.ts';

const deletedAtOnce = 2_000;

export interface PruneBefore {
  /** Epoch milliseconds: events, alerts, deliveries and suppressed alerts that began before go. */
  readonly events: number;
  readonly paths: number;
}

/** What lets go of the oldest of what is older. */
export function pruning(before: PruneBefore): Said[] {
  const old = toSeconds(before.events);
  return [
    [
      `delete from paths where rowid in (select rowid from paths where ended < ? limit ?)`,
      [toSeconds(before.paths), deletedAtOnce],
    ],
    [
      `delete from deliveries where alert in (select id from alerts where timestamp < ? order by timestamp limit ?)`,
      [old, deletedAtOnce],
    ],
    [
      `delete from alerts where id in (select id from alerts where timestamp < ? order by timestamp limit ?)`,
      [old, deletedAtOnce],
    ],
    [
      `delete from suppressed where rowid in (select rowid from suppressed where timestamp < ? limit ?)`,
      [old, deletedAtOnce],
    ],
    [
      `delete from events where id in (select id from events where timestamp < ? and closed = 1 limit ?)`,
      [old, deletedAtOnce],
    ],
  ];
}

/** What is said of an event that goes on. */
export function touched(id: string, touch: EventTouch): Said {
  const { seenAt, confidence, label, box, identity, data } = touch;
  const set: [string, Value][] = [['last_seen = max(last_seen, ?)', toSeconds(seenAt)]];
  if (confidence !== undefined) set.push(['confidence = max(confidence, ?)', confidence]);
  if (label !== undefined) set.push(['label = ?', label]);
  if (box !== undefined) set.push(['box = ?', boxText(box)]);
  if (identity !== undefined) set.push(['identity = ?', JSON.stringify(identity)]);
  if (data !== undefined) set.push(['data = ?', JSON.stringify(data)]);
  return [
    `update events set ${set.map(([sql]) => sql).join(', ')} where id = ?`,
    [...set.map(([, value]) => value), id],
  ];
}

/** A stretch of a path, as far as it has grown. */
export const chunkChange = ({ event, started, ended, points }: PathChunk): Said => [
  `insert into paths values (?, ?, ?, ?)
   on conflict (event, started) do update set ended = excluded.ended, points = excluded.points`,
  [event, toSeconds(started), toSeconds(ended), points],
];
