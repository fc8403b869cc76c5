/** The layout of `data/events.db`. Times are Unix seconds with a fraction, as the original's commands expect them. */
export const bookVersion = 1;

/** Tables by name with their columns, in the order in which they are made. */
export const tables = {
  events: `id text primary key, timestamp real not null, camera text not null, label text not null,
    confidence real not null, box text not null, last_seen real not null, closed integer not null default 0,
    snapshot text, snapshot_gone integer not null default 0, clip text, identity text,
    data text not null default '{}'`,
  alerts: `id text primary key, timestamp real not null, rule text not null, camera text not null,
    event text not null, label text not null, message text not null, severity text not null, distance real,
    snapshot text, false_positive integer not null default 0, why text not null default '{}'`,
  deliveries: `id text primary key, alert text not null, channel text not null, action text not null,
    state text not null, attempts integer not null default 0, due real not null, detail text`,
  suppressed: `timestamp real not null, rule text not null, camera text not null, event text not null,
    reason text not null, unique (timestamp, rule, event)`,
  paths: `event text not null, started real not null, ended real not null, points blob not null,
    unique (event, started)`,
  segments: `file text primary key, camera text not null, started real not null, ended real not null,
    bytes integer not null, closed integer not null, events text not null default '[]'`,
} as const;

export type TableName = keyof typeof tables;

export const tableNames = Object.keys(tables) as TableName[];

/** Names of indexes belong to the whole file: ours carry a prefix that an older system has not used. */
export const indexes = {
  lares_events_timestamp: 'events (timestamp, id)',
  lares_events_camera: 'events (camera, timestamp)',
  lares_events_open: 'events (closed) where closed = 0',
  lares_alerts_timestamp: 'alerts (timestamp, id)',
  lares_alerts_event: 'alerts (event)',
  lares_deliveries_alert: 'deliveries (alert)',
  lares_deliveries_due: `deliveries (due) where state = 'waiting'`,
  lares_suppressed_timestamp: 'suppressed (timestamp)',
  lares_paths_ended: 'paths (ended)',
  lares_segments_camera: 'segments (camera, started)',
} as const;

/** Every statement that makes the layout, in order; the last one says which version it is. */
export const layout: readonly string[] = [
  ...tableNames.map((name) => `create table ${name} (${tables[name]})`),
  ...Object.entries(indexes).map(([name, on]) => `create index ${name} on ${on}`),
  'create table lares_book (version integer not null)',
  `insert into lares_book values (${bookVersion})`,
];
