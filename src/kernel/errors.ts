/** What the reader of an error should do about it. The supervisor acts on it too. */
export type Remedy = 'retry' | 'fix-config' | 'fix-device' | 'report-bug';

/** Every error that Lares raises on purpose. `docs/reference/errors.md` lists the same codes (a test compares both). */
export const codes = {
  CONFIG_INVALID: { remedy: 'fix-config', title: 'A setting is missing, misspelt or out of range' },
  CONFIG_UNREADABLE: { remedy: 'fix-config', title: 'The configuration file cannot be read' },
  USAGE: { remedy: 'fix-config', title: 'A command was called with the wrong words' },
  AUTH_REFUSED: { remedy: 'fix-config', title: 'A server refused the credentials' },
  PERMISSION_MISSING: { remedy: 'fix-config', title: 'The operating system refused an action' },
  FORBIDDEN: { remedy: 'fix-config', title: 'The settings do not allow this action' },
  UNREACHABLE: { remedy: 'retry', title: 'A host did not answer' },
  TIMEOUT: { remedy: 'retry', title: 'A host answered too slowly or not at all' },
  RATE_LIMITED: { remedy: 'retry', title: 'A server asked for fewer requests' },
  NOT_FOUND: { remedy: 'fix-config', title: 'Something that was named does not exist' },
  BAD_REPLY: { remedy: 'fix-device', title: 'A peer sent something that its protocol does not allow' },
  GONE: { remedy: 'fix-config', title: 'A service no longer offers what was asked of it' },
  STORE_UNAVAILABLE: { remedy: 'retry', title: 'The database cannot be written or read at the moment' },
  STORE_CORRUPT: { remedy: 'fix-device', title: 'The database file is damaged' },
  STORE_NEWER: { remedy: 'fix-config', title: 'The database was written by a newer version' },
  ALREADY_RUNNING: { remedy: 'fix-config', title: 'Another Lares uses the same data directory' },
  INTERNAL: { remedy: 'report-bug', title: 'A mistake in Lares itself' },
} as const satisfies Record<string, { remedy: Remedy; title: string }>;

export type Code = keyof typeof codes;

/** The one error class: a stable code, a sentence for people, and what to do about it. */
export class LaresError extends Error {
  readonly code: Code;
  /** Milliseconds that a server asked us to wait before the next try. */
  readonly retryAfterMs: number | undefined;

  constructor(code: Code, message: string, options?: ErrorOptions & { retryAfterMs?: number }) {
    super(message, options);
    this.name = 'LaresError';
    this.code = code;
    this.retryAfterMs = options?.retryAfterMs;
  }

  get remedy(): Remedy {
    return codes[this.code].remedy;
  }
}

/** The sentence of any thrown value, with its innermost system code (`ECONNREFUSED`) where there is one. */
export function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause : undefined;
  const errno = (error as NodeJS.ErrnoException).code ?? (cause as NodeJS.ErrnoException | undefined)?.code;
  const text = error.message !== '' ? error.message : (cause?.message ?? error.name);
  const known = errno === undefined || errno in codes || text.includes(errno);
  return known ? text : `${text} (${errno})`;
}
