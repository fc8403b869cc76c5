import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Clock } from '#kernel/driver.ts';
import { silent } from '#platform/log.ts';
import { systemClock } from '#platform/clock.ts';
import { until } from '../../tests/servers/process.ts';
import { changeText } from './changes.ts';
import { fixtureSchema } from './fixture.ts';
import { loadConfig } from './load.ts';
import type { Problem } from './model.ts';
import { watchConfig } from './watch.ts';
import { editConfig } from './write.ts';

let dir: string;
let stop: AbortController;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'lares-watch-'));
  stop = new AbortController();
});
afterEach(() => {
  stop.abort();
  rmSync(dir, { recursive: true, force: true });
});

/** A watched file, and everything that the watch reported. */
function watched(text: string, clock: Pick<Clock, 'sleep'> = systemClock) {
  const file = path.join(dir, 'lares.yaml');
  writeFileSync(file, text);
  const load = () => loadConfig(fixtureSchema, { file });
  const changes: {
    changed: readonly string[];
    live: readonly string[];
    needRestart: readonly string[];
    name: string;
    said: readonly string[];
    from: readonly string[];
  }[] = [];
  const invalid: (readonly Problem[])[] = [];
  const secrets = path.join(dir, 'secrets.yaml');
  const watch = watchConfig({
    schema: fixtureSchema,
    files: [file, secrets],
    current: load(),
    load,
    onChange: ({ changed, live, needRestart, next, changes: all, from }) =>
      changes.push({
        changed,
        live,
        needRestart,
        name: next.home.name,
        said: all.map(changeText),
        from: from.map((one) => path.basename(one)),
      }),
    onInvalid: (problems) => invalid.push(problems),
    clock,
    log: silent,
    signal: stop.signal,
    settleMs: 20,
  });
  return { file, changes, invalid, watch };
}

test('a saved change is reported once, with what takes effect at once and what needs a restart', async () => {
  const { file, changes, invalid } = watched('home: {name: Elm}\n');
  writeFileSync(file, 'home: {name: Oak}\nlog: {json: true}\n');
  await until(() => changes.length > 0);
  expect(changes).toEqual([
    {
      changed: ['home.name', 'log.json'],
      live: ['home.name'],
      needRestart: ['log.json'],
      name: 'Oak',
      said: ['home.name: "Elm" -> "Oak"', 'log.json: false -> true'],
      from: ['lares.yaml'],
    },
  ]);
  expect(invalid).toEqual([]);
});

test('a file that is written piece by piece is read once, when it is whole', async () => {
  const pieces = ['  name: Oak\n', 'log:\n', '  json: true\n'];
  const sleep: Clock['sleep'] = async (ms, signal) => {
    const piece = pieces.shift();
    if (piece !== undefined) appendFileSync(file, piece);
    await systemClock.sleep(ms, signal);
  };
  const { file, changes, invalid } = watched('home: {name: Elm}\nlog: {json: false}\n', { sleep });
  writeFileSync(file, 'home:\n');
  await until(() => changes.length > 0 || invalid.length > 0);
  expect(changes.map(({ changed, name }) => [changed, name])).toEqual([[['home.name', 'log.json'], 'Oak']]);
  expect(invalid).toEqual([]);
});

test('a file that is replaced, as editors and our own edits do, is still watched afterwards', async () => {
  const { file, changes } = watched('home: {name: Elm}\n');
  writeFileSync(`${file}.new`, 'home: {name: Oak}\n');
  renameSync(`${file}.new`, file);
  await until(() => changes.length === 1);
  editConfig(fixtureSchema, { file }, [{ path: ['home', 'name'], value: 'Ash' }]);
  await until(() => changes.length === 2);
  expect(changes.map((c) => c.name)).toEqual(['Oak', 'Ash']);
});

test('an invalid file is reported with its problems and the settings in use stay', async () => {
  const { file, changes, invalid } = watched('home: {name: Elm}\n');
  writeFileSync(file, 'home: {nam: Oak}\n');
  await until(() => invalid.length > 0);
  expect(invalid.map((problems) => problems.map((p) => `${p.line}:${p.column} ${p.path} ${p.hint}`))).toEqual(
    [['1:8 home.nam did you mean name?']],
  );
  writeFileSync(file, 'home: {name: Ash}\n');
  await until(() => changes.length > 0);
  expect(changes.map((c) => [c.changed, c.name])).toEqual([[['home.name'], 'Ash']]);
});

test('a change names the file that it came from, also where another was mended in vain before', async () => {
  const secret = (token: string) => writeFileSync(path.join(dir, 'secrets.yaml'), `token: ${token}\n`);
  secret('a-long-token');
  const { file, changes, invalid } = watched(
    "home: {name: Elm}\nhomeassistant: {url: 'http://192.0.2.1', token: !secret token}\n",
  );
  secret('b-long-token');
  await until(() => changes.length === 1);
  writeFileSync(file, 'home: {nam: Oak}\n');
  await until(() => invalid.length > 0);
  secret('c-long-token');
  writeFileSync(file, "homeassistant: {url: 'http://192.0.2.1', token: !secret token}\n");
  await until(() => changes.length === 2);
  expect(changes.map((c) => [c.said, c.from])).toEqual([
    [['homeassistant.token: [secret] -> [another secret]'], ['secrets.yaml']],
    [
      ['home.name: "Elm" -> "Home"', 'homeassistant.token: [secret] -> [another secret]'],
      ['lares.yaml', 'secrets.yaml'],
    ],
  ]);
});

test('a signal reads the file at once; the same settings again are no change', () => {
  const { file, changes, watch } = watched('home: {name: Elm}\n');
  writeFileSync(file, '# only a comment\nhome: {name: Elm}\n');
  watch.reload();
  expect(changes).toEqual([]);
  writeFileSync(file, 'home: {name: Oak}\n');
  watch.reload();
  expect(changes.map((c) => c.name)).toEqual(['Oak']);
});

test('nothing is reported after the end', () => {
  const { file, changes, watch } = watched('home: {name: Elm}\n');
  stop.abort();
  writeFileSync(file, 'home: {name: Oak}\n');
  watch.reload();
  expect(changes).toEqual([]);
});
