import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  clockOf,
  encodersOf,
  envelope,
  informationOf,
  parseReply,
  probeIdOf,
  probeMatchesOf,
  probeMessage,
  profilesOf,
  requests,
  tokenDigest,
} from './soap.ts';
import { paceOf, timesOf } from './pace.rules.ts';
import { controlUrl, parseSdp, takeRtsp, writeRtsp, type Taken } from './rtsp.codec.ts';
import { escaped, parseXml } from './xml.ts';

const token = fc.stringMatching(/^[A-Za-z0-9-]{1,20}$/);
const value = fc.stringMatching(/^[!-~]([ -~]{0,40}[!-~])?$/);

describe('RTSP messages', () => {
  test('come out as they went in, however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.dictionary(token, value, { maxKeys: 8, noNullPrototype: true }),
        fc.string({ maxLength: 60 }),
        fc.nat(400),
        (headers, body, cut) => {
          const clean = Object.fromEntries(
            Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'content-length'),
          );
          const bytes = writeRtsp('RTSP/1.0 200 OK', clean, body);
          const whole = takeRtsp(Buffer.concat([bytes, Buffer.from('$')]));
          if (whole.kind !== 'message') throw new Error(whole.kind);
          expect(whole.rest.toString()).toBe('$');
          expect(whole.message.body).toBe(Buffer.from(body).toString());
          expect(whole.message.status).toBe(200);
          for (const [name, text] of Object.entries(clean))
            expect(whole.message.headers.get(name.toLowerCase())).toContain(text);
          expect(takeRtsp(bytes.subarray(0, cut % bytes.length)).kind).toBe('more');
        },
      ),
    );
  });

  test('and packets between them are told apart', () => {
    const packet = Buffer.from([0x24, 2, 0, 3, 7, 8, 9]);
    const request = writeRtsp('OPTIONS rtsp://192.0.2.20/ RTSP/1.0', { CSeq: '1' });
    const first = takeRtsp(Buffer.concat([packet, request]));
    expect(first).toMatchObject({ kind: 'packet', channel: 2, payload: Buffer.from([7, 8, 9]) });
    const second = takeRtsp((first as Taken & { kind: 'packet' }).rest);
    expect(second).toMatchObject({
      kind: 'message',
      message: { method: 'OPTIONS', url: 'rtsp://192.0.2.20/' },
    });
  });

  test.each([
    ['HTTP/1.1 400 Bad Request\r\n\r\n', 'garbage'],
    ['SSH-2.0-OpenSSH_9.2\r\n', 'garbage'],
    ['RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n', 'garbage'],
    ['RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n', 'garbage'],
    [`RTSP/1.0 200 OK\r\n${'X: y\r\n'.repeat(200)}\r\n`, 'garbage'],
    [`RTSP/1.0 200 OK\r\nX: ${'y'.repeat(20_000)}`, 'garbage'],
    ['RTSP/1.0 200 OK\r\n', 'more'],
    ['', 'more'],
  ])('%j is %s', (text, kind) => {
    expect(takeRtsp(Buffer.from(text)).kind).toBe(kind);
  });

  test('of random bytes never throw and always end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        let taken = takeRtsp(Buffer.from(bytes));
        for (let turn = 0; 'rest' in taken; turn += 1) {
          expect(turn).toBeLessThan(601);
          taken = takeRtsp(taken.rest);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('session descriptions', () => {
  test('give codec, rate, size and control of each track', () => {
    const sdp = [
      'v=0',
      'a=control:*',
      'm=video 0 RTP/AVP 96',
      'a=rtpmap:96 HEVC/90000',
      'a=framerate:12.5',
      'a=x-dimensions:1920,1080',
      'a=control:trackID=1',
      'm=audio 0 RTP/AVP 8',
      'm=video 0 RTP/AVP 26',
      'm=application 0 RTP/AVP 107',
      'a=rtpmap:107 vnd.onvif.metadata/90000',
    ].join('\r\n');
    expect(parseSdp(sdp)).toEqual([
      { media: 'video', codec: 'h265', fps: 12.5, width: 1920, height: 1080, control: 'trackID=1' },
      { media: 'audio', codec: 'pcma' },
      { media: 'video', codec: 'mjpeg' },
      { media: 'other', codec: 'vnd.onvif.metadata' },
    ]);
  });

  test('of any text never throw and stay bounded', () => {
    const line = fc.oneof(
      fc.string({ maxLength: 60, unit: 'binary' }),
      fc.constantFrom('m=video 0 RTP/AVP 96', 'a=rtpmap:96 __proto__/1', 'a=framerate:0', 'm=audio 1 X 0'),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 60 }), (lines) => {
        const tracks = parseSdp(lines.join('\n'));
        expect(tracks.length).toBeLessThanOrEqual(16);
        for (const track of tracks) expect(typeof track.codec).toBe('string');
      }),
    );
  });

  test.each([
    ['rtsp://h/a/', 'trackID=1', 'rtsp://h/a/trackID=1'],
    ['rtsp://h/a', 'trackID=1', 'rtsp://h/a/trackID=1'],
    ['rtsp://h/a', 'rtsp://h/b', 'rtsp://h/b'],
    ['rtsp://h/a', '*', 'rtsp://h/a'],
    ['rtsp://h/a', undefined, 'rtsp://h/a'],
  ])('%s with control %s is set up at %s', (base, control, url) => {
    expect(controlUrl(base, control)).toBe(url);
  });
});

function replyOf(inner: string) {
  const reply = parseReply(
    `<?xml version="1.0"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body>${inner}</e:Body></e:Envelope>`,
  );
  if (reply.kind !== 'reply') throw new Error(reply.kind);
  return reply.element;
}

describe('ONVIF messages', () => {
  test('carry the password digest of the WS-Security profile', () => {
    // The example of the ONVIF Application Programmer's Guide, 6.1.1.3.
    const nonce = Buffer.from('LKqI6G/AikKCQrN0zqZFlg==', 'base64');
    expect(tokenDigest(nonce, '2010-09-16T07:50:45Z', 'userpassword')).toBe('tuOSpGlFlIXsozq4HFNeeGeFLEI=');
  });

  test('tell the time of a device, or that it tells none', () => {
    const time =
      '<a:R><a:SystemDateAndTime><b:UTCDateTime><b:Time><b:Hour>10</b:Hour><b:Minute>5</b:Minute><b:Second>7</b:Second></b:Time><b:Date><b:Year>2026</b:Year><b:Month>11</b:Month><b:Day>21</b:Day></b:Date></b:UTCDateTime></a:SystemDateAndTime></a:R>';
    expect(clockOf(replyOf(time))).toBe(Date.UTC(2026, 10, 21, 10, 5, 7));
    expect(clockOf(replyOf('<R/>'))).toBeUndefined();
    // A token cannot be written for those, and Date throws beyond the last of them.
    for (const year of ['9999', '275760', '1e9', '-5', '0'])
      expect(clockOf(replyOf(time.replace('2026', year)))).toBeUndefined();
    expect(clockOf(replyOf(time.replace('2026', '1970')))).toBe(Date.UTC(1970, 10, 21, 10, 5, 7));
    expect(clockOf(replyOf(time.replace('>10<', '>1e12<')))).toBeUndefined();
  });

  test('name a device, its profiles and encoders; text is bounded and plain', () => {
    expect(
      informationOf(
        replyOf(`<R><Manufacturer>A &amp; B\n&#65;</Manufacturer><Model>${'x'.repeat(999)}</Model></R>`),
      ),
    ).toEqual({ manufacturer: 'A & B A', model: 'x'.repeat(200) });
    const encoder =
      '<Encoding>JPEG</Encoding><Resolution><Width>640</Width><Height>0</Height></Resolution><RateControl><FrameRateLimit>ten</FrameRateLimit></RateControl>';
    expect(
      profilesOf(
        replyOf(
          `<R><Profiles token="a"><Name>Main</Name><VideoEncoderConfiguration token="e">${encoder}</VideoEncoderConfiguration></Profiles><Profiles><Name>no token</Name></Profiles><Profiles token="__proto__"/></R>`,
        ),
      ),
    ).toEqual([
      { token: 'a', name: 'Main', encoder: 'e', encoding: { codec: 'mjpeg', width: 640 }, analytics: false },
      { token: '__proto__', analytics: false },
    ]);
    expect(encodersOf(replyOf(`<R><Configurations token="e">${encoder}</Configurations></R>`))).toEqual(
      new Map([['e', { codec: 'mjpeg', width: 640 }]]),
    );
  });

  test('tell a refusal from another fault', () => {
    const fault = (subcode: string) =>
      parseReply(
        `<E:Envelope xmlns:E="x"><E:Body><E:Fault><E:Code><E:Value>E:Sender</E:Value><E:Subcode><E:Value>${subcode}</E:Value></E:Subcode></E:Code><E:Reason><E:Text>why</E:Text></E:Reason></E:Fault></E:Body></E:Envelope>`,
      );
    expect(fault('ter:NotAuthorized')).toEqual({ kind: 'fault', refused: true, reason: 'why' });
    expect(fault('ter:ActionNotSupported')).toEqual({ kind: 'fault', refused: false, reason: 'why' });
  });

  test.each([
    ['a document type', '<!DOCTYPE a [<!ENTITY b "c">]><Envelope><Body><a/></Body></Envelope>'],
    ['more than half a megabyte', `<Envelope><Body><a>${'x'.repeat(600_000)}</a></Body></Envelope>`],
    ['a thousand levels', `<Envelope><Body>${'<a>'.repeat(1000)}${'</a>'.repeat(1000)}</Body></Envelope>`],
    ['nothing', ''],
    ['a page', '<html><body>login</body></html>'],
  ])('with %s are garbage', (_, text) => {
    expect(parseReply(text)).toEqual({ kind: 'garbage' });
  });

  test('of any text never throw', () => {
    const piece = fc.oneof(
      fc.string({ maxLength: 20, unit: 'binary' }),
      fc.constantFrom(
        '<Envelope>',
        '<Body>',
        '</Body>',
        '<Fault>',
        '<__proto__ a="b">',
        '<![CDATA[',
        '&amp;',
        '&#9999999;',
        '<a b="',
        '?>',
        '<constructor/>',
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const text = pieces.join('');
        parseReply(text);
        parseXml(`<a>${text}</a>`);
        probeMatchesOf(text, 'id');
        expect(({} as Record<string, unknown>)['b']).toBeUndefined();
      }),
      { numRuns: 400 },
    );
  });

  test('keep text as it is through escaping', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[!-~]([ -~]{0,30}[!-~])?$/), (text) => {
        expect(parseXml(`<a b="${escaped(text)}">${escaped(text)}</a>`)).toEqual({
          name: 'a',
          attributes: new Map([['b', text]]),
          children: [],
          text,
        });
      }),
    );
  });

  test('ask with a token, which is escaped', () => {
    const proof = {
      credentials: { username: 'a<b', password: 'p' },
      nonce: Buffer.alloc(16, 1),
      createdAt: 0,
    };
    const text = envelope(requests.stream('"><x/>'), proof);
    expect(parseXml(text)?.name).toBe('Envelope');
    expect(text).not.toContain('<x/>');
    expect(text).not.toContain('>p<');
  });

  test('of discovery answer the question that was asked, and no other', () => {
    const id = '11111111-2222-3333-4444-555555555555';
    expect(probeIdOf(probeMessage(id))).toBe(id);
    const answer = (to: string) =>
      `<E:Envelope xmlns:E="x" xmlns:w="y"><E:Header><w:RelatesTo>urn:uuid:${to}</w:RelatesTo></E:Header><E:Body><ProbeMatches><ProbeMatch><Scopes>onvif://www.onvif.org/name/Front%20gate onvif://www.onvif.org/hardware/X%ZZ</Scopes><XAddrs>http://192.0.2.20/onvif/device_service file:///etc/passwd</XAddrs></ProbeMatch></ProbeMatches></E:Body></E:Envelope>`;
    expect(probeMatchesOf(answer(id), id)).toEqual([
      { xaddrs: ['http://192.0.2.20/onvif/device_service'], name: 'Front gate', hardware: 'X%ZZ' },
    ]);
    expect(probeMatchesOf(answer('another'), id)).toEqual([]);
  });
});

describe('the pace of a stream', () => {
  test('is found at any rate and interval, in any order', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 20 }), (fps, gop) => {
        const times = Array.from({ length: 100 }, (_, index) => 7 + index / fps);
        const keys = times.filter((_, index) => index % gop === 0);
        const shuffled = times.toSorted((a, b) => ((a * 7919) % 1) - ((b * 7919) % 1));
        const { fps: rate = 0, keyframeSeconds = 0 } = paceOf(shuffled, keys);
        expect(rate).toBeCloseTo(fps, 0);
        expect(keyframeSeconds).toBeCloseTo(gop / fps, 1);
      }),
    );
  });

  test('puts a packet without a time before the next, and takes arrival where none tells any', () => {
    const sample = (cameAt: number, time?: number) => ({
      cameAt,
      key: true,
      ...(time !== undefined && { time }),
    });
    expect(timesOf([sample(0), sample(0.1, 50), sample(0.3, 51), sample(0.4)])).toEqual({
      times: [49, 50, 51],
      keys: [49, 50, 51],
    });
    expect(timesOf([sample(0), sample(1), sample(2)]).times).toEqual([0, 1, 2]);
  });

  test('says for how long no second keyframe came', () => {
    expect(paceOf([0, 1, 2, 3, 4, 5, 6], [0])).toEqual({ fps: 1, keyframeBeyond: 6 });
    expect(paceOf([], [])).toEqual({});
  });
});
