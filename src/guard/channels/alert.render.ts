import { iso } from '#platform/wire.ts';
import type { AlertMessage } from '../model.ts';

const rounded = (n: number) => Math.round(n * 1_000) / 1_000;

/** An alert as programs read it: the body of a webhook and of an MQTT message. Instants are ISO 8601 UTC. */
export function alertBody(alert: AlertMessage) {
  const { observation } = alert;
  const references = Object.entries(observation.references).map(([name, to]) => ({
    name,
    distance_metres: rounded(to.distance),
    sigma_metres: rounded(to.sigma),
    approach_metres_per_second: rounded(to.approach),
    ...(to.arrivesIn === undefined ? {} : { arrives_in_seconds: rounded(to.arrivesIn) }),
  }));
  const nearest = references.toSorted((a, b) => a.distance_metres - b.distance_metres)[0];
  return {
    id: alert.id,
    at: iso(alert.at),
    rule: alert.rule,
    rule_name: alert.ruleName,
    camera: alert.camera,
    camera_name: alert.cameraName,
    label: alert.label,
    severity: alert.severity,
    message: alert.text,
    event: observation.event,
    seen_at: iso(observation.at),
    score: rounded(observation.score),
    box: observation.box,
    zones: Object.keys(observation.zones),
    references,
    /** Metres to the nearest reference; null without a calibration. */
    distance: nearest?.distance_metres ?? null,
    identity: observation.identity?.name ?? null,
    why: alert.gates.map(({ gate, passed, text }) => ({ gate, passed, text })),
  };
}
