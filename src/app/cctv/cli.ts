import type { Command } from 'commander';
import { cctvCommands } from '#cctv/cli.ts';
import { modelCommands } from '#cctv/detect/commands.ts';
import { processingConfig } from '#cctv/detect/config.ts';
import { faceCommands } from '#cctv/recognise/cli.ts';
import { LaresError } from '#kernel/errors.ts';
import { acceptCommand } from './accept.ts';
import { addCommands } from './add.ts';
import { bookCommands } from './book.ts';
import { calibrateCommand } from './calibrate.ts';
import { modeCommand } from './guard.ts';
import { rulesCommands } from './alert-rules.ts';
import { cctvTools } from './tools.ts';
import { tryCommand } from './try.ts';
import type { cliHouse, GlobalOptions } from '../context.ts';
import { runService } from '../run.ts';

type House = ReturnType<typeof cliHouse>;

export interface CctvProgram {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly options: () => GlobalOptions;
}

/** `lares cctv …`; alone it runs the service, as the original's `main.py` did. */
export function cctvProgram(program: Command, house: House, about: CctvProgram): void {
  const run = () =>
    runService({ ...about, options: about.options(), title: about.env['LARES_TITLE'] ?? 'lares cctv' });
  const cctv = program
    .command('cctv')
    .description('cameras, what they see and who is told; alone it runs the service, as the original did')
    .allowExcessArguments()
    .action(async (_options: unknown, command: Command) => {
      const [word] = command.args;
      if (word !== undefined)
        throw new LaresError(
          'USAGE',
          `there is no command ${JSON.stringify(word)}; lares cctv has ${command.commands.map((c) => c.name()).join(', ')}`,
        );
      await run();
    });
  cctv.command('run').description('start the service').action(run);
  cctvCommands(cctv, house);
  addCommands(cctv, house);
  tryCommand(cctv, house);
  calibrateCommand(cctv, house);
  acceptCommand(cctv, house);
  rulesCommands(cctv, house);
  modeCommand(cctv, house);
  faceCommands(cctv, house);
  bookCommands(cctv, house);
  cctvTools(cctv, house, about);
  modelCommands(cctv.command('models').description('what finds objects in pictures'), {
    ...house,
    config: async () =>
      house.configFile() === undefined ? { processing: processingConfig.parse({}) } : house.config(),
    setDetection: async (values) =>
      house.edit(
        Object.entries(values).map(([key, value]) => ({ path: ['processing', 'detection', key], value })),
      ),
  });
}
