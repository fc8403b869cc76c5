import { isRecord, label, list, macOf, record, type Json } from '../shared/json.codec.ts';
import { versions, type Version } from './model.ts';

/** A device as the cloud or a file of tinytuya knows it. */
export interface KnownDevice {
  readonly id: string;
  readonly name: string;
  /** The local key, 16 characters; absent where the source does not tell it. */
  readonly key: string | undefined;
  readonly category: string | undefined;
  readonly productId: string | undefined;
  readonly productName: string | undefined;
  readonly mac: string | undefined;
  /** True for what sits behind a gateway. */
  readonly sub: boolean;
  readonly nodeId: string | undefined;
  readonly gateway: string | undefined;
  readonly version: Version | undefined;
  readonly ip: string | undefined;
}

// A house has hundreds of devices at most; whatever claims more is no house.
const mostDevices = 5_000;

const text = (value: unknown, most = 120): string | undefined => label(value, most);
const idOf = (value: unknown): string | undefined =>
  typeof value === 'string' && /^[\w-]{6,64}$/.test(value) ? value : undefined;
const keyOf = (value: unknown): string | undefined =>
  typeof value === 'string' && /^[\x20-\x7e]{16}$/.test(value) ? value : undefined;
const versionOf = (value: unknown): Version | undefined => versions.find((v) => v === String(value));
const ipOf = (value: unknown): string | undefined =>
  typeof value === 'string' && /^\d{1,3}(\.\d{1,3}){3}$/.test(value) ? value : undefined;

/** One page of `/v1.0/iot-01/associated-users/devices`. What cannot be read is left out. */
export function readDevicePage(result: unknown): { devices: KnownDevice[]; more: boolean; after: string } {
  const { devices, has_more, last_row_key } = record(result);
  return {
    devices: readDevices(devices, (item) => item['local_key']),
    more: has_more === true,
    after: text(last_row_key, 512) ?? '',
  };
}

/** `/v2.0/devices/factory-infos`. */
export function readFactoryInfos(result: unknown): Map<string, string> {
  return new Map(
    list(result)
      .filter(isRecord)
      .flatMap(({ id, mac }): [string, string][] => {
        const [device, address] = [idOf(id), macOf(mac)];
        return device === undefined || address === undefined ? [] : [[device, address]];
      }),
  );
}

/** What `tinytuya.json` holds: the way into the cloud project. */
export interface Credentials {
  readonly accessId: string;
  readonly secret: string;
  readonly region: string | undefined;
}

/** Reads `devices.json`, `snapshot.json` or `tinytuya.json` of tinytuya. Undefined for anything else. */
export function readTinytuya(
  file: string,
): { readonly devices: KnownDevice[] } | { readonly credentials: Credentials } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(file);
  } catch {
    return undefined;
  }
  if (isRecord(value)) {
    const [accessId, secret] = [text(value['apiKey']), text(value['apiSecret'])];
    if (accessId !== undefined && secret !== undefined)
      return { credentials: { accessId, secret, region: text(value['apiRegion'], 8) } };
  }
  const devices = Array.isArray(value) ? value : record(value)['devices'];
  if (!Array.isArray(devices)) return undefined;
  return { devices: readDevices(devices, (item) => item['key'] ?? item['local_key']) };
}

function readDevices(devices: unknown, keyIn: (item: Json) => unknown): KnownDevice[] {
  const items = list(devices).slice(0, mostDevices).filter(isRecord);
  return items.flatMap((item) => readDevice(item, keyIn(item)));
}

function readDevice(item: Json, key: unknown): KnownDevice[] {
  const id = idOf(item['id'] ?? item['gwId']);
  if (id === undefined) return [];
  return [
    {
      id,
      name: text(item['name']) ?? id,
      key: keyOf(key),
      category: text(item['category'], 32),
      productId: text(item['product_id'] ?? item['productKey'], 64),
      productName: text(item['product_name']),
      mac: macOf(item['mac']),
      sub: item['sub'] === true || (item['parent'] ?? '') !== '',
      nodeId: text(item['node_id'], 64),
      gateway: idOf(item['parent'] ?? item['gateway_id']),
      version: versionOf(item['version'] ?? item['ver']),
      ip: ipOf(item['ip']),
    },
  ];
}
