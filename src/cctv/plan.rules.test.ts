import { expect, test } from 'vitest';
import { cameraConfig } from './config.ts';
import { plainUrl, sameStream, secretsOf, signedUrl } from './plan.rules.ts';

const front = (more: object) =>
  cameraConfig.parse({ id: 'front', url: 'rtsp://192.0.2.20/stream1', ...more });

test.each([
  ['a password in the address, however short', { url: 'rtsp://admin:1234@192.0.2.20/a' }],
  ['one that is written with percent signs', { url: 'rtsp://admin:p%40ss%2F1@192.0.2.20/a' }],
  [
    'a password apart, with signs that an address cannot hold',
    { username: 'b ob', password: 'p@ss w/rd%zz' },
  ],
  [
    'a password apart, with signs that only some write otherwise',
    { username: 'bob', password: "it's(me)!*" },
  ],
  ['a stream with a login of its own', { streams: { live: 'rtsp://eve:77@192.0.2.21/b' } }],
  [
    'a password in the path',
    { url: 'rtsp://192.0.2.20/user=admin_password=tlJwpbo6_channel=1.sdp?real_stream' },
  ],
  ['a key in the query', { url: 'http://192.0.2.20/video?user=admin&pwd=letmein' }],
])('no log shows an address with %s', (_, more) => {
  const camera = front(more);
  const urls = [camera.url, ...Object.values(camera.streams ?? {})].map((url) =>
    signedUrl(url!, camera.username, camera.password),
  );
  // As the log does: what is shorter would blot out ordinary words.
  const hidden = secretsOf(camera).filter((secret) => secret.length >= 6);
  for (const url of urls) {
    const line = hidden.reduce((text, secret) => text.replaceAll(secret, '[secret]'), `cannot open ${url}`);
    expect(line).not.toMatch(/1234|p%40ss|p@ss|it's|it%27s|:77@|letmein|tlJwpbo6/);
    expect(plainUrl(url)).not.toMatch(/1234|p%40ss|it's|77|letmein|tlJwpbo6/);
  }
});

test('a camera without password and query has no secret', () => {
  expect(secretsOf(front({}))).toEqual([]);
  expect(secretsOf(front({ username: 'bob' }))).toEqual([]);
});

test.each([
  ['rtsp://192.0.2.20/a', 'rtsp://alex:x@192.0.2.20/a', true],
  ['rtsp://192.0.2.20/cam?channel=1&subtype=0', 'rtsp://192.0.2.20/cam?channel=2&subtype=0', false],
  ['rtsp://192.0.2.20/a', 'rtsp://192.0.2.20:8554/a', false],
  ['192.0.2.20', '192.0.2.21', false],
])('%s and %s are one stream: %s', (one, other, same) => {
  expect(sameStream(one, other)).toBe(same);
});
