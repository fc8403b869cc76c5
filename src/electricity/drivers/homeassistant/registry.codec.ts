import { isRecord, label, list, macOf, type Json } from '../shared/json.codec.ts';

/** What the registries of Home Assistant know beyond the states. */
export interface Registry {
  readonly entities: ReadonlyMap<string, RegistryEntity>;
  readonly devices: ReadonlyMap<string, RegistryDevice>;
}

export interface RegistryEntity {
  readonly uniqueId: string;
  readonly device: string | undefined;
  /** A setting or a diagnosis of the device rather than what it is there for, or hidden or disabled by a person. */
  readonly auxiliary: boolean;
}

export interface RegistryDevice {
  readonly name: string | undefined;
  readonly model: string | undefined;
  readonly firmware: string | undefined;
  readonly mac: string | undefined;
  readonly identifiers: readonly string[];
}

export const noRegistry: Registry = { entities: new Map(), devices: new Map() };

const text = (value: unknown): string | undefined => label(value, 128);
const rows = (value: unknown): Json[] => list(value).filter(isRecord);
const pairs = (value: unknown): [string, string][] =>
  list(value).flatMap((pair): [string, string][] =>
    Array.isArray(pair) && typeof pair[0] === 'string' && typeof pair[1] === 'string'
      ? [[pair[0], pair[1]]]
      : [],
  );

/** The results of `config/entity_registry/list` and `config/device_registry/list`. Rows of another shape are skipped. */
export function parseRegistry(entities: unknown, devices: unknown): Registry {
  return {
    entities: new Map(
      rows(entities).flatMap((row): [string, RegistryEntity][] => {
        const id = text(row['entity_id']);
        if (id === undefined) return [];
        const auxiliary = ['entity_category', 'hidden_by', 'disabled_by'].some(
          (key) => text(row[key]) !== undefined,
        );
        return [[id, { uniqueId: text(row['unique_id']) ?? '', device: text(row['device_id']), auxiliary }]];
      }),
    ),
    devices: new Map(
      rows(devices).flatMap((row): [string, RegistryDevice][] => {
        const id = text(row['id']);
        return id === undefined ? [] : [[id, deviceOf(row)]];
      }),
    ),
  };
}

function deviceOf(row: Json): RegistryDevice {
  const maker = text(row['manufacturer']);
  const model = text(row['model']);
  return {
    name: text(row['name_by_user']) ?? text(row['name']),
    model: maker === undefined || model === undefined ? (model ?? maker) : `${maker} ${model}`,
    firmware: text(row['sw_version']),
    mac: macOf(pairs(row['connections']).find(([kind]) => kind === 'mac')?.[1]),
    identifiers: pairs(row['identifiers']).map(([, id]) => id),
  };
}
