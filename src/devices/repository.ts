import type { Kysely } from 'kysely';
import type { NamedMigration, Store } from '#store/model.ts';
import type { LanDevice, Mac, Via } from './model.ts';

// A type, not an interface: Kysely asks for an index signature.
// oxlint-disable-next-line typescript/consistent-type-definitions
type DeviceTables = {
  lan_device: {
    mac: string;
    ip: string | null;
    network: string;
    hostname: string | null;
    dhcp_fingerprint: string | null;
    dhcp_vendor_class: string | null;
    ipv6_suffix: string | null;
    /** Epoch ms. */
    first_seen: number;
    last_seen: number;
    last_via: string;
  };
};

export const deviceMigrations: readonly NamedMigration[] = [
  {
    name: '0001_devices_lan',
    async up(db) {
      await db.schema
        .createTable('lan_device')
        .addColumn('mac', 'text', (column) => column.primaryKey())
        .addColumn('ip', 'text')
        .addColumn('network', 'text', (column) => column.notNull())
        .addColumn('hostname', 'text')
        .addColumn('dhcp_fingerprint', 'text')
        .addColumn('dhcp_vendor_class', 'text')
        .addColumn('ipv6_suffix', 'text')
        .addColumn('first_seen', 'bigint', (column) => column.notNull())
        .addColumn('last_seen', 'bigint', (column) => column.notNull())
        .addColumn('last_via', 'text', (column) => column.notNull())
        .execute();
    },
  },
];

/** A device as stored; vendor and randomisation follow from its address. */
export type StoredDevice = Omit<LanDevice, 'vendor' | 'randomised'>;

// SQLite allows 32,766 parameters in a statement.
const rowsPerStatement = 500;

export class DeviceRepository {
  readonly #db: Kysely<DeviceTables>;

  constructor(store: Pick<Store, 'db'>) {
    this.#db = store.db.withTables<DeviceTables>();
  }

  async all(): Promise<StoredDevice[]> {
    const rows = await this.#db.selectFrom('lan_device').selectAll().execute();
    return rows.map((row) => ({
      mac: row.mac,
      ip: row.ip ?? undefined,
      network: row.network,
      hostname: row.hostname ?? undefined,
      dhcpFingerprint: row.dhcp_fingerprint ?? undefined,
      dhcpVendorClass: row.dhcp_vendor_class ?? undefined,
      ipv6Suffix: row.ipv6_suffix ?? undefined,
      // PostgreSQL hands out its 64-bit integers as text.
      firstSeen: Number(row.first_seen),
      lastSeen: Number(row.last_seen),
      lastVia: row.last_via as Via,
    }));
  }

  /** Writes all of them in one transaction. */
  async save(devices: readonly StoredDevice[]): Promise<void> {
    if (devices.length === 0) return;
    await this.#db.transaction().execute(async (trx) => {
      for (let from = 0; from < devices.length; from += rowsPerStatement) {
        const rows = devices.slice(from, from + rowsPerStatement).map((d) => ({
          mac: d.mac,
          ip: d.ip ?? null,
          network: d.network,
          hostname: d.hostname ?? null,
          dhcp_fingerprint: d.dhcpFingerprint ?? null,
          dhcp_vendor_class: d.dhcpVendorClass ?? null,
          ipv6_suffix: d.ipv6Suffix ?? null,
          first_seen: d.firstSeen,
          last_seen: d.lastSeen,
          last_via: d.lastVia,
        }));
        await trx
          .insertInto('lan_device')
          .values(rows)
          .onConflict((conflict) =>
            conflict.column('mac').doUpdateSet((row) => ({
              ip: row.ref('excluded.ip'),
              network: row.ref('excluded.network'),
              hostname: row.ref('excluded.hostname'),
              dhcp_fingerprint: row.ref('excluded.dhcp_fingerprint'),
              dhcp_vendor_class: row.ref('excluded.dhcp_vendor_class'),
              ipv6_suffix: row.ref('excluded.ipv6_suffix'),
              first_seen: row.ref('excluded.first_seen'),
              last_seen: row.ref('excluded.last_seen'),
              last_via: row.ref('excluded.last_via'),
            })),
          )
          .execute();
      }
    });
  }

  async remove(macs: readonly Mac[]): Promise<void> {
    for (let from = 0; from < macs.length; from += rowsPerStatement)
      await this.#db
        .deleteFrom('lan_device')
        .where('mac', 'in', macs.slice(from, from + rowsPerStatement))
        .execute();
  }
}
