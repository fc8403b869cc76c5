import type { z } from 'zod';
import { renderLaresYaml } from './lares-yaml.ts';
import { ConfigError, loadConfig, type Loaded, type LoadOptions } from './load.ts';
import type { Problem } from './model.ts';
import { importPeopleConfig, type Imported } from './people.ts';
import { parsePath, pathText } from './problems.ts';
import { nodeAt, offsetOf, parseSource, problemAt, type Source } from './source.ts';
import type { Notice, Path } from './types.ts';

/** True for a `people_config.yaml` of the original system: people at the top, where our own format has `presence`. */
export function isPeopleConfig(text: string, file: string): boolean {
  const { value } = parseSource(text, file);
  const keys = Object.keys(value ?? {});
  return keys.includes('people') && !keys.includes('presence');
}

/**
 * Checks a file of the original as it would be after `lares import`, with the places of the original in every
 * problem. Unknown keys are warnings, because the original passed over them. Throws ConfigError.
 */
export function checkPeopleConfig<S extends z.ZodType>(
  schema: S,
  text: string,
  options: Omit<LoadOptions, 'text'>,
): Pick<Loaded<z.output<S>>, 'warnings'> {
  const imported = importPeopleConfig(text, options.file);
  const source = parseSource(text, options.file);
  const problems = [...imported.problems];
  const warnings: Notice[] = imported.notices.filter((n) => n.level === 'warning');
  try {
    const loaded = loadConfig(schema, { ...options, text: renderLaresYaml(imported, ['Imported']) });
    warnings.push(...loaded.warnings);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) {
      // The original kept its token in the environment of the service, which this check does not see.
      if (problem.path === 'homeassistant.token')
        warnings.push({
          level: 'warning',
          subject: problem.path,
          message: problem.message,
          ...(problem.hint === undefined ? {} : { fix: problem.hint }),
        });
      else problems.push(inOriginal(problem, imported, source));
    }
  }
  if (problems.length > 0)
    throw new ConfigError(problems.toSorted((a, b) => a.line - b.line || a.column - b.column));
  return { warnings };
}

function inOriginal(problem: Problem, imported: Imported, source: Source): Problem {
  const path = parsePath(problem.path);
  for (let depth = path.length; depth > 0; depth -= 1) {
    const from = imported.origins.get(pathText(path.slice(0, depth)));
    if (from === undefined) continue;
    const deeper: Path = [...from, ...path.slice(depth)];
    // A single value of the original is a list of one in our format.
    const at = nodeAt(source.document, deeper) === undefined ? from : deeper;
    return problemAt(source, offsetOf(source.document, at, 'value'), at, problem.message, problem.hint);
  }
  return problemAt(source, 0, path, problem.message, problem.hint);
}
