import { LaresError } from '#kernel/errors.ts';
import type { Protocol, Target } from '../../driver.ts';
import type { Found } from '../../model.ts';
import { addressesOf, searchable } from '../shared/networks.rules.ts';
import { sweep } from '../shared/sweep.ts';
import { record } from '../shared/json.codec.ts';
import { readSensor } from './codec.ts';
import { httpConfig, httpExample, type TasmotaHttpConfig } from './config.ts';
import { command, passwordNeeded, TasmotaStation, tasmotaOf, type TasmotaAddress } from './station.ts';

/** Of one address of a search. */
const limitMs = 2_000;

export { httpConfig as config, httpExample as example };

export interface TasmotaTarget extends Target {
  readonly password?: string | undefined;
}

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
  kind: 'tasmota_http',
  configured: (settings) =>
    settings.devices.map(({ host, name, password: own, poll_interval_seconds: seconds }) => ({
      host,
      name,
      ...(own !== undefined && { password: own }),
      ...(seconds !== undefined && { pollIntervalMs: seconds * 1000 }),
    })),
  async *discover(settings, io) {
    const probe = (address: string, signal: AbortSignal) =>
      find(
        addressOf(settings.devices.find((d) => d.host === address) ?? { host: address }, settings),
        signal,
      );
    const seen = new Set<string>();
    for await (const one of sweep(addressesOf(searchable(settings.networks)), probe, io)) {
      if (one.target.id !== undefined && seen.has(one.target.id)) continue;
      if (one.target.id !== undefined) seen.add(one.target.id);
      yield one;
    }
  },
  open: (target, settings) => new TasmotaStation(addressOf(target, settings), target.name),
};

/** Who is there. A password goes only to what asks for it in the words of Tasmota, not to every web server there is. */
async function find(
  address: TasmotaAddress,
  signal: AbortSignal,
): Promise<{ target: TasmotaTarget; found: Found } | undefined> {
  const { host, password } = address;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  const ask = (secret: string | undefined) => command({ ...address, password: secret }, 'Status 0', limit);
  try {
    const reply = await ask(undefined).catch((error: unknown) => {
      if (password !== undefined && wantsPassword(error)) return ask(password);
      throw error;
    });
    const { station, mac, identity } = tasmotaOf(reply);
    const metered = readSensor({ StatusSNS: record(reply)['StatusSNS'] }).length > 0;
    const { name, model, firmware } = identity;
    return {
      target: { id: station, host, mac },
      found: { kind: 'tasmota_http', id: station, host, name, model, mac, firmware, metered },
    };
  } catch (error) {
    if (!wantsPassword(error)) return undefined;
    // It does not say which one it is. A password that is wrong shows when it is polled.
    const needs = 'its web password: electricity.tasmota_http.password, or one of its own';
    return {
      target: { host, needs: password === undefined ? needs : undefined },
      found: { kind: 'tasmota_http', id: host, host, needs },
    };
  }
}

const wantsPassword = (error: unknown): boolean =>
  error instanceof LaresError && error.message === passwordNeeded;
