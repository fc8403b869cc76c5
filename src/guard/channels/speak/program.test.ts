import { expect, test } from 'vitest';
import { until } from '../../../../tests/servers/process.ts';
import { never } from './fixture.ts';
import { start } from './program.ts';

const shell = (script: string) => start('sh', ['-c', script], { PATH: process.env['PATH'] }, never);

test('the reason of a failure is heard although it comes after the end', async () => {
  // The input ends when the program does.
  const { ended } = shell('(cat <&3; echo no such device >&2) 3<&0 & exit 1');
  expect(await ended).toEqual({ code: 1, said: 'no such device' });
});

test('a program that leaves another one behind, which holds its pipes, has ended all the same', async () => {
  const { child, ended } = shell('sleep 600 & echo $!; echo busy >&2; exit 1');
  let left = '';
  child.stdout.on('data', (chunk: Buffer) => (left += chunk.toString()));
  await until(() => left.endsWith('\n'));
  try {
    expect(await ended).toEqual({ code: 1, said: 'busy' });
  } finally {
    process.kill(Number(left));
  }
});
