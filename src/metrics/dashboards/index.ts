import { stringify } from 'yaml';
import { grafanaAlerts, prometheusRules } from './alerts.ts';
import { cctvDashboard } from './cctv.ts';
import { electricityDashboard } from './electricity.ts';
import { presenceDashboard } from './presence.ts';

const note = '# Generated from the metric tables by `make generate`; changes here are lost.\n';
const yaml = (value: unknown) =>
  `${note}${stringify(value, { lineWidth: 110, aliasDuplicateObjects: false })}`;

/** Every file of this area that is generated and committed. */
export function generated(): { path: string; content: string }[] {
  return [
    {
      path: 'deploy/grafana/presence.json',
      content: `${JSON.stringify(presenceDashboard(), undefined, 2)}\n`,
    },
    {
      path: 'deploy/grafana/electricity.json',
      content: `${JSON.stringify(electricityDashboard(), undefined, 2)}\n`,
    },
    {
      path: 'deploy/grafana/cctv.json',
      content: `${JSON.stringify(cctvDashboard(), undefined, 2)}\n`,
    },
    { path: 'deploy/grafana/alerts.yaml', content: yaml(grafanaAlerts()) },
    {
      path: 'deploy/prometheus/alerts.yml',
      content: yaml({ groups: [{ name: 'lares', rules: prometheusRules }] }),
    },
  ];
}
