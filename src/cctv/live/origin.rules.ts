/**
 * Why a page may not open a socket here; undefined when it may. Browsers let every page open sockets to every host and
 * only say where the page is from, so the two must be the same. Programs that are no browser send no Origin.
 */
export function foreignOrigin(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): string | undefined {
  const { origin, host } = headers;
  if (origin === undefined) return undefined;
  const from = typeof origin === 'string' && URL.canParse(origin) ? new URL(origin) : undefined;
  if (from !== undefined && /^https?:$/.test(from.protocol) && from.host === String(host).toLowerCase())
    return undefined;
  return 'a page of another site asked; only pages of this server may watch';
}
