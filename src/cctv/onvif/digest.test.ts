import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  authorization,
  digestResponse,
  loginOf,
  parseChallenge,
  parseChallenges,
  parseParams,
} from './digest.ts';

describe('digest', () => {
  test('answers the example of RFC 2617 3.5', () => {
    expect(
      digestResponse({
        username: 'Mufasa',
        password: 'Circle Of Life',
        realm: 'testrealm@host.com',
        nonce: 'dcd98b7102dd2f0e8b11d0f600bfb0c093',
        method: 'GET',
        uri: '/dir/index.html',
        qop: { nc: '00000001', cnonce: '0a4f113b' },
      }),
    ).toBe('6629fae49393a05397450978507c4ef1');
  });

  test('answers the SHA-256 example of RFC 7616 3.9.1', () => {
    const header = authorization(
      [
        parseChallenge(
          'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
        ),
        parseChallenge(
          'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
        ),
      ].flatMap((challenge) => challenge ?? []),
      { method: 'GET', uri: '/dir/index.html' },
      { username: 'Mufasa', password: 'Circle of Life' },
      'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
    );
    const params = parseParams(header?.replace('Digest ', '') ?? '');
    expect([params.get('algorithm'), params.get('response')]).toEqual([
      'SHA-256',
      '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1',
    ]);
  });

  test('falls back to Basic, and gives nothing for what it does not know', () => {
    const request = { method: 'DESCRIBE', uri: 'rtsp://192.0.2.20/' };
    const alex = { username: 'alex', password: 'pass' };
    const challenges = (text: string) => [parseChallenge(text)].flatMap((one) => one ?? []);
    expect(authorization(challenges('Basic realm="x"'), request, alex, 'c')).toBe('Basic YWxleDpwYXNz');
    expect(authorization(challenges('Negotiate'), request, alex, 'c')).toBeUndefined();
    expect(
      authorization(challenges('Digest algorithm=SHA-512-256, nonce="n"'), request, alex, 'c'),
    ).toBeUndefined();
  });

  test('takes the strongest of challenges that were joined by commas, with what is its own', () => {
    const joined =
      'Basic realm="a, Basic b=c", Digest realm="x", nonce="old", qop="auth", digest realm="x", nonce="new", algorithm=SHA-256';
    const challenges = parseChallenges(joined);
    expect(
      challenges.map(({ scheme, params }) => [scheme, params.get('nonce'), params.get('algorithm')]),
    ).toEqual([
      ['basic', undefined, undefined],
      ['digest', 'old', undefined],
      ['digest', 'new', 'SHA-256'],
    ]);
    const made = authorization(
      challenges,
      { method: 'POST', uri: '/' },
      { username: 'a', password: 'b' },
      'c',
    );
    expect(made).toMatch(/^Digest .*nonce="new".*algorithm=SHA-256/);
    fc.assert(
      fc.property(fc.string({ maxLength: 200, unit: 'binary' }), (text) => {
        for (const { scheme } of parseChallenges(text)) expect(scheme).toMatch(/^[a-z][\w-]*$/);
      }),
    );
  });

  test('never throws at a challenge, and never lets one add a header', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 200, unit: 'binary' }),
        fc.string({ maxLength: 40 }),
        (text, name) => {
          const challenge = parseChallenge(text);
          if (challenge === undefined) return;
          const made = authorization(
            [challenge],
            { method: 'A', uri: 'b' },
            { username: name, password: '' },
            'c',
          );
          expect(made ?? '').not.toMatch(/[\r\n]/);
        },
      ),
    );
  });

  test('takes a login from a URL also when its % stands for itself', () => {
    expect(loginOf(new URL('rtsp://alex:50%25@192.0.2.20/'))).toEqual({ username: 'alex', password: '50%' });
    expect(loginOf(new URL('rtsp://alex:50%@192.0.2.20/'))).toEqual({ username: 'alex', password: '50%' });
    expect(loginOf(new URL('rtsp://192.0.2.20/'))).toBeUndefined();
  });
});
