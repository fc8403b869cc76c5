import type { Journal, ReadingLog } from '#store/model.ts';
import type { IngressReply, IngressRequest } from './drivers/pulse/ingress.ts';
import { houseId, type Period, type PeriodEnergy } from './energy/model.ts';
import type { ElectricityPort } from './http.ts';
import type { InsightReport } from './insight/service.ts';
import type { Window } from './money/window.rules.ts';
import type { Spent } from './money/spending.ts';
import type { ElectricityService } from './service.ts';

interface Parts {
  readonly service: ElectricityService;
  readonly ledger: { days(device: string, from: number, to: number): Promise<readonly PeriodEnergy[]> };
  readonly spending: { days(id: string | undefined, period: Period): Promise<readonly Spent[]> };
  readonly readings: Pick<ReadingLog, 'chart'>;
  readonly journal: Pick<Journal, 'list'>;
  readonly prefix: () => string;
  readonly insight: () => Promise<InsightReport>;
  readonly ingest: (request: IngressRequest) => IngressReply;
  readonly cheapest: (durationMs: number, withinMs: number) => Window | undefined;
}

/** Electricity as the HTTP routes need it. */
export function electricityPort(parts: Parts): ElectricityPort {
  const { service, ledger, spending, readings, journal, prefix, insight, cheapest, ingest } = parts;
  return {
    view: () => service.view(),
    find: (name) => service.find(name),
    chart: (path, leaf, from, to, points) => readings.chart(`${prefix()}.${path}.${leaf}`, from, to, points),
    days: (device, from, to) => ledger.days(device, from, to),
    costs: async (device, from, to) => {
      const paths = new Map(service.view().devices.map((d) => [d.device.id, d.path]));
      const spent = await spending.days(device, { from, to });
      return spent.flatMap(({ id, ...cost }) => {
        const path = id === houseId ? houseId : paths.get(id);
        return path === undefined ? [] : [{ path, ...cost }];
      });
    },
    insight,
    cheapest,
    ingest,
    events: (device, limit) => journal.list({ subject: `device:${device}`, limit, order: 'desc' }),
    turn: (name, on, actor, why, signal) => service.turn(name, on, actor, why, signal),
    onChange: (listener) => service.onChange(listener),
  };
}
