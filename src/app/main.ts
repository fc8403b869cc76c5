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

process.exitCode = await runProgram(buildProgram, process.argv.slice(2), process.env).catch(
  (error: unknown) => {
    const code = error instanceof LaresError ? error.code : 'INTERNAL';
    process.stderr.write(
      `lares: ${reason(error)}${code === 'INTERNAL' && error instanceof Error ? `\n${error.stack}` : ''}\n`,
    );
    return error instanceof LaresError && (code === 'USAGE' || code.startsWith('CONFIG_')) ? 2 : 1;
  },
);
