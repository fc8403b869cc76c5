import type { Command } from 'commander';
import { durationMs } from '#demo/faults.ts';
import type { DemoFaultBody, DemoFaultsBody } from '#http/index.ts';
import { LaresError } from '#kernel/errors.ts';
import { table } from '#platform/table.ts';
import { cliHouse, type GlobalOptions } from './context.ts';
import { addressIn } from './address.ts';
import { usualDemoDir } from './demo-place.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** The faults that nearly everything has, as options of their own. */
const usual = {
  drop: 'refuses and ends connections',
  hang: 'takes what it is asked and stays silent',
  garbage: 'answers with noise',
  split: 'answers a few bytes at a time',
  merge: 'answers together with what comes next',
  reset: 'breaks off in mid-reply',
  slow: 'answers late',
} as const;

type Options = Partial<Record<keyof typeof usual, string>> & {
  readonly reboot?: true;
  readonly as?: string;
  readonly for: string;
  readonly list?: true;
};

/** `lares demo fault`: makes a device of the running demo house misbehave. */
export function demoFaultCommand(
  demo: Command,
  about: { readonly env: Env; readonly signal: AbortSignal; readonly options: () => GlobalOptions },
): void {
  const { env, signal, options } = about;
  const dir = () => options().data ?? usualDemoDir(env);
  // `--port` stands before or after `fault`; commander gives it to `demo` either way.
  const address = () =>
    demo.getOptionValueSource('port') === 'cli'
      ? `http://127.0.0.1:${demo.opts<{ port: number }>().port}`
      : running(dir());
  const house = cliHouse(() => ({ ...options(), data: dir() }), env, signal, address);
  const command = demo
    .command('fault')
    .description('make a device of the running demo house misbehave, in real time')
    .argument('[device]', 'kasa.kettle, circuit.kitchen, broker, …')
    .option('--list', 'which devices and faults there are')
    .option('--reboot', 'loses its power for a moment, and the counters that do not survive that')
    .option('--as <fault>', 'another fault of --list')
    .option('--for <duration>', 'how long --as lasts', '30s');
  for (const [name, words] of Object.entries(usual))
    command.option(`--${name} <duration>`, `${words}; for 30s, 2m, 1h`);
  command.action(async (device: string | undefined, given: Options) => {
    if (given.list === true || device === undefined) {
      const { devices } = (await house.get('/api/demo/faults')) as DemoFaultsBody;
      house.print(devices, () => faultsText(devices));
      return;
    }
    for (const { fault, seconds } of wanted(given)) {
      const done = (await house.post('/api/demo/fault', { device, fault, seconds })) as DemoFaultBody;
      const lasts = fault === 'reboot' || fault === 'reset' ? '' : ` for ${seconds} s`;
      house.print(done, () => `${done.paths.join(', ')}: ${fault}${lasts}`);
    }
  });
}

/** Address of the demo house with this data directory. Throws UNREACHABLE when none runs. */
function running(dir: string): string {
  const address = addressIn(dir);
  if (address !== undefined) return address;
  throw new LaresError(
    'UNREACHABLE',
    `no demo house of this user runs (none has its data in ${dir}); start one with: lares demo`,
  );
}

/** Every fault that the options ask for. Throws USAGE when there is none. */
function wanted(given: Options): { fault: string; seconds: number }[] {
  const all = Object.keys(usual).flatMap((name) => {
    const text = given[name as keyof typeof usual];
    return text === undefined ? [] : [{ fault: name, seconds: durationMs(text) / 1_000 }];
  });
  if (given.as !== undefined) all.push({ fault: given.as, seconds: durationMs(given.for) / 1_000 });
  if (given.reboot === true) all.push({ fault: 'reboot', seconds: 0 });
  if (all.length === 0)
    throw new LaresError('USAGE', 'say what shall happen, such as --drop 30s; see: lares demo fault --list');
  return all;
}

function faultsText(devices: DemoFaultsBody['devices']): string {
  return table(
    ['device', 'what it is', 'faults'],
    devices.map(({ paths, what, faults }) => [paths.join(', '), what, faults.join(', ')]),
  );
}
