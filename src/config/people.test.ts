import fc from 'fast-check';
import { expect, test } from 'vitest';
import { renderLaresYaml } from './lares-yaml.ts';
import { ConfigError } from './load.ts';
import { importPeopleConfig } from './people.ts';
import { macOf } from './people-keys.ts';
import { parseSource, SecretRef } from './source.ts';

const canonical = `# Who lives here
people:
  - person: alex
    homeassistant_entity: person.alex
    homeassistant_device_trackers: []
    wifi_macs: ["AA:BB:CC:DD:EE:FF", "02-00-00-00-00-01"]   # phone and watch
    wifi_hostnames: ["alex-phone"]
  - person: sam
    homeassistant_entity: person.sam
    homeassistant_device_trackers: [device_tracker.sam_phone]
    wifi_macs: []
    tado_device: Sam phone
wifi:
  network_range: 192.0.2.0/24
  scan_interval_seconds: 30
homeassistant:
  poll_interval_seconds: 300
grace_period_seconds: 300
graphite:
  host: 192.0.2.123
  port: 2003
send_interval_seconds: 5
`;

const predecessor = `people:
  - name: Alex
    ha_device_tracker: person.alex
    macs: [AABBCCDDEEFF, 020000000001]
    hostname: alex-phone
  - person: sam
    ha_entity: person.sam
    ha_device_tracker: device_tracker.sam_phone
    tado_device: Sam phone
wifi:
  cidr: 192.0.2.0/24
  scan_interval_seconds: 30
  offline_grace_seconds: 300
homeassistant:
  enabled: yes
  base_url: http://homeassistant.local:8123
  token_env_var: HA_TOKEN
  poll_interval_seconds: 300
tado: {enabled: false}
graphite: {host: 192.0.2.123, port: 2003}
metrics: {prefix: home.presence, send_interval_seconds: 5}
`;

const facts = (token: string, name: object, tado: object) => ({
  wifi: { networks: ['192.0.2.0/24'], scan_interval_seconds: 30 },
  graphite: { host: '192.0.2.123', port: 2003 },
  metrics: { interval_seconds: 5 },
  homeassistant: {
    url: 'http://homeassistant.local:8123',
    token: new SecretRef(token),
    poll_interval_seconds: 300,
  },
  presence: {
    offline_grace_seconds: 300,
    ...tado,
    people: [
      {
        person: 'alex',
        ...name,
        homeassistant_entity: 'person.alex',
        wifi_macs: ['AA:BB:CC:DD:EE:FF', '02:00:00:00:00:01'],
        wifi_hostnames: ['alex-phone'],
      },
      {
        person: 'sam',
        homeassistant_entity: 'person.sam',
        homeassistant_device_trackers: ['device_tracker.sam_phone'],
        tado_device: 'Sam phone',
      },
    ],
  },
});

test('the original and its predecessor give the same facts, and nothing is left over', () => {
  const a = importPeopleConfig(canonical, 'people_config.yaml');
  const b = importPeopleConfig(predecessor, 'people_config.yaml');
  expect([a.tree, a.kept]).toEqual([facts('homeassistant_token', {}, {}), []]);
  expect([b.tree, b.kept]).toEqual([facts('ha_token', { name: 'Alex' }, { tado: { enabled: false } }), []]);
});

test('an older key is understood with a note', () => {
  const { notices } = importPeopleConfig(predecessor, 'people_config.yaml');
  expect(
    notices.filter((n) => n.subject.startsWith('people')).map((n) => `${n.subject} ${n.message}`),
  ).toEqual([
    'people[0].ha_device_tracker is now called homeassistant_device_trackers',
    'people[0].macs is now called wifi_macs',
    'people[0].hostname is now called wifi_hostnames',
    'people[0] "Alex" is called alex in metrics',
    'people[1].ha_entity is now called homeassistant_entity',
    'people[1].ha_device_tracker is now called homeassistant_device_trackers',
  ]);
});

test('what is written can be read, keeps the comments and carries the same facts', () => {
  const imported = importPeopleConfig(canonical, 'people_config.yaml');
  const text = renderLaresYaml(imported, ['Imported']);
  expect(parseSource(text, 'lares.yaml').problems).toEqual([]);
  expect(parseSource(text, 'lares.yaml').value).toEqual(imported.tree);
  expect(text.split('\n').filter((line) => /phone and watch|Who lives here/.test(line))).toEqual([
    '    # phone and watch',
    '#   Who lives here',
  ]);
});

test('unknown keys and impossible addresses are kept as comments with their line; a secret among them is not copied', () => {
  const { tree, kept } = importPeopleConfig(
    'people:\n  - person: alex\n    wifi_macs: [nonsense]\n    shoe_size: 44\ntado:\n  home_id: 7\n  password: geheim-geheim\n',
    'people_config.yaml',
  );
  expect(tree).toEqual({ presence: { people: [{ person: 'alex' }] } });
  expect(kept).toEqual([
    'line 3: people[0].wifi_macs[0]: "nonsense"',
    'line 4: people[0].shoe_size: 44',
    'line 6: tado.home_id: 7',
    'line 7: tado.password: (a secret, not copied)',
  ]);
});

test('a token in clear is taken out of the settings', () => {
  const imported = importPeopleConfig(
    'HA_TOKEN: abcdefghijkl\nhomeassistant: {base_url: ha.lan}\n',
    'people_config.yaml',
  );
  expect(imported.secrets).toEqual({ homeassistant_token: 'abcdefghijkl' });
  expect(imported.tree).toEqual({
    homeassistant: { url: 'http://ha.lan:8123', token: new SecretRef('homeassistant_token') },
  });
  expect(renderLaresYaml(imported, ['Imported'])).not.toContain('abcdefghijkl');
});

test('Home Assistant that was switched off is written as a comment', () => {
  const imported = importPeopleConfig(
    'homeassistant: {enabled: false, base_url: http://ha.lan}\nwifi: {cidr: 192.0.2.0/24}\n',
    'p.yaml',
  );
  expect(imported.tree).toEqual({ wifi: { networks: ['192.0.2.0/24'] } });
  expect(renderLaresYaml(imported, ['Imported'])).toContain(
    '# Switched off in the original:\n#   homeassistant:\n#     url: http://ha.lan\n',
  );
});

test('people as a mapping, and as plain names, are read too', () => {
  const people = (text: string) =>
    (importPeopleConfig(text, 'p.yaml').tree['presence'] as { people: unknown }).people;
  expect(people('people:\n  alex: {macs: [AABBCCDDEEFF]}\n  sam:\n')).toEqual([
    { person: 'alex', wifi_macs: ['AA:BB:CC:DD:EE:FF'] },
    { person: 'sam' },
  ]);
  expect(people('people: [alex, Jo Ann]\n')).toEqual([
    { person: 'alex' },
    { person: 'jo_ann', name: 'Jo Ann' },
  ]);
});

test('a file that is no YAML is refused with its line', () => {
  expect(() => importPeopleConfig('people:\n\t- person: alex\n', 'people_config.yaml')).toThrow(ConfigError);
});

test('an address in any notation is one and the same', () => {
  const octets = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 6, maxLength: 6 });
  fc.assert(
    fc.property(octets, fc.boolean(), (numbers, upper) => {
      const hex = numbers.map((n) => n.toString(16).padStart(2, '0'));
      const wanted = hex.join(':').toUpperCase();
      const all = hex.join('');
      const notations = [
        hex.join(':'),
        hex.join('-'),
        all,
        `${all.slice(0, 4)}.${all.slice(4, 8)}.${all.slice(8)}`,
        numbers.map((n) => n.toString(16)).join(':'),
      ];
      for (const text of notations) expect(macOf(upper ? text.toUpperCase() : text)).toBe(wanted);
      for (const text of [all.slice(1), `${all}0`, `${hex.join(':')}:`, all.replace(/^./, 'g')])
        expect(macOf(text)).toBeUndefined();
    }),
  );
});
