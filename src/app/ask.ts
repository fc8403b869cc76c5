import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { LaresError } from '#kernel/errors.ts';

/** Asks a person at a terminal; what is `secret` is not shown while it is typed. Throws USAGE where nobody can be asked. */
export async function askPerson(question: string, secret: boolean): Promise<string> {
  if (!process.stdin.isTTY)
    throw new LaresError(
      'USAGE',
      `${question}: nobody can be asked here; give it as an option or in the environment`,
    );
  let muted = false;
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (!muted) process.stderr.write(chunk);
      done();
    },
  });
  const lines = createInterface({ input: process.stdin, output, terminal: true });
  try {
    const asked = lines.question(`${question}: `);
    muted = secret;
    return (await asked).trim();
  } finally {
    lines.close();
    if (secret) process.stderr.write('\n');
  }
}
