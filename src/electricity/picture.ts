import { houseId } from './energy/model.ts';
import { sumOfPower, type Composition } from './household.rules.ts';
import type { Cost } from './money/model.ts';
import { heldValues, isFresh, type ElectricityParts, type Shown } from './service.model.ts';
import type { Control, DeviceView, ElectricityView, HouseView } from './view.model.ts';

type Sources = Pick<ElectricityParts, 'ledger' | 'money' | 'baseLoadWatts'>;

/** Everything at one instant, devices by path. */
export function picture(
  shown: readonly Shown[],
  composition: Composition,
  mayControl: (shown: Shown) => boolean,
  sources: Sources,
  now: number,
): ElectricityView {
  const devices = shown
    .map((one) => deviceView(one, mayControl(one), sources, now))
    .toSorted((a, b) => a.path.localeCompare(b.path));
  return { at: now, devices, house: houseView(devices, composition, sources, now) };
}

function deviceView(
  { known, device }: Shown,
  mayControl: boolean,
  { ledger, money }: Sources,
  now: number,
): DeviceView {
  const { announcement, path, problem, measuredAt } = known;
  const holds = isFresh(known, now);
  const control: Control =
    announcement.switches === undefined ? 'impossible' : mayControl ? 'allowed' : 'forbidden';
  return {
    device,
    path,
    state: holds ? 'ok' : problem === undefined ? 'silent' : 'down',
    problem: holds ? undefined : (problem ?? silence(measuredAt, now)),
    control,
    values: heldValues(known, now),
    measuredAt,
    energy: ledger.totals(device.id, now),
    costToday: costOf(money.costToday(device.id)),
  };
}

function houseView(
  devices: readonly DeviceView[],
  { basis, parts, explaining }: Composition,
  { ledger, money, baseLoadWatts }: Sources,
  now: number,
): HouseView {
  const values = new Map(devices.map((d) => [d.device.id, d.values]));
  const powerWatts = sumOfPower(parts, values, basis === 'meter');
  // A plug may hang behind a measured circuit; the larger of both sums counts neither twice.
  const sums = explaining.flatMap((ids) => sumOfPower(ids, values, false) ?? []);
  const explained = sums.length === 0 ? undefined : Math.max(...sums);
  const known = basis === 'meter' && powerWatts !== undefined && explained !== undefined;
  return {
    basis,
    parts,
    powerWatts,
    unexplainedWatts: known ? powerWatts - explained : undefined,
    // Where nothing is measured a zero would be a claim.
    energy: basis === 'none' ? undefined : ledger.totals(houseId, now),
    costToday: basis === 'none' ? undefined : money.costToday(houseId),
    pricePerKwh: money.priceAt(now),
    currency: money.currency(),
    baseLoadWatts: baseLoadWatts(),
    carbonIntensity: money.carbonAt(now),
  };
}

const costOf = (cost: Cost | undefined) => (cost === undefined ? undefined : cost.import - cost.export);

function silence(measuredAt: number | undefined, now: number): string {
  if (measuredAt === undefined) return 'not heard of since Lares started';
  return `not heard of for ${Math.round((now - measuredAt) / 60_000)} min`;
}
