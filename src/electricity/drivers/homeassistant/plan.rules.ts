import type { EntityState } from '#platform/homeassistant/model.ts';
import type { Device, Quantity } from '../../model.ts';
import { label } from '../shared/json.codec.ts';
import type { EntitySettings, HomeAssistantEnergyConfig } from './config.ts';
import { isAutomatic, measurementOf, startsAgain, stem, unitOf, type Measurement } from './entity.rules.ts';
import type { Registry, RegistryDevice } from './registry.codec.ts';

export interface Sensor extends Measurement {
  readonly entity: string;
}

/** One device of ours and the entities that speak for it. */
export interface Planned {
  readonly device: Device;
  readonly sensors: readonly Sensor[];
  readonly switch: string | undefined;
}

export interface Plan {
  readonly devices: readonly Planned[];
  /** What was asked for and cannot be had, as sentences. */
  readonly problems: readonly string[];
}

const longestName = 64;
const ourMark = /^lares/;

/** What Lares itself told Home Assistant by MQTT discovery; reading it back would count everything twice. */
export function isOurs(entity: string, registry: Registry): boolean {
  const known = registry.entities.get(entity);
  if (known === undefined) return /^[a-z_]+\.lares_/.test(entity);
  const device = known.device === undefined ? undefined : registry.devices.get(known.device);
  return ourMark.test(known.uniqueId) || (device?.identifiers.some((id) => ourMark.test(id)) ?? false);
}

/** Which devices there are: those of the settings first, then, with `auto`, all others that measure. */
export function planDevices(
  config: Pick<HomeAssistantEnergyConfig, 'auto' | 'entities'>,
  states: readonly EntityState[],
  registry: Registry,
): Plan {
  const byId = new Map(states.map((s) => [s.entity, s]));
  const problems: string[] = [];
  const named = byName(config.entities, byId, registry, problems);
  const taken = new Set(named.flatMap((d) => [...d.sensors.map((s) => s.entity), d.switch ?? '']));
  const rest = config.auto
    ? states.filter((s) => isAutomatic(s) && !taken.has(s.entity) && !isOurs(s.entity, registry))
    : [];
  return { devices: [...named, ...automatic(rest, states, registry, taken)], problems };
}

function byName(
  wanted: readonly EntitySettings[],
  states: ReadonlyMap<string, EntityState>,
  registry: Registry,
  problems: string[],
): Planned[] {
  const groups = Map.groupBy(wanted, (e) => e.name ?? `\u0000${stem(e.entity)}`);
  return [...groups.values()].flatMap((group): Planned[] => {
    const asked = group.flatMap(({ entity, quantity, energy }) => [
      { entity, quantity },
      ...(energy === undefined ? [] : [{ entity: energy, quantity: 'energy_wh' as const }]),
    ]);
    const sensors = asked.flatMap(({ entity, quantity }): Sensor[] => {
      const found = sensor(entity, quantity, states.get(entity), registry);
      if (typeof found !== 'string') return [found];
      problems.push(found);
      return [];
    });
    const [first] = group;
    const switching = group.find((e) => e.switch !== undefined)?.switch;
    if (first === undefined || (sensors.length === 0 && switching === undefined)) return [];
    const friendly = label(states.get(first.entity)?.attributes['friendly_name'], 128);
    const name = first.name ?? stem(friendly ?? first.entity);
    const { device } = registry.entities.get(first.entity) ?? {};
    return [
      {
        device: describe(
          `homeassistant:${first.entity}`,
          name,
          first.entity,
          registry.devices.get(device ?? ''),
        ),
        sensors: unique(sensors),
        switch: switching,
      },
    ];
  });
}

/** The sensor, or why it cannot be one. */
function sensor(
  entity: string,
  quantity: Quantity | undefined,
  state: EntityState | undefined,
  registry: Registry,
): Sensor | string {
  if (isOurs(entity, registry))
    return `${entity} comes from Lares itself and would be counted twice; remove it`;
  if (state === undefined) return `${entity} does not exist there; correct it or remove it`;
  const measurement = measurementOf(state, quantity);
  if (measurement !== undefined) return { entity, ...measurement };
  const unit = unitOf(state).slice(0, 20) || 'no unit';
  return quantity === undefined
    ? `${entity} measures nothing that Lares knows (it comes in ${unit}); set its quantity`
    : `${entity} comes in ${unit}, which is no unit of ${quantity}`;
}

function automatic(
  sensors: readonly EntityState[],
  all: readonly EntityState[],
  registry: Registry,
  taken: ReadonlySet<string>,
): Planned[] {
  const deviceOf = (entity: string) => registry.entities.get(entity)?.device;
  const switches = all
    .map((s) => s.entity)
    .filter(
      (e) =>
        e.startsWith('switch.') &&
        !taken.has(e) &&
        !registry.entities.get(e)?.auxiliary &&
        !isOurs(e, registry),
    );
  const groups = Map.groupBy(sensors, (s) => deviceOf(s.entity) ?? `\u0000${stem(s.entity)}`);
  return [...groups].flatMap(([key, group]): Planned[] => {
    const known = registry.devices.get(key);
    const parts = known === undefined ? [group] : partsOf(group, registry);
    return parts.flatMap((part): Planned[] => {
      const chosen = unique(best(part, registry).map((s) => ({ entity: s.entity, ...measurementOf(s)! })));
      // A battery has a voltage too.
      if (!chosen.some((s) => s.quantity === 'power_watts' || s.quantity === 'energy_wh')) return [];
      const own = stem(part[0]?.entity ?? '');
      const alone = parts.length === 1;
      const near = switches.filter((e) =>
        known === undefined ? stem(e) === own : deviceOf(e) === key && (alone || stem(e) === own),
      );
      const friendly = label(part[0]?.attributes['friendly_name'], 128);
      const ownName = friendly === undefined ? own : stem(friendly);
      const id = known === undefined ? own : alone ? key : `${key}/${own}`;
      return [
        {
          device: describe(
            `homeassistant:${id}`,
            alone ? (known?.name ?? ownName) : ownName,
            chosen[0]!.entity,
            known,
          ),
          sensors: chosen,
          switch: near.length === 1 ? near[0] : undefined,
        },
      ];
    });
  });
}

/** One device is one thing, unless it measures something twice: then its entities' names tell its channels apart. */
function partsOf(group: readonly EntityState[], registry: Registry): (readonly EntityState[])[] {
  const powers = best(group, registry).filter((s) => s.attributes['device_class'] === 'power');
  if (powers.length <= 1) return [group];
  return [...Map.groupBy(group, (s) => stem(s.entity)).values()];
}

/** Without what another sensor of the same quantity says better: totals before days, measurements before diagnostics. */
function best(part: readonly EntityState[], registry: Registry): EntityState[] {
  const rank = ({ entity }: EntityState) =>
    (registry.entities.get(entity)?.auxiliary === true ? 2 : 0) + (startsAgain(entity) ? 1 : 0);
  const classOf = (s: EntityState) => String(s.attributes['device_class']);
  return [...Map.groupBy(part, classOf).values()].flatMap((same) => {
    const least = Math.min(...same.map(rank));
    return same.filter((s) => rank(s) === least);
  });
}

/** The first sensor of each quantity. */
function unique(sensors: readonly Sensor[]): Sensor[] {
  return [...new Map(sensors.toReversed().map((s) => [s.quantity, s])).values()].toReversed();
}

function describe(id: string, name: string, entity: string, known: RegistryDevice | undefined): Device {
  return {
    id,
    source: 'homeassistant',
    name: (name === '' ? entity : name).slice(0, longestName),
    address: entity,
    ...(known?.model !== undefined && { model: known.model }),
    ...(known?.firmware !== undefined && { firmware: known.firmware }),
    ...(known?.mac !== undefined && { mac: known.mac }),
  };
}
