import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { readBeacon, readSolicitation, writeBeacon } from './beacon.ts';
import { broadcastKey } from './cipher.ts';
import { pack55 } from './frame.ts';
import {
  controlRequest,
  heartbeatRequest,
  nullsRequest,
  queryRequest,
  readBody,
  refreshRequest,
} from './message.codec.ts';
import { commands, versions, type Version } from './model.ts';
import { readPhase, writePhase } from './phase.codec.ts';
import { FrameStream } from './stream.codec.ts';
import { sessionKey, Wire } from './wire.ts';

const key = Buffer.from('0123456789abcdef');
const pair = (version: Version) => ({
  client: new Wire(version, key, 'client'),
  device: new Wire(version, key, 'device'),
});
const version = fc.constantFrom(...versions);
const stateJson = fc
  .dictionary(fc.integer({ min: 1, max: 255 }).map(String), fc.oneof(fc.integer(), fc.boolean(), fc.string()))
  .map((dps) => Buffer.from(JSON.stringify({ dps })));
const command = fc.constantFrom(
  commands.control,
  commands.status,
  commands.heartbeat,
  commands.query,
  commands.controlNew,
  commands.queryNew,
  commands.refresh,
);
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));

/** What the push of a chunk comes to: frames, or the code of the error. */
function pushed(stream: FrameStream, chunk: Buffer): Buffer[] | string {
  try {
    return stream.push(chunk);
  } catch (error) {
    if (error instanceof LaresError) return error.code;
    throw error;
  }
}

describe('frames', () => {
  it('are what the protocol says, byte by byte', () => {
    const frame = new Wire('3.1', key, 'client').encode(commands.refresh, Buffer.from('{"dpId":[18]}'), {
      sequence: 7,
    });
    expect(frame.toString('hex')).toBe(
      '000055aa' +
        '00000007' +
        '00000012' +
        '00000015' +
        Buffer.from('{"dpId":[18]}').toString('hex') +
        'a12ffa72' +
        '0000aa55',
    );
  });

  it('carry every body from one side to the other, in every version', () => {
    fc.assert(
      fc.property(
        version,
        command,
        stateJson,
        fc.nat(2 ** 31),
        fc.boolean(),
        (v, cmd, body, sequence, fromDevice) => {
          const { client, device } = pair(v);
          const [from, to] = fromDevice ? [device, client] : [client, device];
          const retcode = fromDevice && cmd !== commands.status ? 0 : undefined;
          const frame = from.encode(cmd, body, { sequence, ...(retcode !== undefined && { retcode }) });
          expect(to.decode(frame)).toEqual({ sequence, command: cmd, retcode, body });
        },
      ),
    );
  });

  it('are never believed with one bit changed', () => {
    fc.assert(
      fc.property(version, stateJson, fc.nat(), (v, body, at) => {
        const { client, device } = pair(v);
        const frame = device.encode(commands.query, body, { retcode: 0 });
        const bit = at % (frame.length * 8);
        frame[bit >> 3]! ^= 1 << (bit & 7);
        expect(() => client.decode(frame)).toThrow(LaresError);
      }),
    );
  });

  it('of a session use the key that both sides derive', () => {
    fc.assert(
      fc.property(fc.constantFrom<Version>('3.4', '3.5'), stateJson, (v, body) => {
        const { client, device } = pair(v);
        const [ours, theirs] = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)];
        client.agree(ours, theirs);
        device.agree(ours, theirs);
        const frame = device.encode(commands.queryNew, body, { retcode: 0 });
        expect(client.decode(frame).body).toEqual(body);
        expect(() => pair(v).client.decode(frame)).toThrow(LaresError);
      }),
    );
    expect(sessionKey('3.4', key, Buffer.alloc(16, 1), Buffer.alloc(16, 2)).toString('hex')).toBe(
      'bc264f3f987bbc37422bdc899692f232',
    );
  });

  it('never repeat a nonce', () => {
    const { client } = pair('3.5');
    const nonces = new Set(
      Array.from({ length: 500 }, () =>
        client.encode(commands.heartbeat, Buffer.from('{}')).subarray(18, 30).toString('hex'),
      ),
    );
    expect(nonces.size).toBe(500);
  });

  it('may have a header with checksum, sequence and source instead of zeros', () => {
    const { client, device } = pair('3.3');
    const plain = device.encode(commands.status, Buffer.from('{"dps":{"1":true}}'));
    const body = Buffer.from(plain.subarray(16, -8));
    body.fill(0xa7, 3, 15);
    const frame = pack55({ sequence: 5, command: commands.status, body });
    expect(client.decode(frame).body.toString()).toBe('{"dps":{"1":true}}');
  });

  it('of refusals in clear words are read in the encrypted versions too', () => {
    const body = Buffer.from('json obj data unvalid');
    const frame = pack55({ sequence: 5, command: commands.query, retcode: 1, body });
    expect(pair('3.3').client.decode(frame)).toEqual({
      sequence: 5,
      command: commands.query,
      retcode: 1,
      body,
    });
  });

  it('under another key are told from damaged ones', () => {
    const other = new Wire('3.3', Buffer.from('another-key-here'), 'device');
    const frame = other.encode(commands.query, Buffer.from('{"dps":{}}'), { retcode: 0 });
    expect(() => pair('3.3').client.decode(frame)).toThrow(
      expect.objectContaining({ code: 'AUTH_REFUSED' }) as Error,
    );
  });
});

describe('a stream', () => {
  it('gives the same frames however it is cut, whatever stands in front', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(version, stateJson), { minLength: 1, maxLength: 5 }),
        fc.uint8Array({ max: 0x40, maxLength: 40 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 50 }),
        (messages, noise, cuts) => {
          const frames = messages.map(([v, body]) =>
            pair(v).device.encode(commands.query, body, { retcode: 0 }),
          );
          const all = Buffer.concat([Buffer.from(noise), ...frames]);
          const stream = new FrameStream();
          const got: Buffer[] = [];
          for (let at = 0, turn = 0; at < all.length; turn += 1) {
            const size = cuts[turn % cuts.length]!;
            got.push(...stream.push(all.subarray(at, at + size)).map((frame) => Buffer.from(frame)));
            at += size;
          }
          expect(got).toEqual(frames);
        },
      ),
    );
  });

  it('survives any bytes: frames or BAD_REPLY, bounded', () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 20 }), fc.boolean(), (chunks, marked) => {
        const stream = new FrameStream();
        for (const chunk of chunks) {
          const input = marked ? Buffer.concat([Buffer.from('000055aa', 'hex'), chunk]) : chunk;
          const result = pushed(stream, input);
          if (result === 'BAD_REPLY') return;
          for (const frame of result as Buffer[]) expect(frame.length).toBeLessThan(16_500);
        }
      }),
    );
  });

  it('refuses a frame that claims to be huge, and endless noise', () => {
    const head = Buffer.from('000055aa00000001000000087fffffff', 'hex');
    expect(pushed(new FrameStream(), head)).toBe('BAD_REPLY');
    const stream = new FrameStream();
    const results = Array.from({ length: 30 }, () => pushed(stream, Buffer.alloc(4096, 0x5a)));
    expect(results.at(-1)).toBe('BAD_REPLY');
  });
});

/** That a frame was read, or the code of the error. */
function outcome(wire: Wire, input: Buffer): string {
  try {
    wire.decode(input);
    return 'read';
  } catch (error) {
    return error instanceof LaresError ? error.code : `not ours: ${String(error)}`;
  }
}

describe('bytes from the network', () => {
  it('never break the reading of frames, bodies, phases and broadcasts', () => {
    fc.assert(
      fc.property(version, bytes, (v, junk) => {
        const framed = pack55({ sequence: 1, command: 10, retcode: 0, body: junk });
        for (const input of [junk, framed]) {
          const { client, device } = pair(v);
          for (const wire of [client, device])
            expect(outcome(wire, input)).toMatch(/read|BAD_REPLY|AUTH_REFUSED/);
          expect(readBeacon(input)).toBeUndefined();
          expect(readSolicitation(input)).toBeUndefined();
        }
        expect(readBody(junk).points).toBeUndefined();
        readPhase(junk.toString('base64'));
      }),
    );
  });

  it('become data points only where they are numbers, words or switches', () => {
    const body =
      '{"dps":{"1":true,"2":null,"19":10,"x":1,"__proto__":5,"20":[1],"21":{"a":1},"22":"text","99999999":1}}';
    expect(readBody(Buffer.from(body))).toEqual({
      points: new Map<number, unknown>([
        [1, true],
        [19, 10],
        [22, 'text'],
      ]),
    });
    expect(readBody(Buffer.from('{"protocol":4,"data":{"cid":"a1","dps":{"1":false}}}'))).toEqual({
      points: new Map([[1, false]]),
      cid: 'a1',
    });
    expect(readBody(Buffer.from('{"dps":{"19":NaN}}')).points).toBeUndefined();
    expect(readBody(Buffer.from('{"dps":{"19":1e999}}'))).toEqual({ points: new Map() });
    expect(readBody(Buffer.from('{"dps"'))).toEqual({ text: '{"dps"' });
    expect(readBody(Buffer.alloc(0))).toEqual({});
  });
});

describe('requests', () => {
  const now = 1_700_000_000_500;
  const to = { id: 'bf0123456789abcdefghij' };
  const text = (request: { command: number; body: Buffer }) => [request.command, request.body.toString()];

  it('are worded as each version wants them', () => {
    const id = to.id;
    expect(text(queryRequest('3.3', to, now))).toEqual([
      10,
      `{"gwId":"${id}","devId":"${id}","uid":"${id}","t":"1700000000"}`,
    ]);
    expect(text(queryRequest('3.3', { ...to, cid: 'a1' }, now))).toEqual([10, '{"t":1700000000,"cid":"a1"}']);
    expect(text(queryRequest('3.4', to, now))).toEqual([16, '{}']);
    expect(text(queryRequest('3.5', { ...to, cid: 'a1' }, now))).toEqual([16, '{"cid":"a1"}']);
    expect(text(nullsRequest('3.3', to, [1, 19], now))).toEqual([
      13,
      `{"devId":"${id}","uid":"${id}","t":"1700000000","dps":{"1":null,"19":null}}`,
    ]);
    expect(text(controlRequest('3.3', to, new Map([[1, true]]), now))).toEqual([
      7,
      `{"devId":"${id}","uid":"${id}","t":"1700000000","dps":{"1":true}}`,
    ]);
    expect(text(controlRequest('3.5', to, new Map([[1, true]]), now))).toEqual([
      13,
      '{"protocol":5,"t":1700000000,"data":{"dps":{"1":true}}}',
    ]);
    expect(text(controlRequest('3.4', { ...to, cid: 'a1' }, new Map([[1, false]]), now))).toEqual([
      13,
      '{"protocol":5,"t":1700000000,"data":{"cid":"a1","ctype":0,"dps":{"1":false}}}',
    ]);
    expect(text(refreshRequest([18, 19, 20]))).toEqual([18, '{"dpId":[18,19,20]}']);
    expect(text(heartbeatRequest('3.3', to))).toEqual([9, `{"gwId":"${id}","devId":"${id}"}`]);
    expect(text(heartbeatRequest('3.5', to))).toEqual([9, '{}']);
  });
});

describe('broadcasts', () => {
  const said = {
    gwId: 'bf0123456789abcdefghij',
    ip: '192.0.2.31',
    version: '3.3',
    productKey: 'keydeadbeef12345',
  };

  it('are read in every clothing', () => {
    expect(broadcastKey.toString('hex')).toBe('6c1ec8e2bb9bb59ab50b0daf649b410a');
    for (const clothing of ['clear', 'ecb', 'bare', 'gcm'] as const)
      expect(readBeacon(writeBeacon(JSON.stringify(said), clothing))).toEqual({
        id: said.gwId,
        ip: said.ip,
        version: '3.3',
        productId: said.productKey,
      });
  });

  it('of a version that does not exist leave it open', () => {
    expect(
      readBeacon(writeBeacon(JSON.stringify({ ...said, version: '9.9' }), 'gcm'))?.version,
    ).toBeUndefined();
  });
});

describe('a packed phase', () => {
  it('is read as it is written', () => {
    fc.assert(
      fc.property(
        fc.nat(4000),
        fc.nat(63_000),
        fc.integer({ min: -20_000, max: 20_000 }),
        (tenths, mA, watts) => {
          const phase = { volts: tenths / 10, amps: mA / 1000, watts };
          expect(readPhase(writePhase(phase))).toEqual(phase);
        },
      ),
    );
  });

  it('has two, three and three bytes, or three and two at the end of a shorter one', () => {
    expect(readPhase(Buffer.from('08fc0015b3000527', 'hex').toString('base64'))).toEqual({
      volts: 230,
      amps: 5.555,
      watts: 1319,
    });
    expect(readPhase(Buffer.from('08fc0015b30527', 'hex').toString('base64'))).toEqual({
      volts: 230,
      amps: 5.555,
      watts: 1319,
    });
    expect(readPhase(Buffer.from('0008fc0015b3000527', 'hex').toString('base64'))).toEqual({
      volts: 230,
      amps: 5.555,
      watts: 1319,
    });
    expect(readPhase(Buffer.from('08fc0015b30005270000', 'hex').toString('base64'))).toEqual({
      volts: 230,
      amps: 5.555,
      watts: 1319,
    });
  });

  it.each([undefined, 5, 'short', 'no base64 at all!', 'A'.repeat(300)])('is not %s', (value) => {
    expect(readPhase(value)).toBeUndefined();
  });
});
