/** What a breaker says about one phase. */
export interface Phase {
  readonly volts: number;
  readonly amps: number;
  readonly watts: number;
}

// Length of the packet in bytes decides how wide its three numbers are; all are big-endian, tenths of a volt, mA, W.
const widths: Readonly<Record<number, readonly [volts: number, amps: number, watts: number]>> = {
  7: [2, 3, 2],
  8: [2, 3, 3],
  9: [3, 3, 3],
};

/** Reads a packed base64 phase; undefined for anything else. Longer packets begin like one of 8 bytes. */
export function readPhase(value: unknown): Phase | undefined {
  if (typeof value !== 'string' || value.length > 200 || !/^[A-Za-z0-9+/]{8,}={0,2}$/.test(value))
    return undefined;
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length < 7) return undefined;
  const [v, i, p] = widths[Math.min(bytes.length, 10)] ?? [2, 3, 3];
  const volts = bytes.readUIntBE(0, v) / 10;
  const amps = bytes.readUIntBE(v, i) / 1000;
  // Negative where energy flows back; no household phase carries 8 MW.
  const watts = p === 2 ? bytes.readUIntBE(v + i, p) : bytes.readIntBE(v + i, p);
  return volts > 1000 || amps > 1000 ? undefined : { volts, amps, watts };
}

/** For simulators. */
export function writePhase({ volts, amps, watts }: Phase): string {
  const bytes = Buffer.alloc(8);
  bytes.writeUIntBE(Math.round(volts * 10), 0, 2);
  bytes.writeUIntBE(Math.round(amps * 1000), 2, 3);
  bytes.writeIntBE(Math.round(watts), 5, 3);
  return bytes.toString('base64');
}
