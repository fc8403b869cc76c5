import type { Command } from 'commander';
import type { GuardBody, ModeBody } from '#guard/index.ts';
import { LaresError } from '#kernel/errors.ts';
import { numberOf } from '#platform/flags.ts';
import { localTime } from '#platform/table.ts';
import type { cliHouse } from '../context.ts';

type House = ReturnType<typeof cliHouse>;

const modes = ['home', 'away', 'night', 'auto'];

/** `lares cctv mode`: what mode the house is in and why, or another one by hand. */
export function modeCommand(cctv: Command, house: House): void {
  cctv
    .command('mode')
    .description('the mode of the house and why, or set it by hand (asks the running service)')
    .argument('[mode]', `${modes.join(', ')}; auto takes back what was set by hand`)
    .option('--minutes <count>', 'how long it holds; until it is taken back unless given')
    .action(async (mode: string | undefined, { minutes }: { minutes?: string }) => {
      if (mode === undefined && minutes !== undefined)
        throw new LaresError('USAGE', `--minutes needs a mode: ${modes.join(', ')}`);
      const now = mode === undefined ? await asked(house) : await set(house, mode, minutes);
      // The house runs with the settings of before while those of now are wrong.
      const settings =
        house.configFile() === undefined ? undefined : await house.config().catch(() => undefined);
      const timeZone = settings?.home.time_zone;
      house.print(now, () => modeText(now, timeZone));
    });
}

async function asked(house: House): Promise<ModeBody> {
  const { mode, why, until } = (await house.get('/api/guard')) as GuardBody;
  return { mode, why, until };
}

async function set(house: House, mode: string, minutes: string | undefined): Promise<ModeBody> {
  if (!modes.includes(mode))
    throw new LaresError(
      'USAGE',
      `there is no mode ${JSON.stringify(mode)}; expected one of ${modes.join(', ')}`,
    );
  const long =
    minutes === undefined ? {} : { minutes: Number(numberOf('--minutes', minutes, { most: 44_640 })) };
  return (await house.post('/api/guard/mode', { mode, ...long })) as ModeBody;
}

const modeText = ({ mode, why, until }: ModeBody, timeZone: string | undefined) =>
  `${mode}: ${why}${until === null ? '' : `, until ${localTime(Date.parse(until), timeZone)}`}`;
