import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { LaresError, reason } from '#kernel/errors.ts';
import type { CliHouse } from '#platform/command.ts';
import { table } from '#platform/table.ts';
import { iso } from '#platform/wire.ts';
import type { RecognitionConfig } from './config.ts';
import { consentText } from './consent.ts';
import { faceConfig, type FaceSettings } from './face/config.ts';
import type { FaceEngine } from './face/engine.ts';
import { sizeOf } from './face/face.rules.ts';
import { FaceBook } from './face/people.ts';

/** The house as the commands for faces need it. */
export type FaceHouse = CliHouse<{
  readonly cctv: { readonly recognition: RecognitionConfig };
  readonly presence: { readonly people: readonly { readonly person: string }[] };
}>;

// Networks are loaded only by the command that needs them.
const load = async (settings: FaceSettings) => {
  const [{ openFaceEngine }, { readPicture }, { flawOf }] = await Promise.all([
    import('./face/engine.ts'),
    import('./picture.ts'),
    import('./face/open.ts'),
  ]);
  return { engine: await openFaceEngine(settings), readPicture, flawOf };
};

const settingsOf = async (house: FaceHouse): Promise<FaceSettings> =>
  house.configFile() === undefined ? faceConfig.parse({}) : (await house.config()).cctv.recognition.faces;

/** The person as presence knows them. Throws NOT_FOUND with the known names. */
async function knownPerson(house: FaceHouse, person: string): Promise<void> {
  const { people } = (await house.config()).presence;
  if (people.some((p) => p.person === person)) return;
  const names = people.map((p) => p.person).join(', ');
  throw new LaresError(
    'NOT_FOUND',
    `${person} is not among presence.people (${names === '' ? 'nobody is' : names}); add them to lares.yaml first`,
  );
}

/** `lares cctv faces enrol | list | forget`. */
export function faceCommands(cctv: Command, house: FaceHouse): void {
  const faces = cctv.command('faces').description('people whose faces are known to the cameras');

  faces
    .command('enrol <person> <file...>')
    .description('learn a face from pictures with this person alone; the pictures are not kept')
    .option('--consent', 'this person has read what is done with their face, and agrees')
    .action(async (person: string, files: readonly string[], options: { consent?: boolean }) => {
      await knownPerson(house, person);
      if (options.consent !== true)
        throw new LaresError(
          'USAGE',
          `${consentText}\n\nIf ${person} has read this and agrees, give the command again with --consent`,
        );
      const settings = await settingsOf(house);
      const { engine, readPicture, flawOf } = await load(settings);
      try {
        const vectors: Float32Array[] = [];
        for (const file of files) {
          house.progress(file);
          vectors.push(await vectorOf(file, settings, { engine, readPicture, flawOf }));
        }
        const at = Date.now();
        new FaceBook(house.dataDir()).enrol(person, engine.model, vectors, at);
        const off = settings.enabled ? '' : '; faces are recognised once cctv.recognition.faces is enabled';
        house.print(
          { person, pictures: vectors.length, consent_at: iso(at) },
          () =>
            `${person} is enrolled with ${vectors.length} more face${vectors.length === 1 ? '' : 's'}${off}`,
        );
      } finally {
        await engine.close();
      }
    });

  faces
    .command('list')
    .description('who is enrolled, and since when they agreed')
    .action(() => {
      const people = new FaceBook(house.dataDir()).list();
      const data = people.map((p) => ({ person: p.person, faces: p.faces, consent_at: iso(p.consentAt) }));
      house.print(data, () =>
        people.length === 0
          ? 'nobody is enrolled'
          : table(
              ['PERSON', 'FACES', 'AGREED'],
              data.map((p) => [p.person, String(p.faces), p.consent_at]),
            ),
      );
    });

  faces
    .command('forget <person>')
    .description('forget the face of a person, at once and for good')
    .action((person: string) => {
      if (!new FaceBook(house.dataDir()).forget(person))
        throw new LaresError('NOT_FOUND', `${person} is not enrolled; see: lares cctv faces list`);
      house.print({ person, forgotten: true }, () => `the face of ${person} is forgotten`);
    });
}

async function vectorOf(
  file: string,
  settings: FaceSettings,
  { engine, readPicture, flawOf }: Awaited<ReturnType<typeof load>>,
): Promise<Float32Array> {
  const refuse = (why: string) => new LaresError('USAGE', `${file}: ${why}`);
  let data;
  try {
    data = await readFile(file);
  } catch (error) {
    throw refuse(reason(error));
  }
  const picture = await readPicture(data).catch((error: unknown) => {
    throw refuse(reason(error));
  });
  const found = await findWhole(engine, picture);
  const [face, ...more] = found;
  if (face === undefined)
    throw refuse(
      'no face was found; take one that looks into the camera, upright, and is not tiny in the picture',
    );
  if (more.length > 0)
    throw refuse(`there are ${found.length} faces in it; give a picture with this person alone`);
  if (sizeOf(face) < settings.min_pixels)
    throw refuse(
      `the face is ${Math.round(sizeOf(face))} pixels across, at least ${settings.min_pixels} are needed`,
    );
  const measured = await engine.measure(picture, face);
  const flaw = measured === undefined ? 'makes no sense' : flawOf(measured);
  if (measured === undefined || flaw !== undefined) throw refuse(`the face ${flaw}; take a better picture`);
  return measured.vector;
}

/** A picture of a person may show the face alone or the whole room. */
const findWhole = (engine: FaceEngine, { width, height, data }: Parameters<FaceEngine['find']>[0]) =>
  engine.find({ width, height, data }, { left: 0, top: 0, width, height });
