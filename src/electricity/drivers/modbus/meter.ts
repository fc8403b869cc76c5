import { LaresError } from '#kernel/errors.ts';
import type { Answer } from '../../driver.ts';
import type { Device } from '../../model.ts';
import { phaseValues, readingsOf, wantedRegisters, wholeValues, type Readings } from './answer.rules.ts';
import { Refusal, type ReadRequest } from './codec.ts';
import { addressOf, stationOf, type BusSettings, type UnitSettings } from './config.ts';
import { planReads, single, type Block } from './plan.rules.ts';
import { phases, type Template } from './template.model.ts';

/** Sends one request on the bus that the meter hangs on. */
export type Ask = (request: ReadRequest) => Promise<Buffer>;

const refusedBlock = new Set([2, 3]);

/** One meter of a bus: what it is asked for, and what its replies mean. It learns what the meter refuses. */
export class Meter {
  readonly unit: number;
  /** `192.0.2.7:502/1` */
  readonly address: string;
  /** Polls in a row that failed. */
  failures = 0;
  /** Instant of `clock.monotonic()` of the last try. */
  triedAt = Number.NEGATIVE_INFINITY;
  readonly #settings: UnitSettings;
  readonly #template: Template;
  readonly #id: string;
  readonly #split: readonly (typeof phases)[number][];
  #plan: readonly Block[];
  #answered = false;
  #unknown: readonly string[] = [];

  constructor(bus: BusSettings, settings: UnitSettings, template: Template) {
    this.unit = settings.unit;
    this.address = `${addressOf(bus)}/${settings.unit}`;
    this.#settings = settings;
    this.#template = template;
    this.#id = `modbus:${stationOf(bus)}/${settings.unit}`;
    this.#split = phases.filter((phase) => settings.split?.[phase] !== undefined);
    this.#plan = this.#fullPlan();
  }

  /** Ids of the devices that it stands for. */
  get ids(): string[] {
    return this.#devices().map((d) => d.id);
  }

  get intervalMs(): number | undefined {
    const seconds = this.#settings.poll_interval_seconds;
    return seconds === undefined ? undefined : seconds * 1000;
  }

  /** The smallest thing to ask for, to see whether it is there. */
  get probe(): ReadRequest {
    const [block] = this.#plan;
    const [register] = block?.registers ?? [];
    if (register === undefined)
      throw new LaresError('CONFIG_INVALID', `${this.address}: the template has nothing to read`);
    const { fn, start, count } = single(register);
    return { unit: this.unit, fn, start, count };
  }

  /** Everything that it says now. Throws what `ask` throws, and BAD_REPLY when it knows nothing of its template. */
  async read(ask: Ask): Promise<Answer[]> {
    const readings = new Map<string, number>();
    // One that is silent on long requests answers short ones; there is no other way to find out.
    if (!this.#answered && this.failures % 2 === 1) this.#plan = this.#plan.flatMap(singles);
    for (const block of this.#plan)
      for (const [name, value] of await this.#block(block, ask)) readings.set(name, value);
    if (this.#plan.length === 0) {
      this.#plan = this.#fullPlan();
      throw new LaresError(
        'BAD_REPLY',
        `${this.address} knows no register of the template ${this.#template.name}; choose another template`,
      );
    }
    return this.#answers(readings);
  }

  async #block(block: Block, ask: Ask): Promise<[string, number][]> {
    try {
      const { fn, start, count } = block;
      const data = await ask({ unit: this.unit, fn, start, count });
      this.#answered = true;
      return readingsOf(block, data);
    } catch (error) {
      if (!(error instanceof Refusal) || !refusedBlock.has(error.exception)) throw error;
      this.#answered = true;
      if (block.registers.length === 1) {
        this.#replace(block, []);
        this.#unknown = [...this.#unknown, ...block.registers.map((r) => r.quantity)];
        return [];
      }
    }
    const parts = singles(block);
    this.#replace(block, parts);
    const readings: [string, number][] = [];
    for (const part of parts) readings.push(...(await this.#block(part, ask)));
    return readings;
  }

  #replace(block: Block, parts: readonly Block[]): void {
    this.#plan = this.#plan.flatMap((b) => (b === block ? parts : [b]));
  }

  #fullPlan(): Block[] {
    this.#unknown = [];
    const { registers } = this.#template;
    return planReads(
      wantedRegisters(registers, this.#settings.name !== undefined, this.#split),
      this.#template,
    );
  }

  #answers(readings: Readings): Answer[] {
    const { invert, name, split } = this.#settings;
    const values = [
      ...(name === undefined ? [] : [wholeValues(readings, invert)]),
      ...this.#split.map((phase) =>
        phaseValues(readings, phase, invert !== (split?.[phase]?.invert ?? false)),
      ),
    ];
    return this.#devices().flatMap((device, index) => {
      const said = values[index] ?? {};
      return Object.keys(said).length === 0 ? [] : [{ device, values: said }];
    });
  }

  #devices(): Device[] {
    const { name, split } = this.#settings;
    const { manufacturer, model } = this.#template;
    const notes =
      this.#unknown.length === 0
        ? {}
        : { notes: [`It does not know ${this.#unknown.join(', ')} of its template`] };
    const base = { source: 'circuit', model: `${manufacturer} ${model}`, address: this.address, ...notes };
    const whole = name === undefined ? [] : [{ ...base, id: this.#id, name }];
    const parent = name === undefined ? {} : { parent: this.#id };
    return [
      ...whole,
      ...this.#split.map((phase) => ({
        ...base,
        ...parent,
        id: `${this.#id}/${phase}`,
        name: split?.[phase]?.name ?? phase,
      })),
    ];
  }
}

const singles = (block: Block): Block[] => block.registers.map(single);
