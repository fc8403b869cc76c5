import type { Clock, Log } from '#kernel/driver.ts';
import { Ledger } from '#electricity/energy/ledger.ts';
import { slotMs } from '#electricity/energy/model.ts';
import type { EnergySlot } from '#electricity/model.ts';
import type { Store } from '#store/model.ts';
import type { PowerAt } from './appliances.ts';
import type { Measuring } from './fleet/site.ts';

const pastDays = 7;
const dayMs = 86_400_000;
const stepMs = 30_000;

/**
 * Writes down what the devices of a new demo house would have used in the week before it began, so that there is
 * something to look at from the first minute; the journal says that it was simulated. A house that knows its energy already is left alone.
 */
export async function writePast(
  store: Pick<Store, 'db' | 'journal'>,
  devices: readonly Measuring[],
  { clock, log, meter }: { readonly clock: Clock; readonly log: Log; readonly meter: string },
): Promise<void> {
  const to = clock.now();
  const from = new Date(to).setHours(0, 0, 0, 0) - pastDays * dayMs;
  let now = from;
  const ledger = new Ledger({
    store,
    log,
    now: () => now,
    timeZone: () => Intl.DateTimeFormat().resolvedOptions().timeZone,
  });
  await ledger.load();
  if (devices.length === 0 || (await ledger.devices()).length > 0) return;
  ledger.houseOf([meter]);
  now = to;
  for (const { id, power } of devices) await ledger.remember(id, slotsOf(power, from, to));
  await ledger.flush();
  await store.journal.append({
    at: to,
    kind: 'demo.simulated',
    subject: 'house',
    cause: 'demo',
    evidence: [],
    data: { what: 'energy before the start', days: pastDays, devices: devices.length },
  });
}

function slotsOf(power: PowerAt, from: number, to: number): EnergySlot[] {
  return Array.from({ length: Math.ceil((to - from) / slotMs) }, (_, i) => {
    const slot = { from: from + i * slotMs, to: Math.min(to, from + (i + 1) * slotMs) };
    let [wh, exportWh] = [0, 0];
    for (let at = slot.from + stepMs / 2; at < slot.to; at += stepMs) {
      const part = (power(at) * Math.min(stepMs, slot.to - at + stepMs / 2)) / 3_600_000;
      if (part >= 0) wh += part;
      else exportWh -= part;
    }
    return { ...slot, wh, exportWh };
  });
}
