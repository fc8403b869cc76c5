import { readFileSync } from 'node:fs';
import type { Log } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import type { LanScanner } from '../model.ts';
import { kernelCaveat, openKernelScanner } from './kernel.ts';
import { openRawScanner } from './raw.ts';

export const scannerModes = ['auto', 'raw', 'kernel'] as const;
export type ScannerMode = (typeof scannerModes)[number];

export interface ScannerOptions {
  readonly mode: ScannerMode;
  /** CIDR; nothing outside them is ever asked. */
  readonly networks: readonly string[];
  readonly interface?: string | undefined;
  /** A hard limit; undefined lets each method choose a gentle one. */
  readonly maxFramesPerSecond?: number | undefined;
  /** Rounds after the first that a raw sweep of a lossy network may take. */
  readonly retries: number;
  readonly log?: Log | undefined;
}

export type OpenScanner = (options: ScannerOptions) => Promise<LanScanner>;

// linux/capability.h
const netRawBit = 13n;

/** True when the text of `/proc/<pid>/status` grants CAP_NET_RAW. */
export function grantsNetRaw(status: string): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> netRawBit) & 1n) === 1n;
}

/** True when this process may open raw sockets. */
export function mayUseRaw(): boolean {
  try {
    return grantsNetRaw(readFileSync('/proc/self/status', 'utf8'));
  } catch {
    return false;
  }
}

const withCapability = 'raw ARP: this process has CAP_NET_RAW';
const grant =
  'grant CAP_NET_RAW (systemd: AmbientCapabilities=CAP_NET_RAW) for faster sweeps and passive listening';
// Causes that another method could avoid; a missing interface is not one of them.
const methodFailures = new Set(['PERMISSION_MISSING', 'INTERNAL']);

/**
 * Opens the best scanner that this process may use. `raw` throws PERMISSION_MISSING without CAP_NET_RAW; every mode
 * throws UNREACHABLE when an interface is down or has no address in a configured network.
 */
export const chooseScanner: OpenScanner = async (options) => {
  const kernel = (because: string) =>
    openKernelScanner({ ...options, why: `the kernel's own ARP: ${because}; ${grant}${kernelCaveat}` });
  if (options.mode === 'kernel')
    return openKernelScanner({ ...options, why: `the kernel's own ARP, as configured${kernelCaveat}` });
  if (options.mode === 'auto' && !mayUseRaw()) return kernel('no CAP_NET_RAW');
  try {
    return await openRawScanner({ ...options, why: withCapability });
  } catch (error) {
    const other = error instanceof LaresError && methodFailures.has(error.code);
    if (options.mode === 'raw' || !(other || isCrash(error))) throw error;
    options.log?.warn(`wifi scan error: raw ARP does not work: ${reason(error)}; using the kernel's own ARP`);
    return kernel(reason(error));
  }
};

// koffi's native part may be missing or unfit for this machine: the scanner process then ends at once.
const isCrash = (error: unknown) => reason(error).startsWith('the scanner process ended');
