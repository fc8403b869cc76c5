import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { CommanderError, type Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '#config/load.ts';
import { tariffConfig } from '#electricity/money/config.ts';
import { codes } from '#kernel/errors.ts';
import { tasks } from '../../src/ops/maintenance.rules.ts';
import { envBindings, houseConfig } from '../../src/app/config.ts';
import { buildProgram, version } from '../../src/app/program.ts';

const root = path.join(import.meta.dirname, '../..');
const pages = [
  'README.md',
  'AGENTS.md',
  'IMPLEMENTATION_PLAN.md',
  ...globSync('docs/**/*.md', { cwd: root }),
].toSorted();
const read = (page: string) => readFileSync(path.join(root, page), 'utf8');

/** Fenced blocks of a page by their language; list items may indent them. */
function blocks(text: string, languages: readonly string[]): string[] {
  const found = [...text.matchAll(/^( *)```(\w+)\n([\s\S]*?)^\1```$/gm)];
  return found
    .filter(([, , language]) => languages.includes(language!))
    .map(([, indent, , body]) => body!.replaceAll(new RegExp(`^${indent}`, 'gm'), ''));
}

/** The words of one shell command, as far as documentation uses them: quotes, and no expansions. */
const words = (command: string) =>
  (command.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? []).map((word) => word.replaceAll(/["']/g, ''));

/** Programs in bin/ and what each puts before its words. */
const originals: Readonly<Record<string, readonly string[]>> = {
  lares: [],
  presence_to_graphite: ['presence'],
  validate_config: ['check'],
  kasa_to_graphite: ['electricity'],
  tuya_to_graphite: ['electricity'],
  esp32_receiver: ['electricity'],
  mqtt_to_graphite: ['electricity'],
  'smart-cctv': ['cctv'],
  test_cameras: ['cctv', 'test'],
  benchmark_fps: ['cctv', 'benchmark'],
  monitor_resources: ['cctv', 'monitor'],
  analyze_alerts: ['cctv', 'analyze'],
  calibrate_camera: ['cctv', 'calibrate'],
  test_audio: ['audio', 'test'],
  e2e_test: ['cctv', 'e2e'],
  stress_test: ['cctv', 'stress'],
  plot_metrics: ['cctv', 'plot'],
  migrate_database: ['cctv', 'migrate'],
};

const programs: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(originals).flatMap(([name, before]) => [
    [name, before],
    [`bin/${name}`, before],
  ]),
);

/** Every call of ours in a text of shell commands, as arguments of `lares`. */
function calls(shell: string): string[][] {
  return shell
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*$/, ''))
    .flatMap((line) => line.split(/\||&&|;/))
    .flatMap((command) => {
      const [name = '', ...rest] = words(command.replace(/>.*$/, '')).filter((w) => w !== 'sudo');
      return Object.hasOwn(programs, name) ? [[...programs[name]!, ...rest]] : [];
    });
}

/** The complaint of the real program about a call, without running it; undefined when it would run. */
async function complaint(args: readonly string[]): Promise<string | undefined> {
  const program = buildProgram({}, new AbortController().signal);
  let said = '';
  const visit = (command: Command) => {
    command.exitOverride().configureOutput({ writeErr: (text) => (said += text), writeOut: () => {} });
    // A group without an action of its own must still refuse to be called alone.
    if (Reflect.get(command, '_actionHandler') !== null) command.action(() => {});
    command.commands.forEach(visit);
  };
  visit(program);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? undefined : said.trim() || error.message;
  }
}

test('the check of commands bites', async () => {
  const shell = 'sudo lares presence discover --watch | cat; bin/lares doctr # lares nothing\nlaresx y';
  expect(calls(shell)).toEqual([['presence', 'discover', '--watch'], ['doctr']]);
  expect(await complaint(['presence', 'discover', '--wach'])).toContain("unknown option '--wach'");
  expect(await complaint(['doctr'])).toContain("unknown command 'doctr'");
  expect(await complaint(['graphite'])).toBeDefined();
  expect(await complaint(['presence', 'why', 'alex'])).toBeUndefined();
});

test('every program in bin/ is known here, with the words that it puts first', () => {
  const shipped = readdirSync(path.join(root, 'bin')).toSorted();
  expect(Object.keys(originals).toSorted()).toEqual(shipped);
  const { lares: _itself, ...wrappers } = originals;
  for (const [name, before] of Object.entries(wrappers))
    expect(read(`bin/${name}`)).toContain(`/lares" ${before.join(' ')} `);
});

const targets = new Set(
  read('Makefile')
    .split('\n')
    .flatMap((line) => /^([a-z-]+):/.exec(line)?.[1] ?? []),
);

describe.each(pages)('%s', (page) => {
  const text = read(page);

  test('every command of ours exists with its options', async () => {
    const shell = blocks(text, ['sh', 'bash']);
    // Inline code with an ellipsis or a placeholder in capitals is a pattern, not a command.
    const inline = [...text.matchAll(/`((?:bin\/)?lares [^`]+)`/g)]
      .map(([, code]) => code!)
      .filter((code) => !/…|[A-Z]{3,}|\[|\|/.test(code));
    const all = [...shell, ...inline].flatMap(calls);
    const complaints = await Promise.all(
      all.map(async (args) => {
        const wrong = await complaint(args);
        return wrong === undefined ? [] : [`lares ${args.join(' ')}: ${wrong}`];
      }),
    );
    expect(complaints.flat()).toEqual([]);
  });

  test('every target of make exists', () => {
    const used = blocks(text, ['sh', 'bash'])
      .flatMap((block) => block.split('\n'))
      .flatMap((line) => /^make ([a-z-]+)/.exec(line)?.[1] ?? []);
    const inline = [...text.matchAll(/`make ([a-z-]+)/g)].map(([, target]) => target!);
    expect([...used, ...inline].filter((target) => !targets.has(target))).toEqual([]);
  });

  test('every relative link leads somewhere', () => {
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, to]) => to!.replace(/#.*$/, ''));
    const broken = links
      .filter((to) => to !== '' && !/^[a-z]+:/.test(to))
      .filter((to) => !existsSync(path.join(root, path.dirname(page), to)));
    expect(broken).toEqual([]);
  });

  test('every piece of settings is valid', () => {
    const env = {
      HOMEASSISTANT_TOKEN: 'a-token-for-the-test',
      // Every secret that the page names is there.
      ...Object.fromEntries(
        [...text.matchAll(/!secret (\w+)/g)].map(([, name]) => [name!.toUpperCase(), '0123456789abcdef']),
      ),
    };
    for (const yaml of blocks(text, ['yaml']))
      expect(() =>
        // A tariff may stand in a file of its own, for `what-if`.
        /^currency:/m.test(yaml)
          ? loadConfig(tariffConfig, { file: page, text: yaml, env: {}, bindings: {} })
          : loadConfig(houseConfig, { file: page, text: yaml, env, bindings: envBindings }),
      ).not.toThrow();
  });
});

test('every command that the maintenance calendar names exists', async () => {
  const all = Object.values(tasks).flatMap(({ how }) => calls(how));
  expect(all.length).toBeGreaterThan(5);
  for (const args of all) expect([args, await complaint(args)]).toEqual([args, undefined]);
});

test('the playbook is of this version', () => {
  expect(read('docs/operations/presence.md')).toContain(`For Lares ${version}.`);
});

test('every error code is documented, every documented code exists, and every code in use is one of them', () => {
  const documented = [...read('docs/reference/errors.md').matchAll(/^\| `([A-Z_]+)` \| (.+?) \|/gm)].map(
    ([, code, title]) => [code, title],
  );
  expect(documented).toEqual(Object.entries(codes).map(([code, { title }]) => [code, title]));
  const sources = globSync('src/**/*.ts', { cwd: root }).filter((file) => !file.endsWith('.test.ts'));
  const used = sources.flatMap((file) =>
    [...read(file).matchAll(/new LaresError\(\s*'([A-Z_]+)'/g)].map(([, code]) => code!),
  );
  expect(used.length).toBeGreaterThan(50);
  expect([...new Set(used)].filter((code) => !Object.hasOwn(codes, code))).toEqual([]);
});
