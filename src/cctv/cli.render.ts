import { duration, localTime, printable, table } from '#platform/table.ts';
import type { AlertBody, CameraBody, CctvBody, SeenEventBody, SuppressedBody } from './body.ts';

const percent = (share: number) => `${Math.round(share * 100)} %`;
const figure = (value: number | null, unit: string, digits = 1) =>
  value === null ? '' : `${value.toFixed(digits)} ${unit}`;

const many = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`;

/** Rounded down: only what never failed is 100 %. */
const tenths = (share: number) => `${(Math.floor(share * 1000) / 10).toFixed(share === 1 ? 0 : 1)} %`;

function level({ service_level: of }: CameraBody): string {
  if (of === null) return '';
  // Most of the time both are the same; a loss of what was seen is worth its words.
  return of.live - of.kept < 0.0005 ? tenths(of.live) : `${tenths(of.live)}, kept ${tenths(of.kept)}`;
}

function size({ streams }: CameraBody): string {
  const stream = streams.detect ?? streams.record ?? streams.live;
  return stream === undefined || stream.width === 0 ? '' : `${stream.codec} ${stream.width}×${stream.height}`;
}

function sees({ objects, state, detail }: CameraBody): string {
  if (state !== 'live') return detail ?? '';
  const counts = new Map<string, number>();
  for (const { label } of objects) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].map(([label, n]) => (n === 1 ? label : `${n} × ${label}`)).join(', ');
}

/** `lares cctv list`: one row a camera. */
export function camerasText({
  cameras,
  detector,
  events_today: events,
  alerts_today: alerts,
}: CctvBody): string {
  if (cameras.length === 0) return 'No camera yet. Add one with: lares cctv add rtsp://192.0.2.20/stream1';
  const rows = cameras.map((c) => [
    c.id,
    c.name,
    c.state === 'live' && c.picture !== null ? c.picture.problem : c.state,
    size(c),
    figure(c.fps, '/s'),
    figure(c.infer_ms, 'ms'),
    String(c.reconnects),
    level(c),
    c.record === 'off' ? '' : c.recording ? 'recording' : c.record,
    sees(c),
  ]);
  const head = ['ID', 'NAME', 'STATE', 'STREAM', 'LOOKS', 'INFERENCE', 'LOST', '30 DAYS', 'VIDEO', 'SEES'];
  const by =
    detector === null ? 'nothing is detected' : `detection by ${detector.model} on ${detector.device}`;
  return `${table(head, rows)}\n\n${many(events, 'event')} and ${many(alerts, 'alert')} today, ${by}`;
}

/** `lares cctv events`: one row an event, newest first. */
export function eventsText(events: readonly SeenEventBody[], timeZone: string | undefined): string {
  if (events.length === 0) return 'Nothing was seen in that time.';
  const rows = events.map((e) => {
    const { zones = [], nearest = {} } = e.data as { zones?: string[]; nearest?: Record<string, number> };
    const near = Object.entries(nearest).map(([name, metres]) => `${metres} m from ${name}`);
    return [
      localTime(Date.parse(e.at), timeZone),
      e.camera,
      e.identity?.name ?? e.label,
      percent(e.confidence),
      e.open ? 'there now' : duration(Date.parse(e.until) - Date.parse(e.at)),
      e.id,
      [...zones, ...near].join(', '),
    ];
  });
  return table(['TIME', 'CAMERA', 'WHAT', 'SCORE', 'FOR', 'EVENT', 'WHERE'], rows);
}

/** `lares cctv alerts`: one row an alert, newest first. */
export function alertsText(alerts: readonly AlertBody[], timeZone: string | undefined): string {
  if (alerts.length === 0)
    return 'Nobody was told anything in that time. What was held back: lares cctv alerts --held';
  const rows = alerts.map((a) => [
    localTime(Date.parse(a.at), timeZone),
    a.rule,
    a.camera,
    a.severity,
    a.id,
    a.message,
  ]);
  return table(['TIME', 'RULE', 'CAMERA', 'SEVERITY', 'ALERT', 'MESSAGE'], rows);
}

/** `lares cctv alerts --held`: one row for each that was held back, newest first. */
export function heldText(held: readonly SuppressedBody[], timeZone: string | undefined): string {
  if (held.length === 0) return 'Nothing was held back in that time.';
  const rows = held.map((h) => [localTime(Date.parse(h.at), timeZone), h.rule, h.camera, h.event, h.reason]);
  return table(['TIME', 'RULE', 'CAMERA', 'EVENT', 'HELD BACK BECAUSE'], rows);
}

/** `lares cctv why ALERT`: what was decided, gate by gate. */
export function whyText(alert: AlertBody, timeZone: string | undefined): string {
  const { gates = [] } = alert.why as { gates?: { gate: string; passed: boolean; text: string }[] };
  return [
    `${localTime(Date.parse(alert.at), timeZone)} ${alert.message}`,
    `rule ${alert.rule}, camera ${alert.camera}, ${alert.severity}${alert.false_alarm ? ', a false alarm' : ''}`,
    ...gates.map((g) => `  ${g.passed ? 'yes' : 'no '} ${g.gate}: ${g.text}`),
    `event ${alert.event}${alert.snapshot === null ? '' : '; its picture: lares cctv snapshot --event ' + alert.event}`,
  ]
    .map(printable)
    .join('\n');
}
