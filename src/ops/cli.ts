import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { LaresError } from '#kernel/errors.ts';
import { chooseScanner, mayUseRaw } from '#devices/index.ts';
import { checkGraphite } from '#metrics/index.ts';
import type { CliHouse } from '#platform/command.ts';
import { HomeAssistant } from '#platform/homeassistant/client.ts';
import { table } from '#platform/table.ts';
import { cameras } from './checks/cameras.ts';
import { electricity } from './checks/electricity.ts';
import { capability, clock, config, dependencies, disk, permissions } from './checks/machine.ts';
import { graphite, homeassistant, network, scan, service } from './checks/peers.ts';
import { examine, passed, report, type Check, type DoctorIo, type DoctorSettings } from './doctor.ts';

/** Every area of `lares doctor`, in the order in which trouble is best mended. */
export const areas = {
  config,
  permissions,
  deps: dependencies,
  capability,
  network,
  graphite,
  homeassistant,
  electricity,
  cameras,
  clock,
  disk,
  service,
} satisfies Readonly<Record<string, Check>>;

const chosen = (area: string) => Object.entries(areas).filter(([name]) => name === area);

/** `lares doctor [area]`, `lares doctor scan`. Sets the exit code 1 when something fails. */
export function doctorCommand(program: Command, house: CliHouse<DoctorSettings>): void {
  program
    .command('doctor [area]')
    .description(`find what is wrong and say how to mend it: ${Object.keys(areas).join(', ')}, scan`)
    .action(async (area?: string) => {
      const io = realIo(house);
      if (area === 'scan') return doctorScan(house, io);
      if (area !== undefined && chosen(area).length === 0)
        throw new LaresError(
          'USAGE',
          `there is no area ${area}; known: ${Object.keys(areas).join(', ')}, scan`,
        );
      const checks = area === undefined ? areas : Object.fromEntries(chosen(area));
      const findings = await examine(checks, io, (name) => house.progress(`looking at ${name} …`));
      const failures = findings.filter((f) => f.state === 'fail').length;
      // The original's own line, which its operators look for.
      const count = area === 'deps' ? `\nDependencies: ${failures}` : '';
      house.print({ ok: passed(findings), findings }, () => `${report(findings)}${count}`);
      if (!passed(findings)) process.exitCode = 1;
    });
}

async function doctorScan(house: CliHouse<DoctorSettings>, io: DoctorIo): Promise<void> {
  house.progress('asking every address once …');
  const { found, findings } = await scan(io);
  house.print({ ok: passed(findings), found: found.length, devices: found, findings }, () =>
    [
      `Found ${found.length} devices`,
      ...(found.length === 0
        ? []
        : [
            table(
              ['IP', 'MAC', 'NETWORK'],
              found.map((s) => [s.ip ?? '-', s.mac, s.network]),
            ),
          ]),
      '',
      report(findings),
    ].join('\n'),
  );
  if (!passed(findings)) process.exitCode = 1;
}

// Without a limit of the control group it is a number larger than any memory, or 0.
const limitedTo = () => process.constrainedMemory() || Number.POSITIVE_INFINITY;

/** The doctor's hands on this machine. */
export function realIo(house: CliHouse<DoctorSettings>): DoctorIo {
  const configFile = house.configFile();
  const beside =
    configFile === undefined
      ? []
      : ['.env', 'secrets.yaml'].map((f) => path.join(path.dirname(configFile), f));
  const run = promisify(execFile);
  return {
    settings: () => house.config(),
    configFile,
    dataDir: house.dataDir(),
    env: house.env,
    secretFiles: [
      '/etc/presence-monitoring.env',
      ...beside,
      ...[house.env.LARES_ENV_FILE].filter((f) => f !== undefined),
    ],
    now: Date.now,
    installedAt: statSync(import.meta.filename).mtimeMs,
    openScanner: chooseScanner,
    mayUseRaw,
    checkGraphite,
    homeAssistant: (access) => new HomeAssistant(access),
    get: (url) => house.get(url),
    program: (name, args) =>
      run(name, args, { timeout: 3_000 }).then(
        ({ stdout }) => stdout,
        () => undefined,
      ),
    machine: { cores: availableParallelism(), memoryBytes: Math.min(totalmem(), limitedTo()) },
    loadNative: async () => {
      const { default: koffi } = await import('koffi');
      koffi.load(null).func('int getpid()')();
    },
    signal: house.signal,
  };
}
