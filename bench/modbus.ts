/**
 * Reads of two registers one after another, and whole polls of a three-phase meter, against our simulator in another
 * process: ours and jsmodbus in turns of half a second, over Modbus TCP and RTU over TCP; the figures are medians of the
 * turns. `node bench/modbus.ts [turns]`.
 */
import { fork } from 'node:child_process';
import { connect } from 'node:net';
import Modbus from 'jsmodbus';
import { openLink } from '#electricity/drivers/modbus/bus.ts';
import type { Framing } from '#electricity/drivers/modbus/codec.ts';
import { config, protocol } from '#electricity/drivers/modbus/driver.ts';
import { ModbusSim } from '#electricity/drivers/modbus/sim.ts';
import { systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { table } from '#platform/table.ts';
import { percentile } from './lib/counting.ts';

interface Measured {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuUs: number;
}

const never = new AbortController().signal;
const unit = 7;
const start = 0x0c;
const count = 2;
const turnMs = 500;

async function serve(framing: Framing): Promise<void> {
  const sim = new ModbusSim({ framing, meters: [{ unit, template: 'sdm630', power: () => 983.5 }] });
  await sim.listen();
  process.send?.(sim.port);
  process.once('disconnect', () => void sim.close());
}

/** Runs `once` over and over for so many ms. */
async function measure(once: () => Promise<unknown>, ms: number): Promise<Measured> {
  const took: number[] = [];
  const cpu = process.cpuUsage();
  const began = performance.now();
  const end = began + ms;
  for (let now = began; now < end;) {
    await once();
    const after = performance.now();
    took.push(after - now);
    now = after;
  }
  const { user, system } = process.cpuUsage(cpu);
  return {
    perSecond: (took.length * 1_000) / (performance.now() - began),
    p50: percentile(took, 0.5),
    p99: percentile(took, 0.99),
    cpuUs: (user + system) / took.length,
  };
}

function ourLink(port: number, framing: Framing) {
  const [bus] = config.parse({ buses: [{ host: '127.0.0.1', port }] }).buses;
  const link = openLink(bus!, framing);
  return { once: () => link.read({ unit, fn: 4, start, count }, 1_000, never), close: () => link.close() };
}

async function theirs(port: number, framing: Framing) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const client =
    framing === 'tcp'
      ? new Modbus.client.TCP(socket, unit, 1_000)
      : new Modbus.client.RTU(socket as never, unit, 1_000);
  await new Promise((resolve) => socket.once('connect', resolve));
  // It knows a serial port by this event.
  socket.emit('open');
  return { once: () => client.readInputRegisters(start, count), close: () => void socket.destroy() };
}

function ourPoll(port: number, framing: Framing) {
  const settings = config.parse({
    buses: [
      {
        host: '127.0.0.1',
        port,
        framing: framing === 'tcp' ? 'tcp' : 'rtu-over-tcp',
        units: [{ name: 'Cellar', unit, template: 'sdm630' }],
      },
    ],
  });
  const log = new Logger({ write: () => {} });
  const io = { clock: systemClock, log, random: Math.random };
  const station = protocol.open(protocol.configured(settings)[0]!, settings, io);
  return { once: () => station.poll(never), close: () => station.close() };
}

const contenders = [
  ['jsmodbus, read', theirs],
  ['Lares, read', ourLink],
  ['Lares, poll of an SDM630 (3 reads, 17 values)', ourPoll],
] as const;

async function main(turns: number): Promise<void> {
  const rows: string[][] = [];
  for (const framing of ['tcp', 'rtu'] as const) {
    const child = fork(import.meta.filename, ['serve', framing]);
    const port = await new Promise<number>((resolve) => child.once('message', (p) => resolve(Number(p))));
    const all = await Promise.all(
      contenders.map(async ([title, make]) => ({ title, ...(await make(port, framing)) })),
    );
    const turnsOf = all.map((): Measured[] => []);
    for (const { once } of all) await measure(once, turnMs);
    for (let i = 0; i < turns; i += 1)
      for (const [index, { once }] of all.entries()) turnsOf[index]!.push(await measure(once, turnMs));
    const median = (index: number, key: keyof Measured) =>
      percentile(
        turnsOf[index]!.map((m) => m[key]),
        0.5,
      );
    for (const [index, { title, close }] of all.entries()) {
      close();
      rows.push([
        framing === 'tcp' ? 'Modbus TCP' : 'RTU over TCP',
        title,
        median(index, 'perSecond').toFixed(0),
        median(index, 'p50').toFixed(3),
        median(index, 'p99').toFixed(3),
        median(index, 'cpuUs').toFixed(0),
        index === 2 ? '' : `${(median(index, 'perSecond') / median(0, 'perSecond')).toFixed(2)}x`,
      ]);
    }
    child.disconnect();
  }
  console.log(table(['FRAMING', 'WHAT', 'PER SECOND', 'P50 MS', 'P99 MS', 'CPU US', 'RATIO'], rows));
}

const [what, framing] = process.argv.slice(2);
await (what === 'serve' ? serve(framing as Framing) : main(Number(what ?? 12)));
