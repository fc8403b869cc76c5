import type { Template } from './template.model.ts';

/** What a meter answered when it was asked for all values of a template. */
export interface Fit {
  readonly template: Template;
  /** By the names of the template. */
  readonly values: ReadonlyMap<string, number>;
  /** Registers that it does not have. */
  readonly refused: number;
}

/** What a value must be like to come from a mains meter. */
const plausible: readonly (readonly [pattern: RegExp, holds: (value: number) => boolean])[] = [
  [/^voltage_/, (v) => v >= 85 && v <= 265],
  [/^frequency_/, (v) => v >= 45 && v <= 65],
  [/^power_factor/, (v) => Math.abs(v) <= 1.001],
  [/^(energy|export)_/, (v) => v >= 0 && v < 1e12],
  [/_(watts|va|var|amps)$/, (v) => Math.abs(v) < 1e6 && (v === 0 || Math.abs(v) > 1e-6)],
];

const holds = (name: string, value: number) =>
  plausible.find(([pattern]) => pattern.test(name))?.[1](value) ?? true;
const isEvidence = (name: string) => /^(voltage|frequency)_/.test(name);

/**
 * The template whose values all make sense: mains voltage and frequency where it has them, nothing refused, nothing
 * absurd. Where several fit, the one that explains most. Undefined when none does.
 */
export function bestTemplate(fits: readonly Fit[]): Template | undefined {
  const good = fits.filter(({ template, values, refused }) => {
    if (refused > 0) return false;
    const said = [...values];
    // A phase that is not connected shows 0 V; one phase at least must be alive.
    const sound = said.every(([name, v]) => holds(name, v) || (name.startsWith('voltage_l') && v === 0));
    const wanted = template.registers.filter((r) => isEvidence(r.quantity));
    const alive = said.some(([name, v]) => isEvidence(name) && v !== 0);
    return sound && said.length > 0 && (alive || wanted.length === 0);
  });
  const score = ({ template, values }: Fit) =>
    [...values].filter(([name, v]) => v !== 0 && isEvidence(name)).length * 100 + template.registers.length;
  return good.toSorted((a, b) => score(b) - score(a))[0]?.template;
}
