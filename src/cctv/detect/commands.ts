import path from 'node:path';
import type { Command } from 'commander';
import { LaresError } from '#kernel/errors.ts';
import { table } from '#platform/table.ts';
import { parseInputSize, type ProcessingConfig } from './config.ts';
import { installModel, listModels, npmRegistry, type ModelRow } from './install.ts';
import type { InputSize } from './heads.codec.ts';
import { prepareModel } from './prepare.ts';
import { isPath, knownCard, needsConsent } from './registry.ts';

/** What these commands need of the house. */
export interface ModelHouse {
  readonly config: () => Promise<{ readonly processing: ProcessingConfig }>;
  readonly dataDir: () => string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly print: (data: unknown, human: () => string) => void;
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
  /** Writes settings below `processing.detection` into the configuration file, keeping its comments. */
  readonly setDetection: (values: Readonly<Record<string, string>>) => Promise<void>;
}

/** Where the files of models are kept. */
export const modelsFolder = (dataDir: string): string => path.join(dataDir, 'models');

/** `lares cctv models list | install | use`, below the command `models`. */
export function modelCommands(parent: Command, house: ModelHouse): void {
  parent
    .command('list')
    .description('the models that find objects, and which of them are here')
    .action(async () => {
      const { processing } = await house.config();
      const rows = await listModels(modelsFolder(house.dataDir()), processing.detection.model);
      house.print(rows, () => modelsText(rows));
    });

  parent
    .command('install <model>')
    .description('bring the files of a model here and make it ready')
    .option('--file <path>', 'your own ONNX file of it')
    .option('--input-size <size>', 'width and height in pixels: 512x288')
    .option('--accept-licence', 'you have read its licence and agree')
    .action(
      async (model: string, options: { file?: string; inputSize?: string; acceptLicence?: boolean }) => {
        const size = sizeOption(options.inputSize);
        const { card, file } = await installModel(
          {
            model,
            ...(options.file !== undefined && { file: options.file }),
            ...(size !== undefined && { inputSize: size }),
            acceptLicence: options.acceptLicence === true,
          },
          {
            folder: modelsFolder(house.dataDir()),
            registry: await npmRegistry(house.env),
            signal: house.signal,
            progress: house.progress,
          },
        );
        const data = {
          model: card.name,
          input: card.input,
          threshold: card.threshold,
          licence: card.licence,
          file,
        };
        house.print(
          data,
          () =>
            `${card.name} is ready (${card.input.width}x${card.input.height}, ${card.licence}); lares cctv models use ${card.name}`,
        );
      },
    );

  parent
    .command('use <model>')
    .description('look for objects with this model from now on: a name, or the path of an ONNX file')
    .option('--input-size <size>', 'width and height in pixels: 512x288')
    .action(async (model: string, options: { inputSize?: string }) => {
      const size = sizeOption(options.inputSize);
      const { processing } = await house.config();
      // The service may run in another folder.
      const named = isPath(model) ? path.resolve(model) : model;
      // What cannot be used is refused before the settings name it, at the size that they ask for.
      const { card } = await prepareModel(
        {
          model: named,
          inputSize: size ?? processing.detection.input_size,
          classes: processing.detection.classes,
        },
        modelsFolder(house.dataDir()),
        house.progress,
      );
      await house.setDetection({
        model: named,
        ...(size !== undefined && { input_size: `${size.width}x${size.height}` }),
      });
      const data = { model: named, input: card.input, threshold: card.threshold, licence: card.licence };
      house.print(
        data,
        () => `${named} is used from now on (${card.input.width}x${card.input.height}, ${card.licence})`,
      );
    });
}

function sizeOption(text: string | undefined): InputSize | undefined {
  const size = text === undefined ? undefined : parseInputSize(text);
  if (text !== undefined && size === undefined)
    throw new LaresError(
      'USAGE',
      `--input-size ${text}: expected multiples of 32 from 64 to 1920, like 512x288`,
    );
  return size;
}

export function modelsText(rows: readonly ModelRow[]): string {
  const state = ({ name, installed, used, default: usual }: ModelRow) =>
    [
      used ? 'used' : '',
      installed ? 'here' : needsConsent(knownCard(name)!) ? 'needs your file and consent' : 'not here',
      usual ? 'default' : '',
    ]
      .filter((word) => word !== '')
      .join(', ');
  return table(
    ['MODEL', 'STATE', 'INPUT', 'THRESHOLD', 'LICENCE', 'WHAT'],
    rows.map((r) => [r.name, state(r), r.input, String(r.threshold), r.licence.split(':')[0]!, r.title]),
  );
}
