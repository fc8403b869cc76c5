import fc from 'fast-check';
import { expect, it } from 'vitest';
import { authorization, parseChallenge } from './digest.ts';

// The example of RFC 7616 §3.9.1.
const header = (algorithm: string) =>
  `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`;
const proof = {
  method: 'GET',
  uri: '/dir/index.html',
  username: 'Mufasa',
  password: 'Circle of Life',
  count: 1,
  cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
};

it.each([
  ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
  ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
] as const)('proves a password with %s as the RFC does', (algorithm, response) => {
  const challenge = parseChallenge(header(algorithm));
  expect(challenge).toEqual({
    realm: 'http-auth@example.org',
    nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
    algorithm,
    qop: true,
  });
  expect(authorization(challenge!, proof)).toBe(
    `Digest username="Mufasa", realm="http-auth@example.org", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", uri="/dir/index.html", response="${response}", cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", algorithm=${algorithm}, qop=auth, nc=00000001`,
  );
});

it.each([
  [undefined],
  ['Basic realm="x"'],
  ['Digest realm="x"'],
  ['Digest realm="x", nonce="y", algorithm=SHA-512-256'],
])('does not answer %s', (text) => expect(parseChallenge(text)).toBeUndefined());

it('never throws, whatever the header', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (nonce, rest) => {
      const challenge = parseChallenge(`Digest realm="r", ${rest}, nonce="${nonce}"`);
      return challenge === undefined || authorization(challenge, proof).startsWith('Digest username="');
    }),
  );
});
