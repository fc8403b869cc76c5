import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensureToken, readToken, sameSecret, tokenFile } from './token.ts';

let dir: string;
beforeEach(() => void (dir = mkdtempSync(path.join(tmpdir(), 'lares-token-'))));
afterEach(() => rmSync(dir, { recursive: true }));

test('a token is made once, readable by its owner only, and stays the same', () => {
  const token = ensureToken(dir);
  expect(token).toMatch(/^[\w-]{43}$/);
  expect(statSync(path.join(dir, tokenFile)).mode & 0o777).toBe(0o600);
  expect(ensureToken(dir)).toBe(token);
  expect(readToken(dir)).toBe(token);
});

test('a token that was cut off is replaced', () => {
  writeFileSync(path.join(dir, tokenFile), 'abc');
  const token = ensureToken(dir);
  expect(readFileSync(path.join(dir, tokenFile), 'utf8')).toBe(`${token}\n`);
  expect(token).toHaveLength(43);
});

test('without a token the error says as whom to run', () => {
  expect(() => readToken(dir)).toThrow(/run this as the user of the service/);
});

test('only the whole secret is the secret, and an empty one is none', () => {
  expect(sameSecret('abcd', 'abcd')).toBe(true);
  expect(sameSecret('abc', 'abcd')).toBe(false);
  expect(sameSecret('', '')).toBe(false);
});
