import { table } from '#platform/table.ts';
import type { Analysis, Tally } from './analyse.rules.ts';

const share = ({ alerts, false: wrong }: Pick<Tally, 'alerts' | 'false'>) =>
  alerts === 0 ? '-' : `${Math.round((100 * wrong) / alerts)} %`;

const rows = (list: readonly Tally[]) =>
  list.map((t) => [t.name, String(t.alerts), String(t.false), share(t)]);

const widestBar = 40;

/** What analyse() found, for the terminal. */
export function renderAnalysis(analysis: Analysis, days: number): string {
  const { alerts, hours, advice } = analysis;
  const span = `${days} ${days === 1 ? 'day' : 'days'}`;
  if (alerts === 0) return `no alerts in ${span}`;
  const most = Math.max(...hours.map((h) => h.alerts));
  const head = (name: string) => [name, 'ALERTS', 'FALSE', 'SHARE'];
  const said =
    analysis.false === 0
      ? 'nobody marked any of them as false: mark false alerts, and thresholds can be suggested'
      : 'no threshold would have removed false alerts without others';
  return [
    `${alerts} ${alerts === 1 ? 'alert' : 'alerts'} in ${span}, ${analysis.false} marked false (${share(analysis)})`,
    '',
    table(head('RULE'), rows(analysis.rules)),
    '',
    table(head('CAMERA'), rows(analysis.cameras)),
    '',
    table(head('CLASS'), rows(analysis.classes)),
    '',
    table(
      ['HOUR', 'ALERTS', 'FALSE', ''],
      hours.map((h) => [
        h.name,
        String(h.alerts),
        String(h.false),
        '#'.repeat(Math.ceil((h.alerts / most) * widestBar)),
      ]),
    ),
    '',
    ...(advice.length === 0 ? [said] : advice.map((a) => a.text)),
  ].join('\n');
}
