import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  calibrate,
  calibrationPath,
  checkCalibration,
  loadCalibration,
  parseReference,
  readCalibration,
  type CalibrateRequest,
} from './calibrate.ts';
import type { CalibrationFile, PointsFile } from './config.ts';
import { camera, picture, seen, standing } from './fixture.ts';
import type { Point } from '../model.ts';
import { toGround, type Place } from './projection.rules.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'lares-ground-'));
});
afterEach(() => rm(folder, { recursive: true }));

const now = Date.UTC(2026, 10, 21, 8);
const request = (more: Partial<CalibrateRequest> = {}): CalibrateRequest => ({
  configFolder: folder,
  camera: 'drive',
  now,
  references: [],
  people: [],
  picture,
  ...more,
});
const pixel = (place: Place): [number, number] => {
  const { x, y } = seen(place);
  return [x * picture.width, y * picture.height];
};
const spots = [
  { x: -3, y: 5 },
  { x: 3.5, y: 5 },
  { x: 6, y: 16 },
  { x: -6, y: 17 },
];
const names = ['a', 'b', 'c', 'd'] as const;
const apart = (i: number, j: number) => Math.hypot(spots[i]!.x - spots[j]!.x, spots[i]!.y - spots[j]!.y);

async function pointsFile(content: unknown): Promise<string> {
  const file = path.join(folder, 'points.json');
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}
const measured = (more: Partial<PointsFile> = {}): PointsFile => ({
  picture,
  k1: camera.k1,
  points: spots.map((p, i) => ({ name: names[i]!, pixel: pixel(p), ground: [p.x, p.y] })),
  ...more,
});

describe('calibration', () => {
  it('writes what came out of measured points, reads it again, and keeps the former one', async () => {
    const points = await pointsFile(measured());
    const first = await calibrate(
      request({ pointsFile: points, references: ['gate=point:0,4', 'step=point:50%,90%'] }),
    );
    expect(first).toMatchObject({ file: path.join(folder, 'calibration/drive.json'), method: 'points' });
    expect(first).not.toHaveProperty('backup');
    const read = (await readCalibration(folder, 'drive'))!;
    expect(read).toEqual(first.calibration);
    const found = toGround(read.projection, seen({ x: 1, y: 10 }))!;
    expect(Math.hypot(found.x - 1, found.y - 10)).toBeLessThan(0.02);
    expect(read.references.get('gate')).toEqual({ kind: 'point', points: [{ x: 0, y: 4 }] });
    const step = toGround(read.projection, { x: 0.5, y: 0.9 })!;
    expect(read.references.get('step')!.points[0]!.y).toBeCloseTo(step.y, 2);
    expect([...read.references.keys()]).toEqual(['gate', 'step']);

    const second = await calibrate(request({ height: 3.2, tilt: 18, fov: 82, now: now + 1 }));
    expect(second).toMatchObject({ method: 'pinhole', backup: `${first.file}.bak` });
    expect(loadCalibration(await readFile(`${first.file}.bak`, 'utf8'), 'x')).toEqual(first.calibration);
    expect([...second.calibration.references.keys()]).toEqual(['gate', 'step']);
    expect((await readdir(path.join(folder, 'calibration'))).toSorted()).toEqual([
      'drive.json',
      'drive.json.bak',
      'drive.svg',
    ]);
  });

  it('says what to expect of it', async () => {
    await calibrate(request({ pointsFile: await pointsFile(measured()), references: ['gate=point:0,4'] }));
    const report = await checkCalibration(folder, 'drive');
    expect(report).toMatch(
      /^drive, calibrated by points with metres at 2026-11-21T08:00:00.000Z\nfour points fit whatever was measured; a fifth shows a wrong one\n/,
    );
    expect(report).toMatch(/\n5 +0\.\d\d m\n10 +0\.\d\d m\n20 +0\.\d\d m\n30 +\d\.\d\d m\nreferences: gate$/);
    const { x, y } = seen({ x: 1, y: 9 });
    const fifth = { picture: [x, y] as [number, number], ground: [1, 10.5] as [number, number] };
    const five = await pointsFile(measured({ points: [...measured().points!, fifth] }));
    const offs = /^points are off by (.*) m; look at one that stands out$/m.exec(
      (await calibrate(request({ pointsFile: five }))).report,
    )!;
    const metres = offs[1]!.split(', ').map(Number);
    expect(metres.indexOf(Math.max(...metres))).toBe(4);
    await expect(checkCalibration(folder, 'yard')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await readCalibration(folder, 'yard')).toBeUndefined();
  });

  it('adds a reference to a calibration without measuring again', async () => {
    await calibrate(request({ pointsFile: await pointsFile(measured()) }));
    const after = await calibrate(request({ references: ['drive=polygon:0,5;3,5;3,9;0,9'] }));
    expect(after.method).toBe('points');
    expect([...after.calibration.references.keys()]).toEqual(['drive']);
  });

  it('adds a reference to a calibration by people, who are not kept, and leaves the ground and its age as they are', async () => {
    const people = Array.from({ length: 30 }, (_, i) => standing({ x: -3 + (i % 7), y: 6 + ((i * 5) % 13) }));
    const first = await calibrate(request({ height: 3.4, tilt: 20, fov: 82, people }));
    const after = await calibrate(request({ references: ['gate=point:50%,80%'], now: now + 5 }));
    expect(after.method).toBe('people');
    expect(after.calibration).toEqual({
      ...first.calibration,
      references: new Map([['gate', { kind: 'point', points: [expect.anything()] }]]),
    });
    const bare = await calibrate(request({ camera: 'yard', people }));
    const later = await calibrate(request({ camera: 'yard', references: ['gate=point:0,6'] }));
    expect(later.calibration.projection).toEqual(bare.calibration.projection);
  });

  it('shows the picture of a camera to nobody but its owner', async () => {
    const make = () =>
      calibrate(request({ height: 3, tilt: 20, fov: 80, image: 'data:image/jpeg;base64,AA' }));
    const { drawing } = await make();
    await chmod(drawing, 0o644);
    await make();
    expect((await stat(drawing)).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['stands on its head', 180, ({ x, y }: Point) => ({ x: 1 - x, y: 1 - y })],
    ['lies on its side', 90, ({ x, y }: Point) => ({ x: 1 - y, y: x })],
  ])('refuses a picture that %s, where feet are not below heads', async (_, degrees, turned) => {
    const size = degrees === 90 ? { width: picture.height, height: picture.width } : picture;
    const points = spots.map((p) => {
      const { x, y } = turned(seen(p));
      return { picture: [x, y], ground: [p.x, p.y] };
    });
    const file = await pointsFile({ picture: size, points });
    await expect(calibrate(request({ pointsFile: file }))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/^By this the picture is turned by (9\d|8\d|1[78]\d) degrees/) as string,
    });
  });

  it('takes a picture that is higher than wide', async () => {
    const tall = { width: 720, height: 1280 };
    const file = await pointsFile({
      picture: tall,
      points: spots.map((p) => {
        const { x, y } = seen(p);
        // The middle of a wide picture, with more above and below: a square pixel stays one.
        return {
          picture: [0.5 + (x - 0.5) * (1280 / 720), 0.5 + ((y - 0.5) * 720) / 1280],
          ground: [p.x, p.y],
        };
      }),
    });
    const { calibration, report } = await calibrate(request({ pointsFile: file }));
    const { x, y } = seen({ x: 0, y: 9 });
    const found = toGround(calibration.projection, {
      x: 0.5 + (x - 0.5) * (1280 / 720),
      y: 0.5 + ((y - 0.5) * 720) / 1280,
    })!;
    expect(Math.hypot(found.x, found.y - 9)).toBeLessThan(0.3);
    expect(report).not.toContain('no camera');
  });

  it('says of points whose places are swapped in turn that no camera sees them so, of others nothing', async () => {
    const report = async (places: readonly number[]) => {
      const points = measured().points!.map((p, i) => ({
        ...p,
        ground: [spots[places[i]!]!.x, spots[places[i]!]!.y],
      }));
      const file = await pointsFile({ ...measured(), points });
      return (await calibrate(request({ pointsFile: file }))).report;
    };
    expect(await report([0, 1, 2, 3])).not.toContain('no camera');
    expect(await report([1, 2, 3, 0])).toContain('no camera sees a ground like this: two points are swapped');
  });

  it.each<[string, Partial<PointsFile>]>([
    [
      'lengths between points',
      {
        distances: [
          [0, 1],
          [1, 2],
          [2, 3],
          [3, 0],
          [0, 2],
        ].map(([i, j]) => ({ between: [names[i!]!, names[j!]!], metres: apart(i!, j!) })),
      },
    ],
    [
      'distances from the camera',
      {
        distances: names.map((name, i) => ({
          between: ['camera', name],
          metres: Math.hypot(spots[i]!.x, spots[i]!.y),
        })),
      },
    ],
    [
      'distances and what is known of the camera',
      {
        pinhole: { height_m: 3.2, vertical_fov_deg: 52 },
        distances: [
          { between: ['a', 'b'], metres: apart(0, 1) },
          { between: ['d', 'camera'], metres: Math.hypot(spots[3]!.x, spots[3]!.y) },
        ],
      },
    ],
  ])('calibrates from %s', async (_, more) => {
    const points = measured().points!.map(({ name, pixel: at }) => ({ name, pixel: at }));
    const file = await pointsFile({ picture, k1: camera.k1, points, ...more });
    const { calibration, method } = await calibrate(request({ pointsFile: file }));
    expect(method).toBe('distances');
    const place = (p: Place) => toGround(calibration.projection, seen(p))!;
    const [p, q] = [place({ x: -1, y: 7 }), place({ x: 2, y: 12 })];
    expect(Math.abs(Math.hypot(p.x - q.x, p.y - q.y) / Math.hypot(3, 5) - 1)).toBeLessThan(0.05);
  });

  it('calibrates from a rectangle of which two sides were measured', async () => {
    const corners = [
      { x: -2, y: 6 },
      { x: 2, y: 6 },
      { x: 2, y: 13 },
      { x: -2, y: 13 },
    ];
    const file = await pointsFile({
      picture,
      k1: camera.k1,
      points: corners.map((p, i) => ({ name: names[i], pixel: pixel(p) })),
      rectangle: { corners: names, metres: [4, 7] },
    });
    const { calibration } = await calibrate(request({ pointsFile: file }));
    const found = toGround(calibration.projection, seen({ x: 0, y: 9 }))!;
    expect([found.x, found.y]).toEqual([expect.closeTo(2, 1), expect.closeTo(3, 1)]);
  });

  it('refines height, tilt and field of view by people who walk by', async () => {
    const people = Array.from({ length: 30 }, (_, i) => standing({ x: -3 + (i % 7), y: 6 + ((i * 5) % 13) }));
    const { calibration, method, report } = await calibrate(
      request({ height: 3.4, tilt: 20, fov: 82, people }),
    );
    expect(method).toBe('people');
    const found = toGround(calibration.projection, seen({ x: 0, y: 12 }))!;
    expect(Math.abs(found.y - 12)).toBeLessThan(0.6);
    expect(report).toMatch(/people look 1\.[67]\d m tall/);
  });

  it.each([
    ['{', /points.json is no JSON/],
    [{ points: [] }, /Not enough to calibrate/],
    [{ ...measured(), points: measured().points!.slice(0, 3) }, /at least four points .* found 3/],
    [
      { picture, points: spots.map((p) => ({ pixel: pixel({ x: 0, y: p.y }), ground: [0, p.y] })) },
      /on one line/,
    ],
    [{ ...measured(), extra: 1 }, /points.json is wrong: .*extra/],
    [{ picture, points: [{ pixel: [9_999, 5], ground: [0, 0] }] }, /far outside the picture/],
    [
      { picture, points: [{ name: 'a', pixel: [10, 50] }], distances: [{ between: ['a', 'zz'], metres: 3 }] },
      /names the point zz/,
    ],
    [
      {
        picture,
        points: [{ name: 'a', pixel: [10, 600] }],
        distances: [{ between: ['a', 'camera'], metres: 3 }],
      },
      /Four lengths/,
    ],
    [
      { ...measured(), references: { gate: { kind: 'point', picture: [[0.5, 0.02]] } } },
      /gate .* above the horizon/,
    ],
    [{ ...measured(), references: { __proto__x: { kind: 'point', ground: [[0, 1]] } } }, /references/],
    [{ ...measured(), references: { gate: { kind: 'line', ground: [[0, 1]] } } }, /at least 2 points/],
  ])('refuses %j with what is wrong', async (content, message) => {
    const file = await pointsFile(content);
    await expect(calibrate(request({ pointsFile: file }))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(message) as string,
    });
    expect(await readCalibration(folder, 'drive')).toBeUndefined();
  });

  it('names a file that is not there, an id that is none, and a picture of unknown size', async () => {
    await expect(calibrate(request({ pointsFile: path.join(folder, 'no.json') }))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    expect(() => calibrationPath(folder, '../x')).toThrow(/no id of a camera/);
    const { picture: _, ...unsized } = request({ height: 3, tilt: 20, fov: 80 });
    await expect(calibrate(unsized)).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('refuses a damaged calibration with the name of the file', () => {
    expect(() => loadCalibration('{"version": 2}', 'drive.json')).toThrow(/^drive.json is wrong: version/);
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(() => loadCalibration(text, 'drive.json')).toThrow(/^drive.json is/);
      }),
    );
  });

  it('draws the ground and its references over the picture', async () => {
    const { drawing } = await calibrate(
      request({
        pointsFile: await pointsFile(measured()),
        references: ['gate=line:-2,6;2,6'],
        image: 'a"<b>.jpg',
      }),
    );
    const svg = await readFile(drawing, 'utf8');
    expect(XMLValidator.validate(svg)).toBe(true);
    const { svg: tree } = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '' }).parse(svg) as {
      svg: {
        viewBox: string;
        image: { href: string };
        text: { '#text': string };
        polyline: { points: string; stroke: string }[];
      };
    };
    expect(tree).toMatchObject({ viewBox: '0 0 1280 720', text: { '#text': 'gate' } });
    const gate = tree.polyline.filter((l) => l.stroke === '#ff4d6d').flatMap((l) => l.points.split(' '));
    const [x, y] = pixel({ x: -2, y: 6 });
    const [left, top] = gate[0]!.split(',').map(Number);
    expect([left, top]).toEqual([expect.closeTo(x, -1), expect.closeTo(y, -1)]);
    expect(tree.polyline.length).toBeGreaterThan(20);
  });
});

describe('reference on the command line', () => {
  it('reads metres and shares of the picture', () => {
    expect(parseReference('gate=point:3, 12.5')).toEqual(['gate', { kind: 'point', ground: [[3, 12.5]] }]);
    expect(parseReference('fence=line:10%,80%;90%,75%')).toEqual([
      'fence',
      {
        kind: 'line',
        picture: [
          [0.1, 0.8],
          [0.9, 0.75],
        ],
      },
    ]);
  });

  it.each([
    'gate',
    'gate=point',
    'gate=circle:1,2',
    'Gate=point:1,2',
    'gate=point:1',
    'gate=point:1,2,3',
    'gate=point:,',
    'gate=line:1%,2;3,4',
    '__proto__=point:1,2',
  ])('refuses %s', (text) => {
    expect(() => parseReference(text)).toThrow(/is no reference: write gate=point/);
  });
});

it('keeps in the file all that it was made of, in plain numbers', async () => {
  await calibrate(request({ pointsFile: await pointsFile(measured()) }));
  const file = JSON.parse(await readFile(calibrationPath(folder, 'drive'), 'utf8')) as CalibrationFile;
  expect(file).toMatchObject({
    version: 1,
    camera: 'drive',
    created: '2026-11-21T08:00:00.000Z',
    measured: { picture },
  });
  expect(file.errors.points_m).toHaveLength(4);
  expect(Math.hypot(...file.projection.ground)).toBeCloseTo(1, 12);
});
