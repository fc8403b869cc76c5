/** Runs a scanner inside a test LAN and prints what it finds as JSON lines: `lan-scan.ts '{"mode":"raw",…}'`. */
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { chooseScanner, type ScannerMode } from '#devices/lan/choose.ts';
import { openKernelScanner } from '#devices/lan/kernel.ts';
import { askDevice } from '#devices/lan/names.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import type { Target } from '#devices/model.ts';

export interface ScanOrder {
  readonly mode: ScannerMode;
  readonly networks: readonly string[];
  readonly interface?: string;
  readonly retries?: number;
  /** The kernel method with this way of reading its table. */
  readonly table?: 'ip' | 'proc';
  readonly sweeps?: number;
  /** At least so long between sweeps. */
  readonly pauseMs?: number;
  /** Each further sweep also waits for a line on standard input: the LAN has changed. */
  readonly waits?: boolean;
  readonly probe?: readonly Target[];
  readonly listenMs?: number;
  /** Addresses whose owners are asked for their names. */
  readonly names?: readonly string[];
}

const order = JSON.parse(process.argv[2] ?? '{}') as ScanOrder;
const say = (value: object) => console.log(JSON.stringify(value));
const lines = order.waits === true ? createInterface({ input: process.stdin }) : undefined;
const word = lines?.[Symbol.asyncIterator]();
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
try {
  const scanner =
    order.table === undefined
      ? await chooseScanner({ ...order, retries: order.retries ?? 4 })
      : await openKernelScanner({ ...order, why: order.table });
  say({ method: scanner.method, why: scanner.why });
  try {
    const [network = ''] = order.networks;
    for (let i = 0; i < (order.sweeps ?? 0); i += 1) {
      if (i > 0) await Promise.all([wait(order.pauseMs ?? 0), word?.next()]);
      for (const each of order.networks) say({ sweep: await scanner.sweep(each, stop.signal) });
    }
    if (order.probe !== undefined) say({ probe: await scanner.probe(network, order.probe, stop.signal) });
    for (const ip of order.names ?? []) say({ name: await askDevice(ip, stop.signal) });
    if (order.listenMs !== undefined) {
      const over = AbortSignal.any([stop.signal, AbortSignal.timeout(order.listenMs)]);
      say({ listening: scanner.listen !== undefined });
      await scanner.listen?.(order.networks, (heard) => say({ heard }), over);
    }
  } finally {
    await scanner.close();
    lines?.close();
  }
} catch (error) {
  say({ failed: error instanceof LaresError ? error.code : 'other', message: reason(error) });
}
