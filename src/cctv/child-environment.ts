/** What a process around native code needs: where things are, and what the drivers of video and GPU read. */
const passedOn =
  /^(PATH|HOME|LANG|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|LIBVA_\w+|CUDA_\w+|NVIDIA_\w+|XDG_CACHE_HOME|NODE_V8_COVERAGE)$/;

type Env = Readonly<Record<string, string | undefined>>;

/**
 * The environment of a child process that reads what comes from outside. Passwords and tokens of the house often stand
 * in ours, and a fault in native code must not find them.
 */
export const childEnvironment = (env: Env): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => passedOn.test(entry[0])),
  );
