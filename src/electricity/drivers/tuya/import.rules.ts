import type { Edit } from '#config/edit.ts';
import { SecretRef } from '#config/source.ts';
import type { KnownDevice } from './cloud.codec.ts';

/** What is to be done with one device, for people. Never holds a key. */
export interface ImportedDevice {
  readonly id: string;
  readonly name: string;
  readonly outcome: 'added' | 'updated' | 'left out';
  readonly why?: string;
  readonly productId?: string | undefined;
  readonly version?: string | undefined;
  readonly host?: string | undefined;
}

export interface ImportPlan {
  readonly edits: readonly Edit[];
  /** Name of the secret and its value. */
  readonly secrets: readonly (readonly [name: string, value: string])[];
  readonly devices: readonly ImportedDevice[];
}

/** Where the devices of this driver are in lares.yaml. */
export const devicesPath = ['electricity', 'tuya', 'devices'] as const;

// What measures or switches power: sockets, strips, switches, breakers, meters, and heaters that meter themselves.
const categories = new Set(['cz', 'pc', 'kg', 'dlq', 'zndb', 'tdq', 'aqcz', 'cjkg', 'wkcz', 'qccdz']);

/**
 * Which settings and secrets make these devices known to Lares. `before` is the list in lares.yaml as it is; what a person
 * wrote there stays, except for keys, addresses and versions, which are newer now. Devices that neither measure nor
 * switch power are left out unless `all`.
 */
export function planImport(before: unknown, known: readonly KnownDevice[], all: boolean): ImportPlan {
  const list = Array.isArray(before) ? (before as unknown[]) : [];
  const existing = new Map(list.flatMap((entry, index) => idOf(entry).map((id) => [id, { entry, index }])));
  const devices = [...new Map(known.map((d) => [d.id, withGateway(d, known)])).values()];
  const chosen = new Set(devices.filter((d) => all || existing.has(d.id) || isElectric(d)).map((d) => d.id));
  // Nothing behind a gateway works without it.
  for (const d of devices) if (chosen.has(d.id) && d.gateway !== undefined) chosen.add(d.gateway);
  const edits: Edit[] = [];
  const secrets: [string, string][] = [];
  const outcomes: ImportedDevice[] = [];
  let next = list.length;
  for (const device of devices) {
    const old = existing.get(device.id);
    const problem = chosen.has(device.id)
      ? problemOf(device, old !== undefined, chosen)
      : 'neither measures nor switches power; --all takes it too';
    const shown = {
      id: device.id,
      name: device.name,
      productId: device.productId,
      version: device.version,
      host: device.ip,
    };
    if (problem !== undefined) {
      outcomes.push({ ...shown, outcome: 'left out', why: problem });
      continue;
    }
    const secret = device.gateway === undefined ? secretOf(old?.entry, device.id) : undefined;
    if (secret !== undefined && device.key !== undefined) secrets.push([secret, device.key]);
    const entry = entryOf(device, secret);
    if (old === undefined) {
      // Appending to a list that is not there yet makes it.
      if (next === 0) edits.push({ path: devicesPath, value: [entry] });
      else edits.push({ path: [...devicesPath, next], value: entry });
      next += 1;
    } else edits.push(...changes(old.entry as Record<string, unknown>, old.index, entry));
    outcomes.push({ ...shown, outcome: old === undefined ? 'added' : 'updated' });
  }
  return { edits, secrets, devices: outcomes };
}

const idOf = (entry: unknown): string[] => {
  const id = (entry as { id?: unknown } | null)?.id;
  return typeof id === 'string' ? [id] : [];
};

const isElectric = ({ category }: KnownDevice) => category === undefined || categories.has(category);

/** A sub-device has the key of its gateway, which is how the two find each other where nothing says so. */
function withGateway(device: KnownDevice, all: readonly KnownDevice[]): KnownDevice {
  if (!device.sub) return { ...device, gateway: undefined };
  const gateway =
    device.gateway ?? all.find((d) => !d.sub && d.key !== undefined && d.key === device.key)?.id;
  return { ...device, gateway };
}

function problemOf(device: KnownDevice, isKnown: boolean, chosen: ReadonlySet<string>): string | undefined {
  if (device.sub && device.gateway === undefined) return 'its gateway is not among the devices';
  if (device.sub && !chosen.has(device.gateway!)) return 'its gateway is not among the devices';
  if (device.sub && device.nodeId === undefined) return 'its node id is not known; write it into lares.yaml';
  if (!device.sub && device.key === undefined && !isKnown) return 'its local key is not told';
  return undefined;
}

/** The secret that the settings name already, else one of its own. */
function secretOf(entry: unknown, id: string): string {
  const key = (entry as { key?: unknown } | undefined)?.key;
  return key instanceof SecretRef ? key.name : `tuya_key_${id}`;
}

function entryOf(device: KnownDevice, secret: string | undefined): Record<string, unknown> {
  const { id, name, ip, mac, version, productId, gateway, nodeId } = device;
  const own = gateway === undefined;
  const fields = {
    id,
    name: name.slice(0, 64),
    key: own && device.key !== undefined ? new SecretRef(secret!) : undefined,
    host: own ? ip : undefined,
    mac: own ? mac : undefined,
    version: own ? version : undefined,
    product_id: productId,
    gateway,
    node_id: own ? undefined : nodeId,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** Fields that are newer than what is written, and those that are missing; names stay as people wrote them. */
function changes(old: Record<string, unknown>, index: number, entry: Record<string, unknown>): Edit[] {
  const renewed = new Set(['key', 'host', 'version']);
  return Object.entries(entry).flatMap(([field, value]): Edit[] => {
    const written = old[field];
    if (written !== undefined && (!renewed.has(field) || written === value)) return [];
    if (written instanceof SecretRef && value instanceof SecretRef) return [];
    return [{ path: [...devicesPath, index, field], value }];
  });
}
