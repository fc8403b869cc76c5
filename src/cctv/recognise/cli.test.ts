import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silent } from '#platform/log.ts';
import { faceCommands, type FaceHouse } from './cli.ts';
import { recognitionConfig } from './config.ts';
import { consentText } from './consent.ts';
import { FaceBook, facesFile } from './face/people.ts';
import { painted, png, tinyEmbedder, tinyYunet } from './fixture.ts';

let dir: string;
let printed: unknown[];
let texts: string[];

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'lares-faces-cli-'));
  printed = [];
  texts = [];
  writeFileSync(path.join(dir, 'yunet.onnx'), tinyYunet());
  writeFileSync(path.join(dir, 'colours.onnx'), tinyEmbedder());
  const stripes = Array.from({ length: 20 }, (_, i) => ({
    at: [i * 20, 0, 2, 400] as const,
    colour: [230, 90, 90] as const,
  }));
  writeFileSync(path.join(dir, 'alex.png'), png(painted(400, 400, [200, 60, 60], stripes)));
  writeFileSync(path.join(dir, 'dark.png'), png(painted(400, 400, [0, 0, 0])));
  writeFileSync(path.join(dir, 'plain.png'), png(painted(400, 400, [200, 60, 60])));
  writeFileSync(path.join(dir, 'note.png'), 'no picture');
});
afterEach(() => rmSync(dir, { recursive: true }));

const file = (name: string) => path.join(dir, name);

async function faces(...args: readonly string[]): Promise<void> {
  const house: FaceHouse = {
    config: async () => ({
      presence: { people: [{ person: 'alex' }, { person: 'sam' }] },
      cctv: {
        recognition: recognitionConfig.parse({
          faces: { detector: file('yunet.onnx'), embedding: file('colours.onnx') },
        }),
      },
    }),
    configFile: () => 'lares.yaml',
    dataDir: () => dir,
    store: () => Promise.reject(new Error('not used')),
    get: () => Promise.reject(new Error('not used')),
    log: silent,
    env: {},
    print: (data, human) => {
      printed.push(data);
      texts.push(human());
    },
    progress: () => {},
    signal: new AbortController().signal,
  };
  const program = new Command();
  faceCommands(program, house);
  await program.parseAsync(['faces', ...args], { from: 'user' });
}

test('nobody is enrolled without --consent, and the whole text is shown', async () => {
  await expect(faces('enrol', 'alex', file('alex.png'))).rejects.toMatchObject({
    code: 'USAGE',
    message: `${consentText}\n\nIf alex has read this and agrees, give the command again with --consent`,
  });
  expect(new FaceBook(dir).list()).toEqual([]);
});

test('a person of the house is enrolled, listed and forgotten, and no picture is kept', async () => {
  await faces('enrol', 'alex', file('alex.png'), file('alex.png'), '--consent');
  expect(printed).toEqual([{ person: 'alex', pictures: 2, consent_at: expect.any(String) }]);
  expect(texts[0]).toBe(
    'alex is enrolled with 2 more faces; faces are recognised once cctv.recognition.faces is enabled',
  );
  expect(statSync(file(facesFile)).mode & 0o777).toBe(0o600);
  // Three numbers of 32 bits a face; a picture would be much more.
  expect(readFileSync(file(facesFile)).length).toBeLessThan(500);
  await faces('list');
  expect(printed[1]).toEqual([{ person: 'alex', faces: 2, consent_at: expect.any(String) }]);
  await faces('forget', 'alex');
  await faces('list');
  expect([texts[2], texts[3]]).toEqual(['the face of alex is forgotten', 'nobody is enrolled']);
  await expect(faces('forget', 'alex')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('whoever is not among the people of the house cannot be enrolled', async () => {
  await expect(faces('enrol', 'mallory', file('alex.png'), '--consent')).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: 'mallory is not among presence.people (alex, sam); add them to lares.yaml first',
  });
});

test.each([
  ['dark.png', 'no face was found'],
  ['plain.png', 'the face is blurred'],
  ['note.png', 'the picture'],
  ['nothing.png', 'ENOENT'],
])('%s is refused with its name and the reason, and nothing of the others is kept', async (name, why) => {
  const error = await faces('enrol', 'alex', file('alex.png'), file(name), '--consent').catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code: 'USAGE', message: expect.stringContaining(`${file(name)}: `) });
  expect((error as Error).message).toContain(why);
  expect(new FaceBook(dir).list()).toEqual([]);
});
