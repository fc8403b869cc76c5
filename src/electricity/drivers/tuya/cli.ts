import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { Edit } from '#config/edit.ts';
import { envFileBeside } from '#config/init.ts';
import { Secrets } from '#config/secrets.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import { systemClock } from '#platform/clock.ts';
import type { CliHouse } from '#platform/command.ts';
import { table } from '#platform/table.ts';
import type { StateStore } from '#store/model.ts';
import type { Found } from '../../model.ts';
import { readTinytuya, type Credentials, type KnownDevice } from './cloud.codec.ts';
import { regions, quotaKey, TuyaCloud, type Region } from './cloud.ts';
import type { TuyaConfig } from './config.ts';
import { protocol } from './driver.ts';
import type { ImportPlan } from './import.rules.ts';
import { quotaText, viewQuota, type QuotaUse, type QuotaView } from './quota.rules.ts';
import { askCloud, listen, planFor, withBeacons, writePlan, writeSecret } from './wizard.ts';

/** What the commands need besides the house. */
export interface TuyaCliParts {
  /** The section `electricity.tuya`, with defaults where there is none; throws CONFIG_INVALID. */
  readonly settings: () => Promise<TuyaConfig>;
  /** Changes lares.yaml after the same check that the service makes. */
  readonly edit: (edits: readonly Edit[]) => void;
  /** Asks a person; `secret` is not shown while it is typed. Throws USAGE where nobody can be asked. */
  readonly ask: (question: string, secret: boolean) => Promise<string>;
  /** Base URL of a region; another one in tests only. */
  readonly url?: (region: Region) => string;
}

interface WizardOptions {
  readonly accessId?: string;
  readonly region?: string;
  readonly all?: boolean;
  readonly lan: boolean;
  readonly dryRun?: boolean;
}

/** `lares tuya wizard | import | scan | quota`. */
export function tuyaCommands(program: Command, house: CliHouse<unknown>, parts: TuyaCliParts): void {
  const tuya = program.command('tuya').description('Tuya devices: get their local keys, find them');
  const io = { signal: house.signal, progress: (text: string) => house.progress(text) };

  tuya
    .command('wizard')
    .description(
      'get ids and local keys of all devices from a Tuya cloud project (docs/tuya.md) and write them down',
    )
    .option('--access-id <id>', 'of the cloud project; TUYA_ACCESS_ID or asked for unless given')
    .option('--region <region>', `${Object.keys(regions).join(', ')}; TUYA_REGION or asked for unless given`)
    .option('--all', 'also devices that neither measure nor switch power')
    .option('--no-lan', 'do not listen to the local network')
    .option('--dry-run', 'write nothing')
    .action(async (options: WizardOptions) => {
      const file = settingsFile(house);
      const settings = await parts.settings();
      const { region, ...credentials } = await credentialsFrom(options, house, parts);
      await withState(house, async (state) => {
        const url = (parts.url ?? ((r) => regions[r]))(region);
        const cloud = new TuyaCloud({
          ...credentials,
          url,
          state,
          clock: systemClock,
          quota: settings.cloud_quota,
        });
        const known = await askCloud(cloud, io);
        const heard = options.lan ? await heardOrNone(settings, io) : new Map();
        await finish(withBeacons(known, heard), options, file, await cloud.quota());
      });
    });

  tuya
    .command('import')
    .description(
      'take devices from a devices.json or snapshot.json of tinytuya, or the access from its tinytuya.json',
    )
    .argument('<file>', 'the file')
    .option('--all', 'also devices that neither measure nor switch power')
    .option('--dry-run', 'write nothing')
    .action(async (name: string, options: { all?: boolean; dryRun?: boolean }) => {
      const file = settingsFile(house);
      const read = readTinytuya(readText(name));
      if (read === undefined)
        throw new LaresError(
          'USAGE',
          `${name} is no devices.json, snapshot.json or tinytuya.json of tinytuya`,
        );
      if ('credentials' in read) return keepCredentials(read.credentials, file, options.dryRun === true);
      return finish(read.devices, options, file, undefined);
    });

  tuya
    .command('scan')
    .description(
      'find Tuya devices: those that announce themselves, and those of the networks in the settings',
    )
    .option('--seconds <seconds>', 'how long to listen', '6')
    .action(async ({ seconds }: { seconds: string }) => {
      const listen_seconds = Number(seconds);
      if (!(listen_seconds >= 0.1 && listen_seconds <= 60))
        throw new LaresError('USAGE', `--seconds ${seconds}: expected a number from 0.1 to 60`);
      const settings = await parts.settings();
      const wanted = { ...settings, discovery: { ...settings.discovery, listen_seconds } };
      const found: Found[] = [];
      const progress = (done: number, text: string) => io.progress(`${Math.round(done * 100)} % ${text}`);
      for await (const item of protocol.discover!(wanted, { signal: house.signal, progress })) {
        io.progress(`${item.found.host} ${item.found.name ?? item.found.id}`);
        found.push(item.found);
      }
      house.print(found, () =>
        found.length === 0
          ? 'no Tuya device was heard; name its network under electricity.networks if it is another one'
          : table(
              ['ADDRESS', 'ID', 'NAME', 'PRODUCT', 'SPEAKS', 'NEEDS'],
              found.map((f) => [
                f.host,
                f.id,
                f.name ?? '',
                f.model ?? '',
                f.firmware ?? '',
                f.needs ?? 'nothing',
              ]),
            ),
      );
    });

  tuya
    .command('quota')
    .description('how many calls of the Tuya cloud are left this month; asks nobody')
    .action(async () => {
      const { cloud_quota } = await parts.settings();
      await withState(house, async (state) => {
        const view = viewQuota(await state.get<QuotaUse>(quotaKey), cloud_quota, systemClock.now());
        house.print(shownQuota(view), () => quotaText(view));
      });
    });

  async function finish(
    devices: readonly KnownDevice[],
    { all = false, dryRun = false }: { all?: boolean; dryRun?: boolean },
    file: string,
    quota: QuotaView | undefined,
  ): Promise<void> {
    const plan = planFor(file, devices, all);
    const written = dryRun ? [] : writePlan(plan, { file, edit: parts.edit });
    const data = { devices: plan.devices, written, ...(quota !== undefined && { quota: shownQuota(quota) }) };
    house.print(data, () =>
      [
        planText(plan),
        written.length === 0 ? 'nothing was written' : `written: ${written.join(', ')}`,
        ...(quota === undefined ? [] : [quotaText(quota)]),
      ].join('\n'),
    );
  }

  function keepCredentials({ accessId, secret, region }: Credentials, file: string, dryRun: boolean): void {
    const envFile = envFileBeside(file);
    const values = {
      TUYA_ACCESS_ID: accessId,
      TUYA_ACCESS_SECRET: secret,
      ...(region !== undefined && { TUYA_REGION: region }),
    };
    if (!dryRun) for (const [name, value] of Object.entries(values)) writeSecret(envFile, name, value);
    const written = dryRun ? [] : [envFile];
    house.print({ credentials: Object.keys(values), written }, () =>
      dryRun
        ? 'nothing was written'
        : `written: ${Object.keys(values).join(', ')} into ${envFile}; next: lares tuya wizard`,
    );
  }
}

async function heardOrNone(settings: TuyaConfig, io: Parameters<typeof listen>[1]) {
  try {
    return await listen(settings, io);
  } catch (error) {
    // The keys are what matters; the service finds the devices later.
    if (io.signal.aborted) throw error;
    io.progress(`the network was not heard: ${reason(error)}`);
    return new Map();
  }
}

const shownQuota = ({ renewsAt, ...view }: QuotaView) => ({
  ...view,
  renewsAt: new Date(renewsAt).toISOString(),
});

function planText({ devices }: ImportPlan): string {
  return table(
    ['DEVICE', 'ID', 'PRODUCT', 'VERSION', 'ADDRESS', 'OUTCOME'],
    devices.map((d) => [
      d.name,
      d.id,
      d.productId ?? '',
      d.version ?? '',
      d.host ?? '',
      d.why === undefined ? d.outcome : `${d.outcome}: ${d.why}`,
    ]),
  );
}

function settingsFile(house: CliHouse<unknown>): string {
  const file = house.configFile();
  if (file === undefined)
    throw new LaresError('CONFIG_UNREADABLE', 'there is no lares.yaml here; write one with: lares init');
  return file;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new LaresError('USAGE', `cannot read ${file}: ${reason(error)}`, { cause: error });
  }
}

/** The secret comes from the environment or the keyboard, never from the command line, which everybody on the machine can read. */
async function credentialsFrom(
  options: WizardOptions,
  house: CliHouse<unknown>,
  { ask }: TuyaCliParts,
): Promise<{ accessId: string; secret: string; region: Region }> {
  // What `lares tuya import tinytuya.json` wrote down counts as well as the environment.
  const places = new Secrets({ env: house.env, envFiles: [envFileBeside(settingsFile(house))] });
  const variable = (name: string) => places.variable(name)?.value;
  const given = async (value: string | undefined, question: string, secret = false) => {
    const text = (value ?? (await ask(question, secret))).trim();
    if (text === '' || text.length > 128)
      throw new LaresError('USAGE', `${question.replace(/[:?]\s*$/, '')} is missing`);
    return text;
  };
  const accessId = await given(
    options.accessId ?? variable('TUYA_ACCESS_ID'),
    'Access ID of the cloud project: ',
  );
  const secret = await given(variable('TUYA_ACCESS_SECRET'), 'Access Secret of the cloud project: ', true);
  const names = Object.keys(regions).join(', ');
  const region = await given(options.region ?? variable('TUYA_REGION'), `Region (${names}): `);
  if (!Object.hasOwn(regions, region))
    throw new LaresError('USAGE', `there is no region ${JSON.stringify(region)}; expected one of ${names}`);
  return { accessId, secret, region: region as Region };
}

async function withState(house: CliHouse<unknown>, use: (state: StateStore) => Promise<void>): Promise<void> {
  const store = await house.store();
  try {
    await use(store.state);
  } finally {
    await store.close();
  }
}
