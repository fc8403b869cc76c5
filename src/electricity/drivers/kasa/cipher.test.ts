import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  authHash,
  clientHash,
  KlapSession,
  matchHandshake,
  PassthroughCipher,
  passthroughLogin,
  serverHash,
} from './cipher.ts';
import { builtInLogins } from './model.ts';
import { sessionLifeMs } from './session.rules.ts';

const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map((a) => Buffer.from(a));
const login = { username: 'alex@example.com', password: 'a password' };

describe('KLAP', () => {
  const seeds = fc.tuple(
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );

  test('hashes logins as the two versions do', () => {
    // MD5(MD5('') MD5('')) and SHA-256(SHA-1('') SHA-1('')), made with Python's hashlib.
    expect(authHash(1, builtInLogins[2]!).toString('hex')).toBe('5873dd45edd01f09c1ef2e7819369e8e');
    expect(authHash(2, builtInLogins[2]!).toString('hex')).toBe(
      'b8628ab91c74f531603f6d5b45e730e54c123a7247b8978272c03f1e13560cea',
    );
  });

  test('one reply tells version and login, whichever of the eight it is', () => {
    fc.assert(
      fc.property(seeds, fc.constantFrom(1 as const, 2 as const), fc.nat(3), ([a, b], version, index) => {
        const [local, remote] = [Buffer.from(a), Buffer.from(b)];
        const used = [login, ...builtInLogins][index]!;
        const auth = authHash(version, used);
        const reply = Buffer.concat([remote, serverHash(version, local, remote, auth)]);
        expect(matchHandshake(local, reply, login)).toEqual({ version, auth, remote, login: used });
        expect(matchHandshake(local, reply, { username: 'sam@example.com', password: 'x' })?.login).toEqual(
          index === 0 ? undefined : used,
        );
      }),
    );
  });

  test('the two proofs of a handshake differ in both versions', () => {
    const [local, remote] = [randomBytes(16), randomBytes(16)];
    for (const version of [1, 2] as const) {
      const auth = authHash(version, login);
      expect(clientHash(version, local, remote, auth)).not.toEqual(serverHash(version, local, remote, auth));
    }
  });

  test('what one side seals the other opens, and a message that was touched anywhere is refused', () => {
    const [local, remote, auth] = [randomBytes(16), randomBytes(16), authHash(2, login)];
    const [ours, theirs] = [new KlapSession(local, remote, auth), new KlapSession(local, remote, auth)];
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (text, place, flip) => {
          const seq = ours.next();
          const sealed = ours.seal(seq, text);
          expect(theirs.open(seq, sealed)).toBe(text);
          expect(theirs.open(seq + 1, sealed)).toBeUndefined();
          sealed[place % sealed.length]! ^= flip;
          expect(theirs.open(seq, sealed)).toBeUndefined();
        },
      ),
    );
  });

  test('a message of any bytes is refused and never thrown over', () => {
    const session = new KlapSession(randomBytes(16), randomBytes(16), randomBytes(32));
    fc.assert(
      fc.property(bytes(200), fc.integer(), (message, seq) => {
        expect(session.open(seq | 0, message)).toBeUndefined();
      }),
    );
  });

  test('the counter goes from the largest 32-bit number on to the smallest, and messages go on', () => {
    // Seeds whose session happens to start 2,530 messages before the end of the counter.
    const remote = Buffer.alloc(16);
    remote.writeUInt32BE(3_037_107, 0);
    const seeds = [Buffer.alloc(16, 1), remote, Buffer.alloc(32, 2)] as const;
    const [ours, theirs] = [new KlapSession(...seeds), new KlapSession(...seeds)];
    for (let i = 0; i < 2_530; i += 1) ours.next();
    expect(ours.seq).toBe(2 ** 31 - 1);
    const seq = ours.next();
    expect(seq).toBe(-(2 ** 31));
    expect(theirs.open(seq, ours.seal(seq, 'wrapped'))).toBe('wrapped');
  });

  test('a session is renewed 20 minutes before its end, or at half time when it is short', () => {
    expect([86_400, 1_440, undefined, 0].map(sessionLifeMs)).toEqual([
      85_200_000, 720_000, 85_200_000, 85_200_000,
    ]);
  });
});

describe('securePassthrough', () => {
  test('writes logins in both forms', () => {
    expect(passthroughLogin({ username: 'user@example.com', password: 'Pa55word' }, false)).toEqual({
      username: Buffer.from('63a710569261a24b3766275b7000ce8d7b32e2f7').toString('base64'),
      password: Buffer.from('Pa55word').toString('base64'),
    });
    expect(Object.keys(passthroughLogin(login, true))).toEqual(['username', 'password2']);
  });

  test('opens what it sealed, and nothing that was damaged', () => {
    const cipher = new PassthroughCipher(randomBytes(32));
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(cipher.open(cipher.seal(text))).toBe(text);
      }),
    );
    fc.assert(
      fc.property(fc.base64String(), (text) => {
        expect(typeof cipher.open(text)).not.toBe('object');
      }),
    );
  });
});
