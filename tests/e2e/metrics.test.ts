import { describe, expect, test } from 'vitest';
import { serve } from '#http/index.ts';
import { families, renderPrometheus } from '#metrics/index.ts';
import { prometheusPath, startPrometheus } from '../servers/prometheus.ts';
import { household } from './household.ts';

const reason = prometheusPath === undefined ? ' (needs the Debian package prometheus)' : '';

describe.skipIf(prometheusPath === undefined)(`a real Prometheus${reason}`, () => {
  test('scrapes /metrics and answers who is home', async () => {
    const house = household(Date.now());
    house.metrics = () =>
      renderPrometheus(
        families({
          stats: house.stats(),
          components: house.health.report().components,
          presence: house.view(),
        }),
      );
    const server = await serve(house, { host: '127.0.0.1', port: 0 });
    const prometheus = await startPrometheus(new URL(server.url).host);
    const home = async () =>
      (await prometheus.query('lares_presence_home == 1')).map((row) => row.metric.person ?? '').toSorted();
    try {
      // One scrape that came too late says that nothing is there, until the next.
      await expect.poll(home).toEqual(['alex', 'jo', 'robin']);
      const up = async () => (await prometheus.query('up{job="lares"}')).map((row) => row.value);
      await expect.poll(up).toEqual([1]);
      const down = async () =>
        (await prometheus.query('lares_component_up == 0')).map((row) => row.metric.component);
      await expect.poll(down).toEqual(['tado']);
      house.change('alex', { state: 'away' });
      await expect.poll(home).toEqual(['jo', 'robin']);
    } finally {
      await prometheus.stop();
      await server.close();
    }
  });
});
