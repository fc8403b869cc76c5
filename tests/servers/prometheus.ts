import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort, installed, launch, scratch, stop, systemPath, until } from './process.ts';

/** Debian's `prometheus`, which brings promtool; undefined where it is not installed. */
export const promtoolPath = installed('/usr/bin/promtool');
export const prometheusPath = installed('/usr/bin/prometheus');

/** Runs promtool; `output` is what it said on both streams. */
export function promtool(args: readonly string[], input = ''): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(promtoolPath ?? 'promtool', args, {
    input,
    encoding: 'utf8',
    env: { PATH: systemPath },
  });
  return { code: status, output: `${stdout}${stderr}` };
}

export interface Prometheus {
  /** The instant vector of a query, labels and value. */
  query(expression: string): Promise<{ metric: Record<string, string>; value: number }[]>;
  stop(): Promise<void>;
}

/** A real Prometheus that scrapes one `/metrics` of loopback every second. */
export async function startPrometheus(target: string): Promise<Prometheus> {
  const { dir, remove } = scratch('prometheus', 'prometheus');
  const port = await freePort();
  const config = path.join(dir, 'prometheus.yml');
  writeFileSync(
    config,
    JSON.stringify({
      global: { scrape_interval: '1s', scrape_timeout: '900ms' },
      scrape_configs: [{ job_name: 'lares', static_configs: [{ targets: [target] }] }],
    }),
  );
  const { child, output } = launch(
    prometheusPath ?? 'prometheus',
    [`--config.file=${config}`, `--storage.tsdb.path=${dir}/data`, `--web.listen-address=127.0.0.1:${port}`],
    { user: 'prometheus', cwd: dir },
  );
  const ready = async () =>
    (await fetch(`http://127.0.0.1:${port}/-/ready`).catch(() => undefined))?.ok === true;
  await until(ready, output, 60_000);
  return {
    query: async (expression) => {
      const reply = await fetch(
        `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(expression)}`,
      );
      const { data } = (await reply.json()) as {
        data: { result: { metric: Record<string, string>; value: [number, string] }[] };
      };
      return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    },
    stop: async () => {
      await stop(child);
      remove();
    },
  };
}
