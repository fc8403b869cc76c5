import fc from 'fast-check';
import { expect, test } from 'vitest';
import { evaluate } from './evaluate.rules.ts';
import { house, noon, ruleOf, sight } from './fixture.ts';
import { newMemory } from './memory.rules.ts';
import { fill, parseTemplate, placeholders, templateProblems } from './template.rules.ts';
import { about, kilometresAnHour, many, metres, one, plain, the } from './words.rules.ts';

const filled = (text: string, values = {}) => fill(parseTemplate(text), values);

test.each([
  ['{object} at {camera}', { object: 'a dog', camera: 'Front' }, 'A dog at Front'],
  ['{object}, {distance} from {reference}, {movement}', { object: 'a dog' }, 'A dog'],
  [
    '{object}, {distance} from {reference}, {movement}',
    { object: 'a dog', movement: 'going away' },
    'A dog, going away',
  ],
  ['Look! {object}, {speed}.', { object: 'a dog' }, 'Look! A dog.'],
  ['{object} at {speed}!', { object: 'a dog' }, 'A dog at an unknown speed!'],
  ['{ object } and {{this}}', { object: 'a dog' }, 'A dog and {this}'],
  ['v1.5 {object} 3.5', { object: 'x' }, 'V1.5 x 3.5'],
  ['just words', {}, 'Just words'],
  ['{distance}', {}, 'An unknown distance'],
  ['a {object}\n\n b', { object: 'c' }, 'A c b'],
])('%j with %j says %j', (text, values, said) => {
  expect(templateProblems(text)).toEqual([]);
  expect(filled(text, values)).toBe(said);
});

test('what a value says is never taken for a placeholder', () => {
  expect(filled('{object}', { object: '{camera}', camera: 'no' })).toBe('{camera}');
});

test.each([
  ['{objct}', '; did you mean {object}?'],
  ['{distanse} m', '; did you mean {distance}?'],
  ['{}', ''],
  ['{__proto__}', ''],
  ['{weather}', ''],
])('the template %j is refused with the nearest word', (text, hint) => {
  const found = /\{[^}]*\}/.exec(text)![0];
  const all = Object.keys(placeholders).join(', ');
  expect(templateProblems(text)).toEqual([`expected a placeholder of ${all}, found ${found}${hint}`]);
});

test('a single brace is refused with the way to write it', () => {
  expect(templateProblems('{object} }')).toEqual([
    'expected braces in pairs, found a single }; write }} for the sign itself',
  ]);
  expect(templateProblems('{object')).toEqual([
    'expected braces in pairs, found a single {; write {{ for the sign itself',
  ]);
});

const values = fc.record(
  Object.fromEntries(Object.keys(placeholders).map((key) => [key, fc.string({ maxLength: 60 })])),
  { requiredKeys: [] },
);
const pieces = fc.array(
  fc.oneof(
    fc.constantFrom(
      '{',
      '}',
      '{{',
      '}}',
      ', ',
      '. ',
      '!',
      ' ',
      '\n',
      ...Object.keys(placeholders).map((p) => `{${p}}`),
    ),
    fc.string({ unit: 'grapheme', maxLength: 12 }),
  ),
);

test('property: any template with any values makes one bounded line without "undefined"', () => {
  fc.assert(
    fc.property(pieces, values, (parts, known) => {
      const text = parts.join('').replaceAll('undefined', '');
      const clean = Object.fromEntries(
        Object.entries(known).map(([k, v]) => [k, plain(`${v}`.replaceAll('undefined', ''))]),
      );
      const said = filled(text, clean);
      expect(said).not.toContain('undefined');
      expect(said).not.toMatch(/[\n\r]/);
      expect(Array.from(said).length).toBeLessThanOrEqual(300);
      const sound = templateProblems(text).length === 0 && /[a-z]/i.test(text);
      expect(sound && said === '').toBe(false);
    }),
    { numRuns: 2_000 },
  );
});

test('property: text from outside becomes one bounded line of printable characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      const clean = plain(text);
      expect(clean).not.toMatch(/[\p{C}\u2028\u2029]/u);
      expect(Array.from(clean).length).toBeLessThanOrEqual(40);
      expect(clean).toBe(clean.trim());
    }),
  );
});

test.each([
  [0, 'less than half a metre'],
  [0.4, 'less than half a metre'],
  [0.5, 'half a metre'],
  [0.75, '1 metre'],
  [1.2, '1 metre'],
  [1.4, '1.5 metres'],
  [2.9, '3 metres'],
  [4.2, '4 metres'],
  [19.6, '20 metres'],
  [23, '25 metres'],
  [144, '140 metres'],
])('%d m is said as %s', (m, said) => expect(metres(m)).toBe(said));

test.each([
  [one('person'), 'a person'],
  [one('umbrella'), 'an umbrella'],
  [one('traffic_light'), 'a traffic light'],
  [one('scissors'), 'scissors'],
  [many(1, 'person'), 'a person'],
  [many(3, 'person'), '3 people'],
  [many(2, 'bus'), '2 buses'],
  [many(2, 'car'), '2 cars'],
  [many(2, 'bench'), '2 benches'],
  [the('gate'), 'the gate'],
  [the('front_door'), 'the front door'],
  [the("alex's car"), "alex's car"],
  [the('the pond'), 'the pond'],
  [kilometresAnHour(0.1), '1 kilometre an hour'],
  [kilometresAnHour(1.4), '5 kilometres an hour'],
  [about(0.4), 'about a second'],
  [about(3.2), 'about 3 seconds'],
  [about(42), 'about 40 seconds'],
  [about(59), 'about a minute'],
  [about(150), 'about 3 minutes'],
  [about(90_000), 'more than an hour'],
])('%j is said as %j', (said, expected) => expect(said).toBe(expected));

const gate = (distance: number, approach: number, arrivesIn?: number) => ({
  references: { gate: { distance, sigma: 0.2, approach, ...(arrivesIn === undefined ? {} : { arrivesIn }) } },
});

test.each([
  [{}, sight(gate(4.2, 1)), 'A person, 4 metres from the gate, coming closer'],
  [{}, sight(gate(0.3, -1)), 'A person, less than half a metre from the gate, going away'],
  [{}, sight({ ...gate(9, 0), stationarySince: noon }), 'A person, 9 metres from the gate, standing still'],
  [{}, sight({ zones: { side_path: noon } }), 'A person in the side path'],
  [{}, sight({ velocity: { x: 0.3, y: 0 } }), 'A person at Front door, moving to the right'],
  [{}, sight({ identity: { kind: 'face', name: 'sam', confidence: 1 } }), 'Sam at Front door'],
  [
    { conditions: { count: { operator: '>=', value: 1 } } },
    sight({ identity: { kind: 'face', name: 'sam', confidence: 1 } }),
    'Sam at Front door',
  ],
  [
    {},
    sight({ label: 'car', identity: { kind: 'plate', text: 'AB12\u0000CDE\n', confidence: 1 } }),
    'A car with number plate AB12 CDE at Front door',
  ],
  [
    { message: '{time}: {count} {object}, {identity}, {speed}, {arrives_in} to {reference}' },
    sight({ ...gate(6, 2, 3), speed: 2, identity: { kind: 'face', confidence: 1 } }),
    '13:00: 1 a person, an unknown face, 7 kilometres an hour, about 3 seconds to the gate',
  ],
  [{ message: 'Somebody, {distance} away' }, sight(), 'Somebody'],
])('rule %j says a sentence', (rule, seen, message) => {
  const all = ruleOf({ classes: ['person', 'car'], ...rule });
  expect(evaluate(all, seen, house(), newMemory(), 'Front door')).toMatchObject({ message });
});
