import { expect, test } from 'vitest';
import { describeRtsp } from '../onvif/rtsp-client.ts';
import { cameraSpec, startCameras } from './cameras.ts';

test('cameras in a process of their own play, fail, heal and are gone when they are closed', async () => {
  const cameras = await startCameras([
    cameraSpec('/square', { kind: 'square' }, { username: 'alex', password: 'pass word' }),
    cameraSpec(
      '/drive',
      { kind: 'scene', walkers: true, startAt: 0, weather: ['noise'] },
      { width: 320, height: 180 },
    ),
  ]);
  const drive = async () => {
    const found = await describeRtsp(cameras.url('/drive'), { play: true, timeoutMs: 30_000 });
    await expect.poll(async () => (await cameras.counts('/drive')).connections).toBe(0);
    return found;
  };
  expect(await drive()).toMatchObject({ ok: true, tracks: [{ codec: 'h264', fps: 10 }] });
  expect(await describeRtsp(cameras.url('/square'), { play: true, timeoutMs: 30_000 })).toMatchObject({
    ok: true,
  });
  cameras.fault('/drive', { refuse: true });
  expect(await drive()).toMatchObject({ ok: false, cause: 'RTSP_ENDED' });
  cameras.heal('/drive');
  expect(await drive()).toMatchObject({ ok: true });
  expect(await cameras.counts('/drive')).toMatchObject({ connected: 3, mostConnections: 1, played: 2 });
  const url = cameras.url('/drive');
  await cameras.close();
  expect(await describeRtsp(url)).toMatchObject({ ok: false, cause: 'RTSP_CONNECT' });
});

test('a file that cannot be read is said, and no process stays', async () => {
  const spec = cameraSpec('/film', { kind: 'file', file: '/nonexistent.mp4', asItIs: true });
  await expect(startCameras([spec])).rejects.toMatchObject({
    code: 'UNREACHABLE',
    message: expect.stringContaining('/nonexistent.mp4') as string,
  });
});
