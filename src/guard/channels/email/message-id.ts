import { createHash } from 'node:crypto';

/**
 * The same alerts have the same Message-ID for ever, so that a mail server or reader recognises a second try.
 * `from` is the sender's address: its domain makes the id unique in the world (RFC 5322, 3.6.4).
 */
export function messageId(ids: readonly string[], from: string): string {
  const domain = from.slice(from.lastIndexOf('@') + 1);
  const only = ids.length === 1 ? ids[0]! : undefined;
  const local =
    only !== undefined && /^[A-Za-z0-9_-]{1,100}$/.test(only)
      ? only
      : createHash('sha256').update(ids.toSorted().join('\n')).digest('hex').slice(0, 40);
  return `<${ids.length > 1 ? 'digest-' : ''}${local}@${domain}>`;
}
