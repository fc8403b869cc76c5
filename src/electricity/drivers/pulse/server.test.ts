import { afterEach, expect, test } from 'vitest';
import { webRequest } from '#platform/http-client.ts';
import { serve } from './server.ts';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

test('a mistake of ours in one message is told and answered with 500, and the next message is taken', async () => {
  const told: unknown[] = [];
  const mistake = new TypeError('planted');
  const server = await serve(
    { host: '127.0.0.1', port: 0 },
    ({ path }) => {
      if (path === '/bad') throw mistake;
      // No header may hold this: the reply itself is the mistake.
      return { status: 200, type: path === '/reply' ? 'text/\n' : 'text/plain', body: 'ok' };
    },
    (error) => told.push(error),
  );
  stops.push(() => server.close());
  const call = async (path: string) =>
    (await webRequest({ url: `http://127.0.0.1:${server.port}${path}` })).status;
  expect([await call('/bad'), await call('/reply'), await call('/good')]).toEqual([500, 500, 200]);
  expect(told).toEqual([mistake, expect.objectContaining({ code: 'ERR_INVALID_CHAR' })]);
});
