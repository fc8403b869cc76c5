import { LaresError, reason } from '#kernel/errors.ts';
import type { DiscoverIo } from '../../driver.ts';
import type { Found } from '../../model.ts';
import { readingsOf } from './answer.rules.ts';
import { openLink } from './bus.ts';
import type { Link } from './client.ts';
import { Refusal, type Framing } from './codec.ts';
import { addressOf, stationOf, type BusSettings, type ModbusConfig } from './config.ts';
import { single } from './plan.rules.ts';
import { bestTemplate, type Fit } from './scan.rules.ts';
import type { Register, Template } from './template.model.ts';
import { loadTemplate, shippedTemplates } from './templates.ts';

const lastUnit = 247;
/** Of one bus: a silent one takes one to three minutes, one full of slow meters longer. */
const scanLimitMs = 600_000;
// Long enough for two registers at 2400 Bd (71 ms) and a slow gateway; 247 ids then take a little over a minute.
const replyMs = 300;

const firstInput: Register = {
  at: 0,
  fn: 4,
  type: 'float32',
  order: 'ABCD',
  quantity: 'voltage_volts',
  factor: 1,
  missing: [],
};

export interface FoundMeter {
  readonly bus: BusSettings;
  readonly found: Found;
}

/**
 * Asks every unit id from 1 to 247 on every bus of the settings, buses at the same time, and says which template fits
 * what answers. A bus that cannot be reached, or takes longer than `limitMs`, is told as progress and left; throws only
 * when that is true of all.
 */
export async function* scanBuses(
  config: ModbusConfig,
  io: DiscoverIo,
  limitMs = scanLimitMs,
): AsyncIterable<FoundMeter> {
  const templates = shippedTemplates().map(loadTemplate);
  const done = config.buses.map(() => 0);
  const waiting: FoundMeter[] = [];
  const failures: unknown[] = [];
  let wake = () => {};
  let open = config.buses.length;
  const tell = (index: number, share: number, text: string) => {
    done[index] = share;
    io.progress?.(done.reduce((a, b) => a + b, 0) / config.buses.length, text);
  };
  const longest = `${lastUnit} unit ids are tried, which takes at most ${Math.ceil(limitMs / 60_000)} min`;
  const scans = config.buses.map(async (bus, index) => {
    tell(index, 0, `${addressOf(bus)}: ${longest}`);
    const limit = AbortSignal.timeout(limitMs);
    const signal = AbortSignal.any([io.signal, limit]);
    try {
      for await (const found of scanBus(bus, templates, signal, (share, text) => tell(index, share, text))) {
        waiting.push({ bus, found });
        wake();
      }
      if (limit.aborted) throw limit.reason;
    } catch (error) {
      if (!io.signal.aborted) {
        const told = limit.aborted
          ? new LaresError(
              'TIMEOUT',
              `${addressOf(bus)}: not all unit ids could be tried in the time; name its meters in units`,
            )
          : error;
        failures.push(told);
        tell(
          index,
          1,
          reason(told).startsWith(addressOf(bus)) ? reason(told) : `${addressOf(bus)}: ${reason(told)}`,
        );
      }
    } finally {
      open -= 1;
      wake();
    }
  });
  for (;;) {
    const next = waiting.shift();
    if (next !== undefined) yield next;
    else if (open === 0) break;
    else await new Promise<void>((resolve) => (wake = resolve));
  }
  await Promise.all(scans);
  if (failures.length > 0 && failures.length === config.buses.length) throw failures[0];
}

async function* scanBus(
  bus: BusSettings,
  templates: readonly Template[],
  signal: AbortSignal,
  progress: (share: number, text: string) => void,
): AsyncIterable<Found> {
  const configured = bus.units.map((u) => u.unit);
  const others = Array.from({ length: lastUnit }, (_, i) => i + 1).filter(
    (unit) => !configured.includes(unit),
  );
  const conversation = new Conversation(bus, signal);
  try {
    // Meters that are known to be there settle the framing before the long silence of the others.
    const order = [...configured, ...others];
    for (const [index, unit] of order.entries()) {
      if (signal.aborted) return;
      progress(index / order.length, `${addressOf(bus)}: unit ${unit}`);
      if (!(await conversation.isThere(unit))) continue;
      const fits: Fit[] = [];
      for (const template of templates) fits.push(await conversation.fit(unit, template));
      yield describe(bus, unit, bestTemplate(fits));
    }
    progress(1, `${addressOf(bus)}: done`);
  } finally {
    conversation.close();
  }
}

function describe(bus: BusSettings, unit: number, template: Template | undefined): Found {
  const known = bus.units.find((u) => u.unit === unit);
  const address = `${addressOf(bus)}/${unit}`;
  const suggestion = template?.name ?? 'path/of/your-template.yaml';
  return {
    kind: 'modbus',
    id: `modbus:${stationOf(bus)}/${unit}`,
    host: address,
    name: known?.name,
    model:
      template === undefined
        ? 'unknown meter (no template fits)'
        : `${template.manufacturer} ${template.model} (template ${template.name})`,
    metered: template === undefined ? undefined : true,
    needs:
      known === undefined
        ? `add it to units of the bus: { unit: ${unit}, name: ..., template: ${suggestion} }`
        : undefined,
  };
}

type Said = ReadonlyMap<string, number>;

/** Asks single values of many units in whichever framing the bus answers. */
class Conversation {
  readonly #bus: BusSettings;
  readonly #signal: AbortSignal;
  readonly #links: Map<Framing, Link>;
  #agreed: Link | undefined;
  #unit = 0;
  readonly #asked = new Map<string, Said | 'refused'>();

  constructor(bus: BusSettings, signal: AbortSignal) {
    this.#bus = bus;
    this.#signal = signal;
    const tried: Framing[] =
      bus.serial !== undefined || bus.framing === 'rtu-over-tcp'
        ? ['rtu']
        : bus.framing === 'tcp'
          ? ['tcp']
          : ['tcp', 'rtu'];
    this.#links = new Map(tried.map((framing) => [framing, openLink(bus, framing)]));
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
  }

  /** Whether anything answers for this unit, be it with a refusal: a meter without input registers refuses in words. */
  async isThere(unit: number): Promise<boolean> {
    this.#unit = unit;
    this.#asked.clear();
    return (await this.#ask(firstInput)) !== 'silence';
  }

  /** How well the unit's answers match the template. */
  async fit(unit: number, template: Template): Promise<Fit> {
    this.#unit = unit;
    const values = new Map<string, number>();
    let refused = 0;
    for (const register of template.registers) {
      const answer = await this.#ask(register);
      if (answer === 'silence' || answer === 'refused') refused += 1;
      else for (const [name, value] of answer) values.set(name, value);
      // The rest would only cost time: a template that is refused twice is another meter's.
      if (refused > 1) break;
    }
    return { template, values, refused };
  }

  async #ask(register: Register): Promise<Said | 'refused' | 'silence'> {
    const { fn, start, count } = single(register);
    const key = JSON.stringify(register);
    const before = this.#asked.get(key);
    if (before !== undefined) return before;
    for (const link of this.#agreed === undefined ? this.#links.values() : [this.#agreed]) {
      // A host that does not even take a connection would be waited for again with every unit.
      await link.connect(Math.max(replyMs, this.#bus.reply_timeout_seconds * 1000), this.#signal);
      try {
        // Two links at once would occupy gateways that serve one connection.
        for (const other of this.#links.values()) if (other !== link) other.close();
        const data = await link.read({ unit: this.#unit, fn, start, count }, replyMs, this.#signal);
        this.#agreed = link;
        const said: Said = new Map(readingsOf(single(register), data));
        this.#asked.set(key, said);
        return said;
      } catch (error) {
        if (this.#signal.aborted) throw error;
        if (error instanceof Refusal && ![10, 11].includes(error.exception)) {
          this.#agreed = link;
          this.#asked.set(key, 'refused');
          return 'refused';
        }
        if (isAboutTheBus(error)) throw error;
      }
    }
    return 'silence';
  }
}

/** A closed port or a serial port that does not exist; silence and garbage are about one unit. */
function isAboutTheBus(error: unknown): boolean {
  return (
    error instanceof LaresError &&
    !(error instanceof Refusal) &&
    error.code !== 'TIMEOUT' &&
    error.code !== 'BAD_REPLY'
  );
}
