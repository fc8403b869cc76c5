import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { recognitionConfig } from './config.ts';
import { consentText } from './consent.ts';
import { recognisers } from './registry.ts';

const problems = (value: unknown) =>
  recognitionConfig.safeParse(value).error?.issues.map((i) => `${i.path.join('.')}: ${i.message}`) ?? [];
const consent = 'I have the consent of alex and sam';

test('nothing is recognised unless it is switched on', () => {
  const config = recognitionConfig.parse({});
  for (const { section } of Object.values(recognisers)) expect(config[section].enabled).toBe(false);
});

test('recognition without a word on consent is refused, with the reason and what to write', () => {
  expect(problems({ faces: { enabled: true } })).toEqual([
    'faces.consent: the people whose faces are enrolled must agree before they are recognised, because it tells who somebody is; write: consent: I have the consent of … (docs/recognition.md says what that means), or set enabled: false',
  ]);
  expect(problems({ faces: { enabled: true, consent: 'yes' } })).toEqual([
    'faces.consent: write whose consent you have, in your own words after these: I have the consent of alex and sam',
  ]);
  expect(problems({ faces: { enabled: true, consent: 'I have the consent of ' } })).toHaveLength(1);
  expect(problems({ faces: { enabled: true, consent } })).toEqual([]);
});

test('a model is one that comes with Lares or a file', () => {
  expect(problems({ faces: { detector: 'retina' } })).toEqual([
    'faces.detector: expected blazeface, or the path of an ONNX file of YuNet',
  ]);
  expect(problems({ faces: { detector: '/srv/models/yunet.onnx', embedding: 'faceres' } })).toEqual([]);
});

test('plates cannot be read without networks of the user', () => {
  expect(problems({ plates: { enabled: true, consent } }).map((p) => p.split(':')[0])).toEqual([
    'plates.detector',
    'plates.reader',
    'plates.charset',
  ]);
});

test('two known plates that read alike are refused, because neither could be told', () => {
  const plates = {
    known_plates: [
      { plate: 'B0 123', name: 'one' },
      { plate: '8O-I23', name: 'two' },
    ],
  };
  expect(problems({ plates })).toEqual([
    'plates.known_plates.1.plate: 8O-I23 reads like B0 123, which stands before it; neither could be told',
  ]);
});

test('every recogniser refuses unknown keys, names its models and their licences, and looks at something', () => {
  for (const { config, models, labels, section } of Object.values(recognisers)) {
    expect(config.safeParse({ surprise: 1 }).success).toBe(false);
    expect(problems({ [section]: { surprise: 1 } })).toHaveLength(1);
    expect(labels.length).toBeGreaterThan(0);
    for (const { licence, source } of models) {
      expect(licence).not.toBe('');
      const files: readonly { sha256: string }[] = source.kind === 'package' ? source.files : [];
      expect(files.every((f) => /^[0-9a-f]{64}$/.test(f.sha256))).toBe(true);
    }
  }
});

test('the guide shows the very text that commands show before a face is enrolled', () => {
  const guide = readFileSync(path.join(import.meta.dirname, '../../../docs/recognition.md'), 'utf8');
  expect(guide).toContain(
    consentText
      .split('\n')
      .map((line) => `> ${line}`)
      .join('\n'),
  );
});
