import { LaresError, reason } from '#kernel/errors.ts';
import { buildProgram, runProgram } from './program.ts';

process.on('uncaughtException', (error) => {
  // The word is what operators grep for; systemd starts us again.
  process.stderr.write(
    `${new Date().toISOString()}|FATAL|lares|INTERNAL|uncaught exception: ${error.stack ?? reason(error)}\n`,
  );
  process.exit(70);
});

// A reader that went away (`| head`, a journal that restarts) or a log file on a full disk must not stop the house.
for (const out of [process.stdout, process.stderr]) out.on('error', () => {});

const [args, wantsJson] = [process.argv.slice(2), process.argv.includes('--json')];
let answered = false;
const write = process.stdout.write.bind(process.stdout) as (...all: unknown[]) => boolean;
process.stdout.write = (...all: unknown[]) => {
  answered = true;
  return write(...all);
};

/** With --json there is one document on stdout, also of a command that fails before it printed any. */
function failed(error: unknown): void {
  const code = error instanceof LaresError ? error.code : 'INTERNAL';
  if (wantsJson && !answered)
    process.stdout.write(`${JSON.stringify({ error: { code, message: reason(error) } }, undefined, 2)}\n`);
}

process.exitCode = await runProgram(buildProgram, args, process.env, failed).catch((error: unknown) => {
  const code = error instanceof LaresError ? error.code : 'INTERNAL';
  failed(error);
  process.stderr.write(
    `lares: ${reason(error)}${code === 'INTERNAL' && error instanceof Error ? `\n${error.stack}` : ''}\n`,
  );
  return error instanceof LaresError && (code === 'USAGE' || code.startsWith('CONFIG_')) ? 2 : 1;
});
