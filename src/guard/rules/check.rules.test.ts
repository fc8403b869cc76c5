import { expect, test } from 'vitest';
import { checkRules, type Known } from './check.rules.ts';
import { ruleOf } from './fixture.ts';

const known: Known = {
  cameras: [
    { id: 'front', zones: ['drive', 'porch'], references: ['gate', 'front_door'] },
    { id: 'back', zones: ['lawn'] },
    { id: 'shed', zones: [], references: [] },
    { id: 'attic', enabled: false, zones: [] },
  ],
  speakers: ['living_room', 'hall'],
  webhooks: ['phone'],
  classes: ['person', 'car', 'dog', 'bird'],
  wanted: ['person', 'car', 'dog'],
};

const near = (reference: string, over = {}) => ({
  cameras: ['front'],
  conditions: { distance_to_reference: { reference, operator: '<', value: 5 } },
  ...over,
});
const when = (conditions: Record<string, unknown>) => ({ cameras: ['front'], conditions });
const never = (key: string, message: string) => [
  { path: [0, 'conditions', key], message: `can never hold: ${message}` },
];
const metres = (camera: string) =>
  `expected a calibrated camera, because this is measured in metres; camera ${camera} is not calibrated`;
const referencePath = [0, 'conditions', 'distance_to_reference', 'reference'];

test.each([
  ['a rule that fits', near('gate', { zones: ['drive'], actions: [{ type: 'speak', speaker: 'hall' }] }), []],
  ['a camera that is switched off', { cameras: ['attic'] }, []],
  ['a distance, one camera switched off', near('gate', { cameras: ['front', 'attic'] }), []],
  [
    'an unknown camera',
    { cameras: ['front', 'frnt'] },
    [
      {
        path: [0, 'cameras', 1],
        message: 'expected a camera of this house, found "frnt"; there are front, back, shed and attic',
        hint: 'did you mean front?',
      },
    ],
  ],
  [
    'a class that nobody looks for',
    { classes: ['person', 'bird'] },
    [
      {
        path: [0, 'classes', 1],
        message: 'expected a class that is looked for, found "bird"; nothing of it is ever seen',
        hint: 'add bird to processing.detection.classes',
      },
    ],
  ],
  ['such a class of a rule that is off', { classes: ['bird'], enabled: false }, []],
  ['a webhook that there is', { actions: [{ type: 'webhook', to: 'phone' }] }, []],
  [
    'an unknown webhook',
    { actions: [{ type: 'mqtt' }, { type: 'webhook', to: 'phnoe' }] },
    [
      {
        path: [0, 'actions', 1, 'to'],
        message: 'expected a webhook of this house, found "phnoe"; there is phone',
        hint: 'did you mean phone?',
      },
    ],
  ],
  [
    'an unknown zone',
    { zones: ['drives'] },
    [
      {
        path: [0, 'zones', 0],
        message: 'expected a zone of this house, found "drives"; there are drive, porch and lawn',
        hint: 'did you mean drive?',
      },
    ],
  ],
  [
    'a zone of another camera',
    { cameras: ['front'], zones: ['lawn'] },
    [
      {
        path: [0, 'zones', 0],
        message: 'expected a zone of the cameras of this rule, found "lawn" of camera back',
        hint: 'add back to the cameras of the rule',
      },
    ],
  ],
  [
    'crossing into an unknown zone',
    when({ crossing: { from: 'drive', to: 'porsch' } }),
    [
      {
        path: [0, 'conditions', 'crossing', 'to'],
        message: 'expected a zone of this house, found "porsch"; there are drive and porch',
        hint: 'did you mean porch?',
      },
    ],
  ],
  [
    'an unknown reference',
    near('gatte'),
    [
      {
        path: referencePath,
        message: 'expected a reference of this house, found "gatte"; there are gate and front_door',
        hint: 'did you mean gate?',
      },
    ],
  ],
  [
    'a distance on a camera without calibration',
    near('gate', { cameras: ['front', 'back'] }),
    [{ path: referencePath, message: metres('back'), hint: 'run: lares cctv calibrate --camera back' }],
  ],
  [
    'a distance on all cameras, one of them without calibration',
    near('gate', { cameras: undefined }),
    [
      {
        path: referencePath,
        message: metres('back'),
        hint: 'run: lares cctv calibrate --camera back, or name the cameras of the rule: cameras: [front, shed]',
      },
    ],
  ],
  [
    'a distance in a zone that only a calibrated camera has',
    near('gate', { cameras: undefined, zones: ['drive'] }),
    [],
  ],
  [
    'a reference that one of the named cameras lacks',
    near('gate', { cameras: ['front', 'shed'] }),
    [
      {
        path: referencePath,
        message: 'expected a reference of every camera that the rule names; camera shed has no "gate"',
        hint: 'run: lares cctv calibrate --camera shed',
      },
    ],
  ],
  [
    'a speed without calibration',
    { cameras: ['back'], conditions: { speed: { operator: '>', value: 2 } } },
    [
      {
        path: [0, 'conditions', 'speed'],
        message: metres('back'),
        hint: 'run: lares cctv calibrate --camera back',
      },
    ],
  ],
  ['a distance in a rule that is switched off', near('gate', { cameras: ['back'], enabled: false }), []],
  [
    'an unknown class',
    { classes: ['persn'] },
    [
      {
        path: [0, 'classes', 0],
        message: 'expected a class that the model knows, found "persn"',
        hint: 'did you mean person?',
      },
    ],
  ],
  [
    'an unknown speaker in a list',
    { actions: [{ type: 'speak', speaker: ['hall', 'living'] }] },
    [
      {
        path: [0, 'actions', 0, 'speaker', 1],
        message: 'expected a speaker of this house, found "living"; there are living_room and hall',
        hint: 'did you mean living_room?',
      },
    ],
  ],
  [
    'nearer than nothing',
    when({ distance_to_reference: { reference: 'gate', operator: '<', value: 0 } }),
    never('distance_to_reference', 'nothing is nearer than 0 m; write <= 0 for what stands on it'),
  ],
  [
    'coming and going',
    when({ approaching: 'gate', leaving: 'gate' }),
    never('leaving', 'nothing approaches and leaves the same reference at the same time'),
  ],
  [
    'standing and walking',
    when({ stationary: true, direction: 'left' }),
    never('stationary', 'what stands still neither approaches nor leaves nor moves in a direction'),
  ],
  [
    'standing and running',
    when({ stationary: true, speed: { operator: '>', value: 10, unit: 'km/h' } }),
    never('speed', 'what stands still is not that fast'),
  ],
  [
    'slower than nothing',
    when({ speed: { operator: '<', value: 0 } }),
    never('speed', 'no speed is below 0'),
  ],
  [
    'fewer than itself',
    when({ count: { operator: '<', value: 1 } }),
    never('count', 'the object itself counts, so the number is never below 1'),
  ],
  [
    'from a zone into itself',
    when({ crossing: { from: 'drive', to: 'drive' } }),
    never('crossing', 'nothing crosses from a zone into the same zone'),
  ],
  [
    'only logging, only at home',
    { home_mode: ['home'], presence: { residents_home: 'log' } },
    [
      {
        path: [0, 'presence', 'residents_home'],
        message: 'can never alert: the mode home means that somebody is home, and then this rule only logs',
        hint: 'write residents_home: alert, or add away or night to home_mode',
      },
    ],
  ],
  [
    'an unknown person by name',
    { identity: { is: 'unknown', names: ['alex'] } },
    [
      {
        path: [0, 'identity', 'names'],
        message: 'can never hold: who is unknown has no name',
        hint: 'write is: known, or leave out names',
      },
    ],
  ],
])('%s', (_, rule, expected) => expect(checkRules([ruleOf(rule)], known)).toEqual(expected));
