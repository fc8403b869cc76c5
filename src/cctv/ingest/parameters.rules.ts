/** Where the type of a NAL unit stands in its header, and which types are parameter sets (H.264 7.4.1, H.265 7.4.2.2). */
const kinds: Readonly<
  Record<
    string,
    { type: (header: number) => number; sets: ReadonlySet<number>; slices: (t: number) => boolean }
  >
> = {
  h264: { type: (h) => h & 0x1f, sets: new Set([7, 8]), slices: (t) => t >= 1 && t <= 5 },
  hevc: { type: (h) => (h >> 1) & 0x3f, sets: new Set([32, 33, 34]), slices: (t) => t < 32 },
};

/**
 * The parameter sets that stand before the picture in a packet with start codes (Annex B), with start codes of four bytes;
 * undefined when it carries none.
 */
export function parameterSets(codec: string, data: Uint8Array): Buffer | undefined {
  const kind = Object.hasOwn(kinds, codec) ? kinds[codec] : undefined;
  if (kind === undefined) return undefined;
  const buffer = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const parts: Buffer[] = [];
  let at = buffer.indexOf(startCode);
  while (at >= 0 && at + 3 < buffer.length) {
    const begin = at + 3;
    const type = kind.type(buffer[begin]!);
    if (kind.slices(type)) break;
    const next = buffer.indexOf(startCode, begin);
    let end = next < 0 ? buffer.length : next;
    while (end > begin && buffer[end - 1] === 0) end -= 1;
    if (kind.sets.has(type)) parts.push(Buffer.from([0, 0, 0, 1]), buffer.subarray(begin, end));
    at = next;
  }
  return parts.length === 0 ? undefined : Buffer.concat(parts);
}

const startCode = Buffer.from([0, 0, 1]);
