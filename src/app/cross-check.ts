import type { Finding } from '#config/load.ts';
import type { Log } from '#kernel/driver.ts';
import { knownCard } from '#cctv/detect/registry.ts';
import { channels } from '#guard/channels/registry.ts';
import { checkRules } from '#guard/rules/check.rules.ts';
import { Calibrations } from './cctv/calibrations.ts';
import type { HouseConfig } from './config.ts';

// A calibration that cannot be read counts as none here; the house tells why when it starts.
const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent };

/**
 * What is wrong between settings which are right one by one: rules that name cameras, zones, references, speakers or
 * webhooks that the house has not, or what nobody looks for, and metres on a camera without calibration. A rule that tells
 * people in a way that is switched off is a warning. `calibrations` is the folder of the calibrations.
 */
export function crossCheck(
  config: Pick<HouseConfig, 'alert_rules' | 'cameras' | 'speakers' | 'monitoring' | 'mqtt' | 'processing'>,
  calibrations: string,
): Finding[] {
  const { alert_rules: rules, cameras, speakers, monitoring, processing } = config;
  if (rules.length === 0) return [];
  const measured = new Calibrations(calibrations, silent);
  measured.load(cameras);
  const references = measured.references();
  const classes = knownCard(processing.detection.model)?.classes;
  const problems = checkRules(rules, {
    cameras: cameras.map(({ id, enabled, zones }) => ({
      id,
      enabled,
      zones: zones.map((z) => z.name),
      references: references.get(id),
    })),
    speakers: speakers.map(({ id }) => id),
    webhooks: monitoring.webhooks.map(({ id }) => id),
    wanted: processing.detection.classes,
    ...(classes === undefined ? {} : { classes }),
  });
  return [
    ...problems.map((problem) => ({ ...problem, path: ['alert_rules', ...problem.path] })),
    ...silentActions(config),
  ];
}

/** Actions of rules that will fail at each alert, because their channel is off. */
function silentActions(
  config: Pick<HouseConfig, 'alert_rules' | 'speakers' | 'monitoring' | 'mqtt'>,
): Finding[] {
  return config.alert_rules.flatMap(({ id, enabled, actions }, index) =>
    (enabled ? (actions ?? []) : []).flatMap((action, i) => {
      const lacks = channels[action.type].lacks(action as never, config);
      const path = ['alert_rules', index, 'actions', i];
      return lacks === undefined
        ? []
        : [{ level: 'warning' as const, path, message: `rule ${id} will tell nobody this way: ${lacks}` }];
    }),
  );
}
