import type { Command } from 'commander';
import { LaresError } from '#kernel/errors.ts';
import { isSeries, normaliseNode } from '#kernel/reading.ts';
import type { CliHouse } from '#platform/command.ts';
import { shown } from '#platform/http-client.ts';
import { table } from '#platform/table.ts';
import type { GraphiteConfig } from './config.ts';
import { probe, testSeries, type GraphiteProbe } from './sinks/graphite/check.ts';
import { named } from './sinks/graphite/receipt.ts';

/** What `/health/detailed` says about a sink. */
interface SinkBody {
  readonly name: string;
  readonly target: string;
  readonly connected: boolean;
  readonly sent_total: number;
  readonly failures_total: number;
  readonly dropped_total: number;
  readonly backlog: number;
  readonly oldest_at: string | null;
  readonly last_receipt_at: string | null;
}

/** `lares graphite test | status`. */
export function graphiteCommands(
  program: Command,
  house: CliHouse<{ readonly graphite?: GraphiteConfig | undefined }>,
): void {
  const graphite = program.command('graphite').description('the connection to Carbon and Graphite');

  graphite
    .command('test [name]')
    .description(`send one metric (${testSeries} unless named), wait for the receipt and read it back`)
    .option('--value <number>', 'what to send', '1')
    .action(async (name: string = testSeries, options: { value: string }) => {
      const value = Number(options.value);
      if (options.value.trim() === '' || !Number.isFinite(value))
        throw new LaresError('USAGE', `--value ${options.value}: expected a number`);
      if (!isSeries(name))
        throw new LaresError('USAGE', `${name} is not a metric path; did you mean ${proposal(name)}?`);
      const config = await settings(house);
      house.progress(`sending ${name} ${value} to ${named(config)}`);
      const result = await probe(config, { series: name, value, signal: house.signal });
      house.progress(`confirmed by Carbon in ${result.confirmedInMs.toFixed(1)} ms`);
      house.print(result, () => probeText(result));
      if (result.shown === null || (result.shown !== undefined && result.shown !== value))
        throw new LaresError(
          'BAD_REPLY',
          `Carbon took the metric but ${shown(config.render_url!)} does not show it: look at creates.log and MAX_CREATES_PER_MINUTE, and whether both serve the same Graphite`,
        );
    });

  graphite
    .command('status')
    .description('what was sent, what waits and since when (asks the running service)')
    .action(async () => {
      const { sinks } = (await house.get('/health/detailed')) as { sinks: SinkBody[] };
      const sink = sinks.find((one) => one.name === 'graphite');
      if (sink === undefined) throw notConfigured();
      house.print(sink, () => statusText(sink));
    });
}

async function settings(
  house: CliHouse<{ readonly graphite?: GraphiteConfig | undefined }>,
): Promise<GraphiteConfig> {
  const { graphite } = await house.config();
  if (graphite === undefined) throw notConfigured();
  return graphite;
}

const notConfigured = () =>
  new LaresError(
    'CONFIG_INVALID',
    'there is no graphite section; add `graphite: { host: 192.0.2.123 }` to the settings',
  );

/** The nearest path that Carbon may be given. */
const proposal = (name: string) => {
  const nodes = name.split('.').map((node) => normaliseNode(node));
  return (nodes.length > 1 ? nodes : ['home', ...nodes]).join('.');
};

function probeText({ series, value, at, target, shown, stepSeconds }: GraphiteProbe): string {
  const sent = `${series} ${value} ${at / 1000} was confirmed by ${target}`;
  if (shown === undefined) return `${sent}\n(set graphite.render_url to have it read back too)`;
  if (shown === null) return `${sent}, but Graphite does not show it`;
  return `${sent}\nGraphite shows ${shown}${stepSeconds === undefined ? '' : `, one point per ${stepSeconds} s`}`;
}

function statusText(sink: SinkBody): string {
  return table(
    ['GRAPHITE', sink.target],
    [
      ['state', sink.connected ? 'sends' : 'does not get through'],
      ['last receipt', sink.last_receipt_at ?? 'never'],
      ['points sent', String(sink.sent_total)],
      ['failed sends', String(sink.failures_total)],
      ['points waiting', String(sink.backlog)],
      ['oldest waiting', sink.oldest_at ?? '-'],
      ['points given up', String(sink.dropped_total)],
    ],
  );
}
