/** Which bytes of a file of `size` bytes are wanted: from, and up to but not including. */
export interface Bytes {
  readonly from: number;
  readonly to: number;
}

/**
 * What a request with `Range` wants of a file of `size` bytes (RFC 9110, 14.2): undefined for all of it, `none` where
 * nothing of the range exists. Several ranges at once, other units and what cannot be read are answered with all of it,
 * and so is `If-Range` with the tag of another file.
 */
export function wantedBytes(
  header: string | undefined,
  size: number,
  tag: string,
  ifRange?: string,
): Bytes | 'none' | undefined {
  const match = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/i.exec(header ?? '');
  if (match === null || (ifRange !== undefined && ifRange !== tag)) return undefined;
  const [first, last] = [match[1]!, match[2]!];
  if (first === '' && last === '') return undefined;
  const from = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const to = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
  // A range that ends before it begins is none.
  if (first !== '' && last !== '' && Number(last) < from) return undefined;
  return from >= size || (first === '' && Number(last) === 0) ? 'none' : { from, to };
}
