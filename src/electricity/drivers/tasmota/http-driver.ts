import { z } from 'zod';
import type { Traits } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import { networkSettings, pollSettings, targetSettings, type Protocol, type Target } from '../../driver.ts';
import type { Found } from '../../model.ts';
import { addressesOf, searchable } from '../shared/networks.rules.ts';
import { sweep } from '../shared/sweep.ts';
import { record } from '../shared/json.codec.ts';
import { readSensor } from './codec.ts';
import { command, passwordNeeded, TasmotaStation, tasmotaOf, type TasmotaAddress } from './station.ts';

const password = z.string().min(1).max(128).optional();
/** Of one address of a search. */
const limitMs = 2_000;

export const config = z
  .strictObject({
    ...pollSettings,
    ...networkSettings,
    port: z.int().min(1).max(65_535).default(80).meta({
      title: 'Port',
      description: 'HTTP port of the devices where their host does not name one',
      reload: 'live',
    }),
    username: z.string().min(1).max(64).default('admin').meta({
      title: 'User name',
      description: 'For devices with a web password; admin unless the firmware was built otherwise',
      reload: 'live',
    }),
    password: password.meta({
      title: 'Web password',
      description: 'The web password of the devices',
      secret: true,
      reload: 'live',
    }),
    devices: z
      .array(
        z
          .strictObject({
            host: z
              .string()
              .min(1)
              .max(253)
              .meta({
                title: 'Host',
                description: 'IP address or name, with a port where that is not 80',
                reload: 'live',
                examples: ['192.0.2.30'],
              }),
            password: password.meta({
              title: 'Web password',
              description: 'Of this device, where it differs from the others',
              secret: true,
              reload: 'live',
            }),
            ...targetSettings,
          })
          .meta({ title: 'Tasmota device', description: 'A Tasmota at a known address' }),
      )
      .default([])
      .meta({
        title: 'Devices',
        description:
          'Devices that are not found by searching the networks, or that need settings of their own',
        reload: 'live',
      }),
  })
  .meta({
    title: 'Tasmota over HTTP',
    description:
      'Tasmota devices without MQTT, asked through their web server. Use one way for a device, not both',
  });

export type TasmotaHttpConfig = z.infer<typeof config>;

export interface TasmotaTarget extends Target {
  readonly password?: string | undefined;
}

export const example = { devices: [{ host: '192.0.2.30', name: 'Washing machine' }] };
export const traits: Traits = { cadence: { everyMs: 30_000 }, needs: ['network'] };

const addressOf = (
  target: TasmotaTarget,
  { port, username, password: common }: TasmotaHttpConfig,
): TasmotaAddress => ({
  host: port === 80 || target.host.includes(':') ? target.host : `${target.host}:${port}`,
  username,
  password: target.password ?? common,
});

/** Tasmota through its web server: `Status 0`, once a poll. */
export const protocol: Protocol<TasmotaHttpConfig, TasmotaTarget> = {
  kind: 'tasmota-http',
  configured: (settings) =>
    settings.devices.map(({ host, name, password: own, poll_interval_seconds: seconds }) => ({
      host,
      name,
      ...(own !== undefined && { password: own }),
      ...(seconds !== undefined && { pollIntervalMs: seconds * 1000 }),
    })),
  async *discover(settings, io) {
    const probe = (address: string, signal: AbortSignal) =>
      find(addressOf({ host: address }, settings), signal);
    const seen = new Set<string>();
    for await (const one of sweep(addressesOf(searchable(settings.networks)), probe, io)) {
      if (one.target.id !== undefined && seen.has(one.target.id)) continue;
      if (one.target.id !== undefined) seen.add(one.target.id);
      yield one;
    }
  },
  open: (target, settings) => new TasmotaStation(addressOf(target, settings), target.name),
};

async function find(
  address: TasmotaAddress,
  signal: AbortSignal,
): Promise<{ target: TasmotaTarget; found: Found } | undefined> {
  const { host } = address;
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
    const reply = await command(address, 'Status 0', limit);
    const { station, mac, identity } = tasmotaOf(reply);
    const metered = readSensor({ StatusSNS: record(reply)['StatusSNS'] }).length > 0;
    const { name, model, firmware } = identity;
    return {
      target: { id: station, host, mac },
      found: { kind: 'tasmota-http', id: station, host, name, model, mac, firmware, metered },
    };
  } catch (error) {
    // Only a Tasmota asks in these words, but it does not say which one it is.
    if (!(error instanceof LaresError) || error.message !== passwordNeeded) return undefined;
    const found = { kind: 'tasmota-http', id: host, host, metered: undefined, needs: 'its web password' };
    return { target: { host }, found };
  }
}
