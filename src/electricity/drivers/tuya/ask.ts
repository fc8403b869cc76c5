import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { LaresError } from '#kernel/errors.ts';

/** Asks the person at the terminal; a secret is not shown while it is typed. Throws USAGE where nobody sits there. */
export async function askTerminal(question: string, secret: boolean): Promise<string> {
  if (!process.stdin.isTTY)
    throw new LaresError(
      'USAGE',
      'nobody can be asked here; set TUYA_ACCESS_ID, TUYA_ACCESS_SECRET and TUYA_REGION in the environment or in lares.env',
    );
  process.stderr.write(question);
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) =>
      secret ? done() : void process.stderr.write(chunk, () => done()),
  });
  const lines = createInterface({ input: process.stdin, output, terminal: true });
  try {
    return await lines.question('');
  } finally {
    lines.close();
    if (secret) process.stderr.write('\n');
  }
}
