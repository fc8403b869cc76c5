import { afterEach, expect, test, vi } from 'vitest';
import { buildProgram, runProgram } from './program.ts';

afterEach(() => vi.restoreAllMocks());

test.each([
  ['cctv false', "missing required argument 'alert'", 'lares cctv false --help'],
  ['cctv rules try --dys 3', "unknown option '--dys'", 'lares cctv rules try --help'],
  ['audio test', "required option '--speaker <id>' not specified", 'lares audio test --help'],
  ['frob', "unknown command 'frob'", 'lares --help'],
])('a wrong call, lares %s, is answered with the help of that command', async (line, why, help) => {
  const said: string[] = [];
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(String(text)) > 0);
  const wrong: string[] = [];
  expect(await runProgram(buildProgram, line.split(' '), {}, ({ message }) => wrong.push(message))).toBe(2);
  expect(said.join('')).toContain(`error: ${why}`);
  expect(said.join('')).toContain(`(${help} `);
  expect(wrong.join()).toContain(why);
});
