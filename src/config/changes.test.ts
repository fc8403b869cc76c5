import { expect, test } from 'vitest';
import { changeText, describeChanges } from './changes.ts';
import { fixtureSchema } from './fixture.ts';
import { loadConfig } from './load.ts';

const load = (text: string) => loadConfig(fixtureSchema, { file: 'lares.yaml', text });
const changes = (old: string, next: string) => describeChanges(fixtureSchema, load(old), load(next));
const texts = (old: string, next: string) => changes(old, next).map(changeText);

test('a change says what the setting was and is, and whether it is in force', () => {
  expect(changes('log: {level: debug}', 'log: {json: true}\ngraphite: {host: a}')).toEqual([
    { path: 'log.level', from: '"debug"', to: '"info"', live: true },
    { path: 'log.json', from: 'false', to: 'true', live: false },
    { path: 'graphite', from: 'none', to: '{"host":"a","port":2003}', live: false },
  ]);
  expect(changes('log: {level: debug}', 'log: {level: debug}')).toEqual([]);
});

test('entries of a list go by their name, wherever they stand in it', () => {
  const old = 'presence: {people: [{person: alex}, {person: sam, name: Sam}]}';
  expect(texts(old, 'presence: {people: [{person: jo}, {person: sam, name: Samuel}]}')).toEqual([
    'presence.people[alex]: {"person":"alex","wifi_macs":[]} -> none',
    'presence.people[sam].name: "Sam" -> "Samuel"',
    'presence.people[jo]: none -> {"person":"jo","wifi_macs":[]}',
  ]);
  expect(texts(old, 'presence: {people: [{person: sam, name: Sam}, {person: alex}]}')).toEqual([
    'presence.people: ["alex","sam"] -> ["sam","alex"]',
  ]);
});

test('entries without a name go by their place, and a list of another length is shown as a whole', () => {
  const macs = (...all: string[]) =>
    `presence: {people: [{person: alex, wifi_macs: [${all.map((m) => `'${m}'`).join(', ')}]}]}`;
  const [a, b] = ['02:00:00:00:00:01', '02:00:00:00:00:02'];
  expect(texts(macs(a), macs(b))).toEqual([`presence.people[alex].wifi_macs[0]: "${a}" -> "${b}"`]);
  expect(texts(macs(a), macs(a, b))).toEqual([
    `presence.people[alex].wifi_macs: ["${a}"] -> ["${a}","${b}"]`,
  ]);
});

test('a secret is never shown, neither the old one nor the new one, wherever it stands', () => {
  const house = (token: string, name: string) =>
    `home: {name: ${name}}\nhomeassistant: {url: 'http://192.0.2.1', token: ${token}}`;
  const said = texts(house('old-long-token', 'Elm'), house('new-long-token', 'old-long-token'));
  expect(said).toEqual(['home.name: "Elm" -> [secret]', 'homeassistant.token: [secret] -> [another secret]']);
});

test('what is long is cut, after its secrets were masked', () => {
  const url = `rtsp://admin:password-of-the-camera@192.0.2.20/${'x'.repeat(200)}`;
  const [said] = texts(
    '',
    `cameras: {gate: {kind: rtsp, url: '${url}'}, yard: {kind: file, path: '${'y'.repeat(200)}'}}`,
  );
  expect(said).not.toContain('password-of');
  expect(texts('', `cameras: {yard: {kind: file, path: '${'y'.repeat(200)}'}}`)).toEqual([
    `cameras.yard: none -> {"kind":"file","path":"${'y'.repeat(77)}…`,
  ]);
});
