import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { calibrate } from '#cctv/ground/calibrate.ts';
import { ConfigError } from '#config/load.ts';
import { scratch } from '../../tests/servers/process.ts';
import { loadAlone, loadHouse } from './context.ts';

/** A settings file with the keys of the original's config/config.yaml and nothing else. */
const original = `cameras:
  - id: camera_1
    name: Front gate
    url: rtsp://192.0.2.21:554/stream1
    enabled: true
    fps: 25
    zones:
      - name: drive
        polygon: [[0.1, 0.5], [0.9, 0.5], [0.9, 1], [0.1, 1]]
  - id: camera_5
    name: Garden
    url: rtsp://192.0.2.25:554/stream1
    enabled: false
processing:
  detection:
    model: yolov8n
    confidence_threshold: 0.5
    device: cuda:0
    input_size: 416x256
performance:
  fps_limit: 10
  frame_skip: 1
alert_rules:
  - id: person_at_gate
    cameras: [camera_1]
    classes: [person]
    zones: [drive]
    conditions:
      distance_to_reference:
        reference: gate
        operator: less_than
        value: 5
    schedule:
      - from: '22:00'
        to: '06:00'
    home_mode: [away, night]
    cooldown: 60
    severity: critical
    actions:
      - type: speak
        speaker: living_room
      - type: email
speakers:
  - id: living_room
    type: bluetooth
    mac: AA:BB:CC:DD:EE:FF
    volume: 80
monitoring:
  email_alerts_enabled: true
  email_to: alex@example.org
  email_from: cctv@example.org
  smtp_server: smtp.example.org
  smtp_port: 587
`;

let folder: ReturnType<typeof scratch>;
let file: string;
beforeAll(async () => {
  folder = scratch('cross');
  const configFolder = path.join(folder.dir, 'config');
  mkdirSync(configFolder);
  file = path.join(configFolder, 'config.yaml');
  await calibrate({
    configFolder,
    camera: 'camera_1',
    now: 0,
    height: 3,
    tilt: 20,
    fov: 80,
    picture: { width: 1280, height: 720 },
    references: ['gate=point:0,6'],
    people: [],
  });
});
afterAll(() => folder.remove());

function problems(text: string) {
  writeFileSync(file, text, { mode: 0o600 });
  try {
    loadHouse(file, {});
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems;
  }
}

test('a settings file with the keys of the original alone is right', () => {
  expect(problems(original)).toEqual([]);
});

const metres = 'conditions.distance_to_reference';

test.each<readonly [from: string, to: string, at: string, message: RegExp]>([
  ['cameras:\n  - id', 'camera:\n  - id', 'camera', /did you mean cameras/],
  ['processing:', 'procesing:', 'procesing', /did you mean processing/],
  ['performance:', 'performence:', 'performence', /did you mean performance/],
  ['alert_rules:', 'alert_rule:', 'alert_rule', /did you mean alert_rules/],
  ['speakers:', 'speeker:', 'speeker', /did you mean speakers/],
  ['monitoring:', 'monitorring:', 'monitorring', /did you mean monitoring/],
  ['id: camera_5', 'id: Camera 5', 'cameras[1].id', /lower-case letters/],
  ['id: camera_5', 'id: camera_1', 'cameras[1].id', /stands in the list twice/],
  ['- id: camera_5\n    name: G', '- name: G', 'cameras[1].id', /expected/],
  ['url: rtsp://192.0.2.25', 'url: rtps://192.0.2.25', 'cameras[1].url', /an address like rtsp:/],
  ['url: rtsp://192.0.2.25:554', 'url: 192.0.2.25:554', 'cameras[1].url', /an address like rtsp:/],
  ['    url: rtsp://192.0.2.25', '    ulr: rtsp://192.0.2.25', 'cameras[1].ulr', /one of id, name, url/],
  ['enabled: false', 'enabled: nein', 'cameras[1].enabled', /expected/],
  ['enabled: false', 'enable: false', 'cameras[1].enable', /did you mean enabled/],
  ['fps: 25', 'fps: 250', 'cameras[0].fps', /60/],
  ['fps: 25', 'fps: fast', 'cameras[0].fps', /expected a number/],
  ['name: drive', 'name: The Drive', 'cameras[0].zones[0].name', /lower-case/],
  ['[0.9, 1]', '[0.9, 1.5]', 'cameras[0].zones[0].polygon[2][1]', /1/],
  ['[[0.1, 0.5], [0.9, 0.5], [0.9, 1], [0.1, 1]]', '[[0.1, 0.5]]', 'cameras[0].zones[0].polygon', /three|3/],
  ['model: yolov8n', 'model: yolov8m', 'processing.detection.model', /expected one of .*did you mean/],
  [
    'confidence_threshold: 0.5',
    'confidence_threshold: 1.2',
    'processing.detection.confidence_threshold',
    /1/,
  ],
  ['confidence_threshold: 0.5', 'confidence: 0.5', 'processing.detection.confidence', /confidence_threshold/],
  ['device: cuda:0', 'device: cuda0', 'processing.detection.device', /cpu or cuda:0/],
  ['input_size: 416x256', 'input_size: 400x250', 'processing.detection.input_size', /multiples of 32/],
  ['fps_limit: 10', 'fps_limit: 0', 'performance.fps_limit', /0\.1/],
  ['fps_limit: 10', 'fpslimit: 10', 'performance.fpslimit', /did you mean fps_limit/],
  ['frame_skip: 1', 'frame_skip: 1.5', 'performance.frame_skip', /whole number|integer|int/],
  [
    'cameras: [camera_1]',
    'cameras: [camera_2]',
    'alert_rules[0].cameras[0]',
    /found "camera_2".*did you mean/,
  ],
  ['cameras: [camera_1]', 'cameras: []', 'alert_rules[0].cameras', /found an empty list/],
  [
    'classes: [person]',
    'classes: [persn]',
    'alert_rules[0].classes[0]',
    /found "persn".*did you mean person/,
  ],
  ['zones: [drive]', 'zones: [driv]', 'alert_rules[0].zones[0]', /found "driv".*did you mean drive/],
  [
    'reference: gate',
    'reference: gates',
    `alert_rules[0].${metres}.reference`,
    /found "gates".*did you mean gate/,
  ],
  ['operator: less_than', 'operator: lessthan', `alert_rules[0].${metres}.operator`, /less_than/],
  ['        value: 5', '        value: -5', `alert_rules[0].${metres}.value`, /0/],
  ['cooldown: 60', 'cool_down: 60', 'alert_rules[0].cool_down', /did you mean cooldown/],
  ["from: '22:00'", "from: '25:00'", 'alert_rules[0].schedule[0].from', /time of day/],
  ['home_mode: [away, night]', 'home_mode: [awy, night]', 'alert_rules[0].home_mode[0]', /away/],
  ['severity: critical', 'severity: urgent', 'alert_rules[0].severity', /critical/],
  ['type: speak', 'type: speek', 'alert_rules[0].actions[0].type', /speak/],
  [
    'speaker: living_room',
    'speaker: livingroom',
    'alert_rules[0].actions[0].speaker',
    /did you mean living_room/,
  ],
  ['type: bluetooth', 'type: bluetoth', 'speakers[0].type', /bluetooth/],
  ['mac: AA:BB:CC:DD:EE:FF', 'mac: AA:BB:CC:DD:EE', 'speakers[0].mac', /MAC address/],
  ['volume: 80', 'volume: 800', 'speakers[0].volume', /100/],
  ['smtp_port: 587', 'smtp_port: 58700000', 'monitoring.smtp_port', /65535/],
  ['email_to: alex@example.org', 'email_to: alex', 'monitoring.email_to', /address/],
  [
    'email_alerts_enabled: true',
    'email_alert_enabled: true',
    'monitoring.email_alert_enabled',
    /email_alerts_enabled/,
  ],
])('%j written as %j is named with its place', (from, to, at, message) => {
  const text = original.replace(from, to);
  expect(text).not.toBe(original);
  const all = problems(text);
  const found = all.find((p) => p.path === at);
  // A misspelt key is unknown, and the right one may be missing as well.
  expect([found?.file, all.length <= 2, all]).toEqual([file, true, expect.anything()]);
  expect(`${found?.message} ${found?.hint}`).toMatch(message);
  // What was written wrong begins on this line or, where a key is missing, its entry does.
  const begin = text.slice(0, original.indexOf(from)).split('\n').length;
  const lines = to.split('\n').length;
  expect(found?.line).toBeGreaterThanOrEqual(begin);
  expect(found?.line).toBeLessThan(begin + lines);
});

test('metres on a camera without calibration are an error of the settings, and not of those that calibrate it', () => {
  const text = original
    .replace('cameras: [camera_1]', 'cameras: [camera_5]')
    .replace('enabled: false', 'enabled: true');
  const wanted = text.replace('    zones: [drive]\n', '');
  expect(problems(wanted)).toEqual([
    {
      file,
      line: 29,
      column: 20,
      path: `alert_rules[0].${metres}.reference`,
      message:
        'expected a calibrated camera, because this is measured in metres; camera camera_5 is not calibrated',
      hint: 'run: lares cctv calibrate --camera camera_5',
    },
  ]);
  expect(loadAlone(file, {}).config.alert_rules).toHaveLength(1);
});

test('a rule that tells people in a way that is switched off holds, with a warning at its line', () => {
  const text = original
    .replace('email_alerts_enabled: true', 'email_alerts_enabled: false')
    .replace('      - type: email', '      - type: email\n      - type: mqtt');
  writeFileSync(file, text, { mode: 0o600 });
  const warnings = () => loadHouse(file, {}).warnings;
  expect(warnings()).toEqual([
    {
      level: 'warning',
      subject: 'alert_rules[0].actions[1]',
      message: `rule person_at_gate will tell nobody this way: mails are off; set monitoring.email_alerts_enabled: true, with email_to, email_from and smtp_server (${file}:42)`,
    },
    {
      level: 'warning',
      subject: 'alert_rules[0].actions[2]',
      message: `rule person_at_gate will tell nobody this way: there is no broker to publish at; set mqtt.url, or take the action mqtt out of the rule (${file}:43)`,
    },
  ]);
  const asleep = text.replace('  - id: person_at_gate', '  - id: person_at_gate\n    enabled: false');
  writeFileSync(file, asleep, { mode: 0o600 });
  expect(warnings()).toEqual([]);
});

const program = path.join(import.meta.dirname, '../../bin/validate_config');
const check = (...words: string[]) =>
  spawnSync(program, words, { encoding: 'utf8', env: { PATH: process.env['PATH'] } });

test('validate_config says of a file of the original whether it is right, and where not', () => {
  writeFileSync(file, original, { mode: 0o600 });
  const right = check(file);
  expect([right.status, right.stdout, right.stderr]).toEqual([0, 'Configuration valid\n', '']);
  writeFileSync(file, original.replace('zones: [drive]', 'zones: [drvie]'));
  const wrong = check(file);
  expect([wrong.status, wrong.stdout]).toEqual([
    2,
    `${file}:27:13 alert_rules[0].zones[0]: expected a zone of this house, found "drvie"; there is drive (did you mean drive?)\n   27 |     zones: [drvie]\n                    ^\n\n1 problem in ${file}\n`,
  ]);
});

test.each([
  [0o600, undefined],
  [0o640, 'its group'],
  [0o644, 'everybody on this machine'],
])('a settings file of mode %o with a password in it is warned of when others can read it', (mode, who) => {
  writeFileSync(file, original.replace('rtsp://192.0.2.21', 'rtsp://admin:hunter-22@192.0.2.21'));
  chmodSync(file, mode);
  const { status, stderr } = check(file);
  expect(status).toBe(0);
  expect(stderr).toContain('cameras[0].url is written in clear');
  expect(stderr).not.toContain('hunter-22');
  expect(/(its group|everybody on this machine) can read it \(chmod 600/.exec(stderr)?.[1]).toBe(who);
});
