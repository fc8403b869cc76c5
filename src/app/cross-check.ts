import type { Finding } from '#config/load.ts';
import type { Log } from '#kernel/driver.ts';
import { knownCard } from '#cctv/detect/registry.ts';
import { checkRules } from '#guard/rules/check.rules.ts';
import { Calibrations } from './cctv/calibrations.ts';
import type { HouseConfig } from './config.ts';

// A calibration that cannot be read counts as none here; the house tells why when it starts.
const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent };

/**
 * What is wrong between settings which are right one by one: rules that name cameras, zones, references, speakers or
 * webhooks that the house has not, or what nobody looks for, and metres on a camera without calibration. `calibrations` is the folder of the calibrations.
 */
export function crossCheck(
  config: Pick<HouseConfig, 'alert_rules' | 'cameras' | 'speakers' | 'monitoring' | 'processing'>,
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
  return problems.map((problem) => ({ ...problem, path: ['alert_rules', ...problem.path] }));
}
