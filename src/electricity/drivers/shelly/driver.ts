import type { Protocol, Target } from '../../driver.ts';
import { macOf } from '../shared/json.codec.ts';
import { config, example, type ShellyConfig } from './config.ts';
import { findShellys } from './discover.ts';
import { ShellyStation } from './station.ts';

export { config, example };

export interface ShellyTarget extends Target {
  readonly password?: string | undefined;
}

/** Shellys of every generation: `/status` of the first, RPC of the later ones. */
export const protocol: Protocol<ShellyConfig, ShellyTarget> = {
  kind: 'shelly',
  concurrent: true,
  configured: (settings) =>
    settings.devices.map(({ host, name, mac, password: own, poll_interval_seconds: seconds }) => {
      const address = mac === undefined ? undefined : macOf(mac);
      return {
        host,
        name,
        ...(address !== undefined && { mac: address, id: `shelly:${address.replaceAll(':', '')}` }),
        ...(own !== undefined && { password: own }),
        ...(seconds !== undefined && { pollIntervalMs: seconds * 1000 }),
      };
    }),
  async *discover(settings, io) {
    for await (const { host, identity, found } of findShellys(settings.networks, settings.port, io)) {
      const { station: id, mac, needsPassword } = identity;
      const own = settings.devices.find((d) => d.host === host || macOf(d.mac) === mac)?.password;
      const locked = needsPassword && (own ?? settings.password) === undefined;
      const needs = locked ? 'its password: electricity.shelly.password, or one of its own' : undefined;
      yield { target: { id, host, mac, password: own, needs }, found: { ...found, needs } };
    }
  },
  open: (target, settings, context) =>
    new ShellyStation(
      {
        host: target.host,
        port: settings.port,
        username: settings.username,
        password: target.password ?? settings.password,
        name: target.name,
      },
      context,
    ),
};
