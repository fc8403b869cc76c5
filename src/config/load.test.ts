import { expect, test } from 'vitest';
import { fixtureSchema } from './fixture.ts';
import { ConfigError, loadConfig } from './load.ts';
import { renderProblems } from './problems.ts';

/** [what is wrong, the file, what Lares says]. */
const broken: readonly (readonly [string, string, readonly string[]])[] = [
  [
    'an unknown key at the top',
    'graphit:\n  host: carbon.lan\n',
    [
      'lares.yaml:1:1 graphit: expected one of home, log, graphite, homeassistant, wifi, presence, cameras, alert; found the unknown key "graphit" (did you mean graphite?)',
    ],
  ],
  [
    'an unknown key in a section',
    'graphite:\n  host: carbon.lan\n  prot: 2003\n',
    [
      'lares.yaml:3:3 graphite.prot: expected one of host, port; found the unknown key "prot" (did you mean port?)',
    ],
  ],
  [
    'an unknown key in a list entry',
    'presence:\n  people:\n    - person: alex\n      wifi_mac: []\n',
    [
      'lares.yaml:4:7 presence.people[0].wifi_mac: expected one of person, name, wifi_macs, offline_grace_seconds; found the unknown key "wifi_mac" (did you mean wifi_macs?)',
    ],
  ],
  [
    'an unknown key in a record entry',
    'cameras:\n  front:\n    kind: file\n    path: a.mp4\n    fps: 5\n',
    ['lares.yaml:5:5 cameras.front.fps: expected one of kind, path; found the unknown key "fps"'],
  ],
  [
    'an unknown key in a union',
    'alert:\n  emial: jo@example.org\n',
    [
      'lares.yaml:1:1 alert.email: is missing; expected an e-mail address',
      'lares.yaml:2:3 alert.emial: expected one of email; found the unknown key "emial" (did you mean email?)',
    ],
  ],
  [
    'a known key in the wrong place',
    'scan_interval_seconds: 30\n',
    [
      'lares.yaml:1:1 scan_interval_seconds: expected one of home, log, graphite, homeassistant, wifi, presence, cameras, alert; found the unknown key "scan_interval_seconds" (did you mean wifi.scan_interval_seconds?)',
    ],
  ],
  [
    'a key with a hyphen for an underscore',
    'wifi:\n  scan-interval-seconds: 30\n',
    [
      'lares.yaml:2:3 wifi.scan-interval-seconds: expected one of networks, scan_interval_seconds; found the unknown key "scan-interval-seconds" (did you mean scan_interval_seconds?)',
    ],
  ],
  [
    'a missing key',
    'graphite:\n  port: 2003\n',
    ['lares.yaml:1:1 graphite.host: is missing; expected text (for example host: "192.0.2.123")'],
  ],
  [
    'a missing key in a list entry',
    'presence:\n  people:\n    - name: Alex\n',
    ['lares.yaml:3:7 presence.people[0].person: is missing; expected text (for example person: "alex")'],
  ],
  [
    'a number in quotes',
    'graphite:\n  host: carbon.lan\n  port: "2003"\n',
    [
      'lares.yaml:3:9 graphite.port: expected a whole number from 1 to 65535, found "2003" (write it without quotes)',
    ],
  ],
  [
    'a number with its unit',
    'wifi:\n  scan_interval_seconds: 30s\n',
    [
      'lares.yaml:2:26 wifi.scan_interval_seconds: expected a number of seconds from 1 to 3600, found "30s" (write the number only; the unit is in the name)',
    ],
  ],
  [
    'a number that is too small',
    'wifi:\n  scan_interval_seconds: 0\n',
    ['lares.yaml:2:26 wifi.scan_interval_seconds: expected a number of seconds from 1 to 3600, found 0'],
  ],
  [
    'a number that is too large',
    'graphite:\n  host: carbon.lan\n  port: 70000\n',
    ['lares.yaml:3:9 graphite.port: expected a whole number from 1 to 65535, found 70000'],
  ],
  [
    'a fraction where a whole number belongs',
    'presence:\n  offline_grace_seconds: 1.5\n',
    [
      'lares.yaml:2:26 presence.offline_grace_seconds: expected a whole number of seconds, at least 0, found 1.5',
    ],
  ],
  [
    'infinity',
    'presence:\n  offline_grace_seconds: .inf\n',
    [
      'lares.yaml:2:26 presence.offline_grace_seconds: expected a whole number of seconds, at least 0, found Infinity',
    ],
  ],
  [
    'not a number at all',
    'wifi:\n  scan_interval_seconds: .nan\n',
    ['lares.yaml:2:26 wifi.scan_interval_seconds: expected a number of seconds from 1 to 3600, found NaN'],
  ],
  [
    'text where a switch belongs',
    'log:\n  json: yes\n',
    ['lares.yaml:2:9 log.json: expected true or false, found "yes" (write true)'],
  ],
  [
    'a misspelt choice',
    'log:\n  level: inf\n',
    ['lares.yaml:2:10 log.level: expected one of debug, info, warn, error, found "inf" (did you mean info?)'],
  ],
  [
    'a number where text belongs',
    'home:\n  name: 12\n',
    ['lares.yaml:2:9 home.name: expected text of at most 40 characters, found 12 (write it in quotes)'],
  ],
  [
    'a list where text belongs',
    'home:\n  name: [a, b]\n',
    ['lares.yaml:2:9 home.name: expected text of at most 40 characters, found a list of 2'],
  ],
  [
    'a text where a list belongs',
    'wifi:\n  networks: 192.0.2.0/24\n',
    [
      'lares.yaml:2:13 wifi.networks: expected a list (each an IPv4 network such as 192.0.2.0/24), found "192.0.2.0/24" (write it as a list: [value])',
    ],
  ],
  [
    'a section where a list belongs',
    'presence:\n  people:\n    person: alex\n',
    [
      'lares.yaml:3:5 presence.people: expected a list (each a section of settings), found a section of settings (begin each entry with "- ")',
    ],
  ],
  [
    'a text where a section belongs',
    'presence:\n  people:\n    - alex\n',
    ['lares.yaml:3:7 presence.people[0]: expected a section of settings, found "alex"'],
  ],
  [
    'a list where the sections belong',
    '- home\n',
    ['lares.yaml:1:1: expected settings as "key: value", found a list'],
  ],
  [
    'one word instead of settings',
    'lares\n',
    ['lares.yaml:1:1: expected settings as "key: value", found a single value'],
  ],
  [
    'a bad network',
    'wifi:\n  networks: [192.0.2.0/33]\n',
    ['lares.yaml:2:14 wifi.networks[0]: expected an IPv4 network such as 192.0.2.0/24, found "192.0.2.0/33"'],
  ],
  [
    'a bad address',
    'homeassistant:\n  url: homeassistant.local\n  token: !secret t\n',
    [
      'lares.yaml:2:8 homeassistant.url: expected an address (URL), found "homeassistant.local" (write http://homeassistant.local)',
    ],
  ],
  [
    'a bad MAC address in a flow list',
    'presence:\n  people:\n    - person: alex\n      wifi_macs: ["AA:BB:CC:DD:EE:FF", "AA:BB"]\n',
    [
      'lares.yaml:4:40 presence.people[0].wifi_macs[1]: expected a MAC address like AA:BB:CC:DD:EE:FF, found "AA:BB"',
    ],
  ],
  [
    'a person listed twice',
    'presence:\n  people:\n    - person: alex\n    - person: sam\n    - person: alex\n',
    ['lares.yaml:5:15 presence.people[2].person: "alex" is listed twice'],
  ],
  [
    "a name that its author's rule refuses",
    'presence:\n  people:\n    - person: Alex\n',
    ['lares.yaml:3:15 presence.people[0].person: expected lower-case letters, digits and _, found "Alex"'],
  ],
  [
    'a misspelt kind',
    'cameras:\n  front: {kind: rtps, url: x}\n',
    ['lares.yaml:2:17 cameras.front.kind: expected one of rtsp, file, found "rtps" (did you mean rtsp?)'],
  ],
  [
    'no kind',
    'cameras:\n  front: {url: x}\n',
    ['lares.yaml:2:3 cameras.front.kind: is missing; expected one of rtsp, file'],
  ],
  [
    'a bad name of a record entry',
    'cameras:\n  Front: {kind: file, path: x}\n',
    ['lares.yaml:2:3 cameras.Front: expected a name of the form /^[a-z_]+$/, found "Front"'],
  ],
  [
    'a union that fits nothing',
    'alert: 5\n',
    ['lares.yaml:1:8 alert: expected off or a section of settings, found 5'],
  ],
  [
    'a missing secret',
    'homeassistant:\n  url: http://ha.lan\n  token: !secret nowhere\n',
    [
      'lares.yaml:3:18 homeassistant.token: expected a secret named nowhere, found none; looked in $CREDENTIALS_DIRECTORY (not set), the environment variables NOWHERE_FILE and NOWHERE, nowhere in secrets.yaml (put nowhere into one of them)',
    ],
  ],
  [
    'a secret without a name',
    'homeassistant:\n  url: http://ha.lan\n  token: !secret\n',
    [
      'lares.yaml:3:17 homeassistant.token: expected the name of a secret after !secret: letters, digits, _ . and - (write token: !secret homeassistant_token)',
    ],
  ],
  [
    'a secret that is too short',
    'homeassistant:\n  url: http://ha.lan\n  token: abc\n',
    [
      'lares.yaml:3:10 homeassistant.token: expected text of at least 8 characters, found another value (not shown because it is a secret)',
    ],
  ],
  [
    'an unknown tag',
    'home:\n  name: !!js/function "function () {}"\n',
    [
      'lares.yaml:2:23 home.name: expected a plain value, found the tag !!js/function (remove the tag; only !secret NAME is known)',
    ],
  ],
  [
    'a python tag',
    'home: !!python/object:os.system {}\n',
    [
      'lares.yaml:1:33 home: expected a plain value, found the tag !!python/object:os.system (remove the tag; only !secret NAME is known)',
    ],
  ],
  [
    'a tab as indentation',
    'home:\n\tname: x\n',
    ['lares.yaml:2:1 home: expected spaces, found a tab as indentation'],
  ],
  [
    'a duplicate key',
    'home:\n  name: a\nhome:\n  name: b\n',
    ['lares.yaml:3:1 home: expected each key once, found it a second time (keep one of them)'],
  ],
  [
    'an unclosed quote',
    'home:\n  name: "a\nlog:\n  level: info\n',
    ['lares.yaml:2:9 home.name: expected a closing quote for this text, found none'],
  ],
  [
    'an unclosed bracket',
    'wifi:\n  networks: [192.0.2.0/24\nlog:\n  level: info\n',
    ['lares.yaml:3:1 log: expected the same indentation as the lines above'],
  ],
  [
    'a colon too many',
    'home: name: x\n',
    [
      'lares.yaml:1:7 home.name: expected one "key: value" on a line or a deeper line below; found a second mapping here (a text that contains ": " needs quotes)',
    ],
  ],
  [
    'a missing colon',
    'home\n  name: x\nlog: {}\n',
    ['lares.yaml:1:1 ["home name"]: expected a key on one line; is a colon missing after it, or a quote?'],
  ],
  [
    'crooked indentation',
    'home:\n    name: x\n  extra: y\n',
    ['lares.yaml:3:1 home.name: expected the same indentation as the lines above'],
  ],
  [
    'a value that needs quotes',
    'home:\n  name: @home\n',
    ['lares.yaml:2:9 home.name: expected a value; one that starts with @ ` % or similar needs quotes'],
  ],
  [
    'an alias without an anchor',
    'home:\n  name: *nobody\n',
    [
      'lares.yaml:2:9 home.name: expected an anchor &nobody above this alias, found none (write the value itself, or quote it: "*nobody")',
    ],
  ],
  [
    'an alias that contains itself',
    'home: &h\n  name: *h\n',
    ['lares.yaml:2:9 home: expected at most 64 levels, found aliases or nesting without end'],
  ],
  [
    'an alias bomb',
    'a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n',
    ['lares.yaml:5:11 e: expected few repetitions, found aliases or nesting without end'],
  ],
  [
    'two documents',
    'home: {}\n---\nlog: {}\n',
    ['lares.yaml:2:1: expected one document, found a second one after --- (remove the --- line)'],
  ],
  [
    'YAML 1.1',
    '%YAML 1.1\n---\nlog: {json: yes}\n',
    ['lares.yaml:1:1: expected YAML 1.2, found a %YAML 1.1 line (remove that line)'],
  ],
  [
    'a forbidden key',
    '__proto__:\n  admin: true\n',
    ['lares.yaml:1:1: expected a setting, found the forbidden key __proto__'],
  ],
  ['a list as a key', '? [a, b]\n: c\n', ['lares.yaml:1:3: expected a text as key, found something else']],
  [
    'a problem behind a byte order mark and in a file with CRLF',
    '﻿home:\r\n  nam: x\r\n',
    ['lares.yaml:2:3 home.nam: expected one of name; found the unknown key "nam" (did you mean name?)'],
  ],
  [
    'several problems at once',
    'grafite: {}\nwifi:\n  networks: [10.0.0.0/8, x]\nlog:\n  level: loud\n',
    [
      'lares.yaml:1:1 grafite: expected one of home, log, graphite, homeassistant, wifi, presence, cameras, alert; found the unknown key "grafite" (did you mean graphite?)',
      'lares.yaml:3:26 wifi.networks[1]: expected an IPv4 network such as 192.0.2.0/24, found "x"',
      'lares.yaml:5:10 log.level: expected one of debug, info, warn, error, found "loud"',
    ],
  ],
];

/** The problems as lines; a valid configuration has none. */
function check(text: string): string[] {
  try {
    loadConfig(fixtureSchema, { file: 'lares.yaml', text, env: { T: 'a-long-enough-token' } });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return renderProblems(error.problems).split('\n');
    throw error;
  }
}

test.each(broken)('%s is reported with place, expectation and hint', (_what, text, expected) => {
  expect(check(text)).toEqual(expected);
});

/** Files that would exhaust a careless reader: [what, text]. */
const hostile: readonly (readonly [string, string])[] = [
  ['a hundred thousand opening brackets', '['.repeat(100_000)],
  ['ten thousand levels of lists on one line', '- '.repeat(10_000)],
  [
    'a thousand levels of indentation',
    Array.from({ length: 1_000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
  ],
  ['five thousand aliases of a large list', `a: &a [${'1,'.repeat(1_000)}]\nb: [${'*a,'.repeat(5_000)}]\n`],
  ['more than a mebibyte', `home:\n  name: ${'x'.repeat(1_100_000)}\n`],
];

test.each(hostile)('%s: refused, not read for ever', (_what, text) => {
  expect(check(text).length).toBeGreaterThan(0);
});
