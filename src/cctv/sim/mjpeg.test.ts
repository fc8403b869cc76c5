import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MjpegSim } from './mjpeg.ts';

const picture = Buffer.from('ffd8ffe000104a464946ffd9', 'hex');
let sim: MjpegSim;

beforeEach(async () => {
  sim = await new MjpegSim({ pictures: [picture], fps: 50, username: 'alex', password: 'pass' }).listen();
});
afterEach(() => sim.close());

const login = { authorization: `Basic ${Buffer.from('alex:pass').toString('base64')}` };
const address = (path: string) => new URL(path, sim.url.replace('alex:pass@', ''));

/** Reads until so many pictures have come, or the stream ends. */
async function pictures(count: number): Promise<number> {
  const response = await fetch(address('/stream'), { headers: login });
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk as Uint8Array).toString('latin1');
    if (text.split(picture.toString('latin1')).length > count) break;
  }
  return text.split(picture.toString('latin1')).length - 1;
}

describe('an MJPEG camera', () => {
  test('sends pictures for ever, and counts who watches', async () => {
    expect(await pictures(3)).toBeGreaterThanOrEqual(3);
    await expect.poll(() => sim.counts).toEqual({ watching: 0, watched: 1 });
  });

  test('gives a single picture too', async () => {
    const response = await fetch(address('/snapshot.jpg'), { headers: login });
    expect(Buffer.from(await response.arrayBuffer())).toEqual(picture);
  });

  test.each([
    ['without credentials', {}, '/stream', 401],
    ['at another path', login, '/other', 404],
  ])('answers %s with its status', async (_, headers, path, status) => {
    expect((await fetch(address(path), { headers })).status).toBe(status);
  });

  test('is cut, refuses and comes back', async () => {
    const reading = pictures(1_000_000).catch(() => 'cut');
    await expect.poll(() => sim.counts.watching).toBe(1);
    sim.fault = 'refuse';
    sim.cut();
    expect(await reading).toBe('cut');
    await expect(pictures(1)).rejects.toThrow();
    sim.fault = 'none';
    expect(await pictures(1)).toBeGreaterThanOrEqual(1);
  });
});
