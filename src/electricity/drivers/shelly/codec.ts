import { LaresError } from '#kernel/errors.ts';
import type { EnergySlot, Values } from '../../model.ts';
import { finite, label, list, macOf, record } from '../shared/json.codec.ts';

/** Sum of what is present; undefined where nothing is. */
export function sum(values: readonly (number | undefined)[]): number | undefined {
  const present = values.filter((v) => v !== undefined);
  return present.length === 0 ? undefined : present.reduce((a, b) => a + b, 0);
}

/** Who a host says it is at `/shelly`, which needs no password. */
export interface Identity {
  readonly gen: 1 | 2;
  /** `02:00:00:00:00:01` */
  readonly mac: string;
  /** `shelly:020000000001` */
  readonly station: string;
  /** Model code: `SHPLG-S`, `SPEM-003CEBEU`. */
  readonly model: string | undefined;
  readonly firmware: string | undefined;
  readonly name: string | undefined;
  readonly needsPassword: boolean;
  /** Model codes that never measure are not known here, so only true or undefined. */
  readonly metered: boolean | undefined;
}

/** `GET /shelly`: `gen` from 2 on, `type` on the first generation. Throws BAD_REPLY when no Shelly speaks there. */
export function parseIdentity(value: unknown): Identity {
  const info = record(value);
  const mac = macOf(info['mac']);
  const gen = finite(info['gen']) ?? 1;
  const model = label(gen >= 2 ? info['model'] : info['type']);
  if (mac === undefined || model === undefined)
    throw new LaresError('BAD_REPLY', 'what answers there is no Shelly: /shelly names no MAC and model');
  return {
    gen: gen >= 2 ? 2 : 1,
    mac,
    station: `shelly:${mac.replaceAll(':', '')}`,
    model,
    firmware: firmware(gen >= 2 ? info['ver'] : info['fw']),
    name: label(info['name']),
    needsPassword: info['auth'] === true || info['auth_en'] === true,
    metered: (finite(info['num_meters']) ?? 0) + (finite(info['num_emeters']) ?? 0) > 0 ? true : undefined,
  };
}

/** `20230913-113421/v1.14.0-gcb84623` of the first generation as `1.14.0`. */
function firmware(value: unknown): string | undefined {
  const text = label(value);
  return /\/v?([^-/]+)/.exec(text ?? '')?.[1] ?? text;
}

/** How a channel is switched. `path` of the first generation: `/relay/0`; `rpc` of the later ones: `Switch`. */
export type Turning = { readonly path: string } | { readonly rpc: string; readonly id: number };

/**
 * Where a channel keeps its history. `minutes`: `Switch` and its like know the last three. `weeks`: `EMData` and
 * `EM1Data`, minute by minute. `logs`: files of the first generation, one a phase, ten minutes a line.
 */
export type Memory =
  | { readonly depth: 'minutes' | 'weeks'; readonly rpc: string; readonly id: number }
  | { readonly depth: 'logs'; readonly paths: readonly string[] };

/** One thing behind a Shelly that measures or switches. */
export interface Channel {
  /** `switch:0`, `em1:2`, `emeter:1`: unique behind its Shelly, the same for its life. */
  readonly key: string;
  readonly name: string | undefined;
  readonly values: Values;
  /** What the device complains about. */
  readonly notes: readonly string[];
  readonly turning?: Turning;
  readonly memory?: Memory;
}

/** What one poll of a Shelly says. */
export interface Reading {
  readonly mac: string | undefined;
  /** Epoch seconds of its clock; undefined while it has no time. */
  readonly unixTime: number | undefined;
  /** Changes when names or settings do. */
  readonly revision: number | undefined;
  readonly channels: readonly Channel[];
}

/** The sentence for the error words of a component; bounded, because they come from the device. */
export function complaint(errors: unknown): readonly string[] {
  const words = list(errors)
    .slice(0, 8)
    .map((word) => label(word))
    .filter((word) => word !== undefined);
  return words.length === 0 ? [] : [`it reports ${words.join(', ')}`];
}

/** Records outside of any plausible calendar are left out: some firmware writes them before its clock is set. */
export const plausibleSeconds = (seconds: number | undefined): seconds is number =>
  seconds !== undefined && seconds > 1_000_000_000 && seconds < 4_000_000_000;

/** Slots that overlap `from`..`to`, in order, each instant once. */
export function within(slots: readonly EnergySlot[], from: number, to: number): EnergySlot[] {
  const sorted = slots.filter((s) => s.to > from && s.from < to).toSorted((a, b) => a.from - b.from);
  return sorted.filter((slot, i) => i === 0 || slot.from >= (sorted[i - 1]?.to ?? 0));
}
