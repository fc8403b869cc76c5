import { InvalidArgumentError, type Command } from 'commander';
import { LaresError } from '#kernel/errors.ts';
import { systemClock } from '#platform/clock.ts';
import type { CliHouse } from '#platform/command.ts';
import type { StateStore } from '#store/model.ts';
import type { ElectricityConfig } from '../config.ts';
import { Ledger } from '../energy/ledger.ts';
import type { Period } from '../energy/model.ts';
import type { Names } from '../naming.rules.ts';
import { namesKey } from '../service.ts';
import { Prices } from './prices.ts';
import { whatIfText } from './render.ts';
import { whatIfFiles } from './whatif.ts';

type House = CliHouse<{
  readonly home: { readonly time_zone?: string | undefined };
  readonly electricity: ElectricityConfig;
}>;

interface Options {
  readonly device?: string;
  readonly days?: number;
}

const dayMs = 86_400_000;

/** `lares electricity what-if TARIFF.yaml …`: the own history under other tariffs. Works beside the running service. */
export function whatIfCommand(electricity: Command, house: House, folder: () => string): void {
  electricity
    .command('what-if <tariff...>')
    .description('what the recorded energy would have cost under other tariffs (docs/tariffs.md)')
    .option('--device <path>', 'of one device, without standing charge; the whole house unless given')
    .option('--days <count>', 'how many days back; all that is recorded unless given', days)
    .action(async (files: string[], options: Options) => {
      const hasSettings = house.configFile() !== undefined;
      const config = hasSettings ? await house.config() : undefined;
      const timeZone = config?.home.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
      const store = await house.store();
      try {
        const now = systemClock.now();
        const parts = {
          clock: systemClock,
          log: house.log,
          random: Math.random,
          state: store.state,
          timeZone,
        };
        const book = new Ledger({ store, log: house.log, now: () => now, timeZone: () => timeZone });
        await book.load();
        const prices = new Prices({ ...parts, settings: config?.electricity.tariff, folder: folder() });
        await prices.load();
        const device = options.device === undefined ? undefined : await idOf(store.state, options.device);
        const period: Period | undefined =
          options.days === undefined ? undefined : { from: now - options.days * dayMs, to: now };
        house.progress(`adding up under ${files.join(', ')} …`);
        const asked = { ...parts, book, present: prices.tariff(), device, period };
        const result = await whatIfFiles(files, asked, house.signal);
        house.print(result, () => whatIfText(result, timeZone));
      } finally {
        await store.close();
      }
    });
}

function days(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= 36_525) return value;
  throw new InvalidArgumentError('expected a number of days');
}

/** The id of a device by its path, its last node or its id. Throws NOT_FOUND with the paths there are. */
async function idOf(state: StateStore, wanted: string): Promise<string> {
  const names = (await state.get<Names>(namesKey)) ?? {};
  const found = Object.entries(names).filter(
    ([id, { path }]) => id === wanted || path === wanted || path.split('.').at(-1) === wanted,
  );
  const [only] = found;
  if (only !== undefined && found.length === 1) return only[0];
  const known = Object.values(names).map(({ path }) => path);
  throw new LaresError(
    'NOT_FOUND',
    `no single device is called ${JSON.stringify(wanted.slice(0, 80))}; known: ${known.join(', ') || 'none yet'}`,
  );
}
