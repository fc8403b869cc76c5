import type { Command } from 'commander';
import { homeSpans, household } from '#demo/schedule.ts';
import { backtestCommand, type GenerateDays } from '#presence/backtest/cli.ts';
import { presenceCommands } from '#presence/cli.ts';
import { reportCommand } from '#presence/report.ts';
import type { cliHouse, GlobalOptions } from './context.ts';
import { discoverCommand, runDiscover } from './discover.ts';
import { once, selftest } from './once.ts';
import { runService } from './run.ts';

type House = ReturnType<typeof cliHouse>;

export interface PresenceProgram {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly options: () => GlobalOptions;
}

/** The people of the demo house, as a schedule for the back-test. */
const generatedDays: GenerateDays = (seed, span) =>
  household(6).map((name) => ({ name, home: homeSpans(name, span, { seed, offsetMs: 0 }) }));

/** `lares presence …`, and the original's `presence_to_graphite [--discover | --once | --selftest]`. */
export function presenceProgram(program: Command, house: House, about: PresenceProgram): void {
  const presence = program
    .command('presence')
    .description('who is home; alone it runs the service, as the original command did')
    .option('--discover', 'the same as: lares presence discover')
    .option('--once', 'one cycle: scan, ask, send, and say whether it arrived')
    .option('--selftest', 'discovery, Home Assistant, Graphite and health, each for real')
    .action(async (options: { discover?: boolean; once?: boolean; selftest?: boolean }) => {
      if (options.discover === true) return runDiscover(house, {});
      if (options.once === true) return once(house, about);
      if (options.selftest === true) return selftest(house, about);
      await runService({ ...about, options: about.options(), title: 'presence_to_graphite' });
    });
  discoverCommand(presence, house);
  presenceCommands(presence, house);
  reportCommand(presence, house);
  backtestCommand(presence, house, generatedDays);
}
