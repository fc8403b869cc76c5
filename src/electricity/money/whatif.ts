import { existsSync } from 'node:fs';
import path from 'node:path';
import { loadConfig } from '#config/load.ts';
import { LaresError } from '#kernel/errors.ts';
import { houseId, slotMs, type EnergyBook, type Period } from '../energy/model.ts';
import { tariffConfig, type TariffSettings } from './config.ts';
import type { FeedParts } from './feed.ts';
import type { Tariff } from './model.ts';
import { Prices } from './prices.ts';
import { whatIf, type WhatIf } from './whatif.rules.ts';

/** Reads a TARIFF.yaml. Throws ConfigError with every problem and its line, or CONFIG_UNREADABLE. */
export function readTariffFile(file: string): TariffSettings {
  // `loadConfig` would send people to `lares init`, which writes another file.
  if (!existsSync(file))
    throw new LaresError(
      'CONFIG_UNREADABLE',
      `there is no file ${file}; docs/tariffs.md shows how to write one`,
    );
  const { config } = loadConfig(tariffConfig, { file });
  return { ...config, name: config.name ?? path.basename(file).replace(/\.ya?ml$/i, '') };
}

export interface WhatIfParts extends Omit<FeedParts, 'folder'> {
  readonly book: EnergyBook;
  /** What the house pays now; without it nothing is compared. */
  readonly present?: Tariff | undefined;
  /** Id of one device, for which standing charges do not count; the house unless set. */
  readonly device?: string | undefined;
  /** All that is known unless set. */
  readonly period?: Period | undefined;
}

/**
 * What the own history would have cost under the tariffs of some TARIFF.yaml files. Prices that a file takes from an
 * address are fetched as far back as the history goes. Throws NOT_FOUND without a history, and what reading throws.
 */
export async function whatIfFiles(
  files: readonly string[],
  parts: WhatIfParts,
  signal: AbortSignal,
): Promise<WhatIf> {
  const { book, device = houseId, present, timeZone, clock } = parts;
  const asked = parts.period ?? { from: 0, to: clock.now() + slotMs };
  // All files are checked before anything is fetched.
  const settings = files.map((file) => [file, readTariffFile(file)] as const);
  const slots = await book.slots(device, asked.from, asked.to);
  const [first, last] = [slots[0], slots.at(-1)];
  if (first === undefined || last === undefined)
    throw new LaresError(
      'NOT_FOUND',
      `no energy of ${device} is known for that time; let the service measure first, or name another time`,
    );
  const period = parts.period ?? { from: first.at, to: last.at + slotMs };
  const others: Tariff[] = [];
  for (const [file, each] of settings) {
    const prices = new Prices({ ...parts, settings: each, folder: path.dirname(path.resolve(file)) });
    await prices.load();
    await prices.refresh(period.from, signal);
    others.push(prices.tariff()!);
  }
  return whatIf({ slots, period, timeZone, present, others, standing: device === houseId });
}
