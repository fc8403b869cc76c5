import { text as textOf } from 'node:stream/consumers';
import path from 'node:path';
import type { Command } from 'commander';
import type { Edit } from '#config/edit.ts';
import { envFileBeside, withEnvLine } from '#config/init.ts';
import { envName } from '#config/secrets.ts';
import { SecretRef } from '#config/source.ts';
import { writeAtomically } from '#config/write.ts';
import { cctvConfig, type CameraConfig } from '#cctv/config.ts';
import { loginOf, type Credentials } from '#cctv/onvif/digest.ts';
import { cameraPorts, discoverCameras, type FoundCamera } from '#cctv/onvif/discover.ts';
import type { Probe } from '#cctv/onvif/probe.model.ts';
import { suggestEntry } from '#cctv/onvif/probe.rules.ts';
import { probeCamera } from '#cctv/onvif/probe.ts';
import { plainUrl, sameStream } from '#cctv/plan.rules.ts';
import { LaresError } from '#kernel/errors.ts';
import { table } from '#platform/table.ts';
import type { cliHouse } from '../context.ts';

type House = ReturnType<typeof cliHouse>;

interface Found extends FoundCamera {
  /** Cameras of the settings at this address. */
  readonly known: readonly string[];
}

/** `lares cctv discover` and `lares cctv add`. */
export function addCommands(cctv: Command, house: House): void {
  cctv
    .command('discover')
    .description('every camera in the named networks; nothing is asked that is not named')
    .option('-n, --network <cidr...>', 'networks to search; cctv.networks of the settings unless given')
    .action(async ({ network }: { network?: string[] }) => {
      const settings = house.configFile() === undefined ? undefined : await house.config();
      const networks = networksOf(network) ?? settings?.cctv.networks ?? [];
      if (networks.length === 0)
        throw new LaresError(
          'USAGE',
          'no network is named; add cctv.networks to lares.yaml or call with --network 192.0.2.0/24',
        );
      house.progress(`asking ${networks.join(', ')}`);
      const cameras = await discoverCameras({ networks, ports: cameraPorts, signal: house.signal });
      const found = cameras.map((one): Found => ({
        ...one,
        known: knownAt(one.address, settings?.cameras ?? []),
      }));
      house.print(found, () => foundText(found, networks));
    });
  cctv
    .command('add')
    .description('look at a camera, measure its streams, and write it into the settings')
    .argument('<address>', 'rtsp://192.0.2.20:554/stream1, or a host that is asked over ONVIF')
    .option('--id <id>', 'its name in commands, folders and series; camera_1, camera_2, … unless given')
    .option('--name <name>', 'how people call it; its make unless given')
    .option('--username <name>', 'where the address does not hold it')
    .option(
      '--password <password>',
      'better --password-stdin: everybody on the machine sees what is typed here',
    )
    .option('--password-stdin', 'read the password from standard input')
    .option('--dry-run', 'say what would be written, and write nothing')
    .action((address: string, options: AddOptions) => add(house, address, options));
}

interface AddOptions {
  readonly id?: string;
  readonly name?: string;
  readonly username?: string;
  readonly password?: string;
  readonly passwordStdin?: boolean;
  readonly dryRun?: boolean;
}

async function add(house: House, address: string, options: AddOptions): Promise<void> {
  const file = house.configFile();
  if (file === undefined)
    throw new LaresError('CONFIG_UNREADABLE', 'there is no lares.yaml here; write one with: lares init');
  const { cameras } = await house.config();
  const id = chosenId(options.id, cameras);
  refuseTwin(address, cameras);
  const credentials = await credentialsOf(address, options);
  const probe = await probeCamera(address, {
    ...credentials,
    signal: house.signal,
    progress: (text) => house.progress(text),
  });
  refuseTwin(probe.urls.main, cameras);
  const secret = credentials === undefined || credentials.password === '' ? undefined : secretName(id);
  const name = options.name === undefined ? {} : { name: options.name };
  const suggested = Object.entries(suggestEntry(probe, id, credentials)).flatMap(([key, value]) =>
    key !== 'password' ? [[key, value]] : secret === undefined ? [] : [[key, new SecretRef(secret)]],
  );
  const entry = { id, ...name, ...(Object.fromEntries(suggested) as object), ...name };
  const written: string[] = [];
  if (options.dryRun !== true) {
    const envFile = envFileBeside(file);
    if (secret !== undefined) {
      // The password comes first: the settings are checked with it.
      writeAtomically(envFile, withEnvLine(envFile, envName(secret), credentials!.password), 0o600);
      written.push(envFile);
    }
    house.edit(edits(cameras.length, entry));
    written.push(file);
  }
  const shown = { ...entry, ...(secret === undefined ? {} : { password: `!secret ${secret}` }) };
  house.print({ camera: shown, probe, written }, () =>
    addedText(
      id,
      probe,
      written.map((f) => path.relative('', f)),
    ),
  );
}

function refuseTwin(address: string, cameras: readonly CameraConfig[]): void {
  const twin = cameras.find((camera) => sameStream(camera.url, address));
  if (twin !== undefined)
    throw new LaresError('USAGE', `${plainUrl(address)} is camera ${twin.id} of the settings already`);
}

/** An empty list stands on one line; what is written into it should not. */
const edits = (count: number, entry: object): Edit[] =>
  count > 0
    ? [{ path: ['cameras', count], value: entry }]
    : [
        { path: ['cameras'], remove: true },
        { path: ['cameras'], value: [entry] },
      ];

const secretName = (id: string) => `cctv_${id.replaceAll('-', '_')}_password`;

function chosenId(wanted: string | undefined, cameras: readonly CameraConfig[]): string {
  if (wanted === undefined) {
    const free = Array.from({ length: cameras.length + 1 }, (_, i) => `camera_${i + 1}`);
    return free.find((id) => cameras.every((c) => secretName(c.id) !== secretName(id)))!;
  }
  // Ids that differ only in what a variable cannot hold would share their password.
  const twin = cameras.find((c) => secretName(c.id) === secretName(wanted));
  if (twin !== undefined)
    throw new LaresError('USAGE', `--id ${wanted}: there is a camera ${twin.id} already`);
  return wanted;
}

/** User name and password: the options come before what the address holds. */
async function credentialsOf(address: string, options: AddOptions): Promise<Credentials | undefined> {
  const url = URL.parse(address.includes('://') ? address : `rtsp://${address}`);
  const inside = url === null ? undefined : loginOf(url);
  if (options.password !== undefined && options.passwordStdin === true)
    throw new LaresError('USAGE', 'give either --password or --password-stdin');
  const typed = options.passwordStdin === true ? await textOf(process.stdin) : options.password;
  const username = options.username ?? inside?.username;
  const password = typed?.replace(/\r?\n$/, '') ?? inside?.password;
  if (username === undefined) {
    if (password === undefined) return undefined;
    throw new LaresError('USAGE', 'a password needs a user name: --username admin');
  }
  return { username, password: password ?? '' };
}

function networksOf(named: readonly string[] | undefined): readonly string[] | undefined {
  if (named === undefined) return undefined;
  const parsed = cctvConfig.unwrap().shape.networks.safeParse(named);
  if (parsed.success) return parsed.data;
  throw new LaresError('USAGE', `--network ${named.join(' ')}: expected networks like 192.0.2.0/24`);
}

const knownAt = (address: string, cameras: readonly CameraConfig[]) =>
  cameras.filter(({ url }) => URL.parse(url)?.hostname === address).map(({ id }) => id);

function foundText(found: readonly Found[], networks: readonly string[]): string {
  if (found.length === 0)
    return `No camera answered in ${networks.join(', ')}. Its address in hand, add it with: lares cctv add rtsp://192.0.2.20/stream1`;
  const rows = found.map(({ address, name, hardware, xaddrs, ports, known }) => [
    address,
    name ?? '',
    hardware ?? '',
    [...(xaddrs.length > 0 ? ['ONVIF'] : []), ...ports.map((port) => `RTSP ${port}`)].join(', '),
    known.length > 0 ? known.join(', ') : `new; lares cctv add ${address}`,
  ]);
  return table(['ADDRESS', 'NAME', 'HARDWARE', 'SPEAKS', 'IN THE SETTINGS'], rows);
}

function addedText(id: string, probe: Probe, written: readonly string[]): string {
  const uses = (url: string) =>
    Object.entries(probe.roles)
      .filter(([, of]) => of === url)
      .map(([role]) => role)
      .join(', ');
  const about = [probe.manufacturer, probe.model, probe.firmware && `firmware ${probe.firmware}`];
  return [
    about.filter((word) => word !== undefined && word !== '').join(' '),
    table(
      ['STREAM', 'CODEC', 'SIZE', 'FPS', 'KEYFRAME', 'USED TO'],
      probe.streams.map((s) => [
        plainUrl(s.url),
        s.codec,
        `${s.width}x${s.height}`,
        s.fps === undefined ? '' : s.fps.toFixed(1),
        s.keyframeSeconds === undefined ? '' : `every ${s.keyframeSeconds} s`,
        uses(s.url),
      ]),
    ),
    ...probe.warnings.map((warning) => `warning: ${warning}`),
    written.length === 0
      ? 'nothing was written'
      : `camera ${id} is written into ${written.join(' and ')}; a running service takes it within seconds`,
  ]
    .filter((line) => line !== '')
    .join('\n');
}
