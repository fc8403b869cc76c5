import { afterEach, describe, expect, test } from 'vitest';
import { closeAll, house, measured, token } from './fixture.ts';

afterEach(closeAll);

describe('emoncms and Influx senders only change their address', () => {
  test.each([
    [
      'emoncms, fulljson in the query',
      'GET',
      `/input/post?node=emontx&fulljson={"power":431,"pulse":N}&apikey=${token}`,
      '',
      {},
      'ok',
    ],
    [
      'emoncms, lenient json',
      'GET',
      `/input/post.json?node=emontx&json={power:431,pulse:N}&apikey=${token}`,
      '',
      {},
      'ok',
    ],
    [
      'emoncms, form with Bearer',
      'POST',
      '/emoncms/input/post',
      'node=emontx&data={power:431,pulse:N}',
      { authorization: `Bearer ${token}` },
      'ok',
    ],
    [
      'emoncms, apikey in the form',
      'POST',
      '/input/post',
      `node=emontx&data={power:431,pulse:N}&apikey=${token}`,
      {},
      'ok',
    ],
    [
      'emoncms, bulk',
      'POST',
      '/input/bulk',
      `data=[[0,"emontx",{"power":431},{"pulse":N}]]&apikey=${token}`,
      {},
      'ok',
    ],
    [
      'Influx 1, user and password',
      'POST',
      `/write?db=x&u=iotawatt&p=${token}`,
      'meter power=431,pulses=Ni',
      {},
      '',
    ],
    [
      'Influx 1, Basic',
      'POST',
      '/write?db=x',
      'meter power=431,pulses=Ni',
      { authorization: `Basic ${Buffer.from(`x:${token}`).toString('base64')}` },
      '',
    ],
    [
      'Influx 2, Token',
      'POST',
      '/api/v2/write?org=o&bucket=b&precision=s',
      'meter power=431,pulses=Ni',
      { authorization: `Token ${token}` },
      '',
    ],
  ] as const)('%s', async (_, method, path, body, headers, answer) => {
    const { clock, run, call } = await house();
    for (const total of [1_000, 1_003]) {
      const reply = await call(encodeURI(path.replace('N', String(total))), {
        method,
        ...(body === '' ? {} : { body: body.replace('N', String(total)) }),
        headers,
      });
      expect([reply.status, reply.text]).toEqual([answer === '' ? 204 : 200, answer]);
      await clock.advance(5_000);
    }
    expect(measured(run)).toEqual([
      { at: 0, power_watts: 431, energy_wh: 0 },
      { at: 5_000, power_watts: 431, energy_wh: 3 },
    ]);
  });
});

test('a strange token is refused, said once, and never shown', async () => {
  const { clock, call, run } = await house();
  const body = JSON.stringify({ id: 'house-meter', total_pulses: 1, uptime_ms: 1 });
  const tries = [
    call('/api/electricity/pulse', { method: 'POST', body }),
    call('/api/electricity/pulse', {
      method: 'POST',
      body,
      headers: { authorization: 'Bearer strange-token-1' },
    }),
    call('/input/post?node=1&csv=1&apikey=strange-token-2'),
    call('/write?u=x&p=strange-token-3', { method: 'POST', body: 'm v=1' }),
  ];
  expect((await Promise.all(tries)).map((r) => r.status)).toEqual([401, 401, 401, 401]);
  await clock.advance(70_000);
  await call('/input/post?node=1&csv=1&apikey=strange-token-2');
  const said = run.lines.filter((line) => /wrong token/.test(line));
  expect(said).toHaveLength(2);
  expect(said[1]).toMatch(/and 3 more/);
  expect(run.lines.join()).not.toMatch(/strange-token/);
});

test('wrong requests get a sentence; nothing else is served', async () => {
  const { call } = await house();
  const headers = { authorization: `Bearer ${token}` };
  const post = (path: string, body: string) => call(path, { method: 'POST', body, headers });
  const replies = await Promise.all([
    post('/api/electricity/pulse', '{nonsense'),
    post('/api/electricity/pulse', JSON.stringify({ id: 'other', total_pulses: 1, uptime_ms: 1 })),
    post('/write', 'meter temperature=20'),
    call('/api/electricity/pulse', { headers }),
    call('/', { headers }),
    call('/__proto__', { headers }),
    post('/api/electricity/pulse', ' '.repeat(70_000)),
  ]);
  expect(replies.map((r) => [r.status, (JSON.parse(r.text) as { message: string }).message])).toEqual([
    [400, 'the body is not JSON'],
    [400, 'the token is not that of a meter with the id "other"'],
    [400, 'none of the fields temperature is one that is read; name it in fields of the meter'],
    [405, 'use POST here'],
    [404, 'there is nothing here'],
    [404, 'there is nothing here'],
    [413, 'more than 65536 bytes'],
  ]);
});

test('a flood from one sender is braked', async () => {
  const { call } = await house();
  const headers = { authorization: `Bearer ${token}` };
  const statuses: number[] = [];
  for (let i = 0; i < 210; i += 1)
    statuses.push((await call('/api/electricity/pulse', { method: 'POST', body: '{', headers })).status);
  expect([statuses.filter((s) => s === 400).length, statuses.filter((s) => s === 429).length]).toEqual([
    200, 10,
  ]);
});
