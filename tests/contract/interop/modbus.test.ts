import { execFile } from 'node:child_process';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { promisify } from 'node:util';
import Modbus from 'jsmodbus';
import { afterEach, describe, expect, test } from 'vitest';
import { openLink } from '#electricity/drivers/modbus/bus.ts';
import { Refusal } from '#electricity/drivers/modbus/codec.ts';
import { config, protocol } from '#electricity/drivers/modbus/driver.ts';
import { ModbusSim } from '#electricity/drivers/modbus/sim.ts';
import { decodeValue } from '#electricity/drivers/modbus/value.codec.ts';
import { systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { freePort, installed, launch, stop, untilListening } from '../../servers/process.ts';

/** Debian's package python3-pymodbus: `apt-get install python3-pymodbus`. */
const python = installed('/usr/bin/python3') ?? '/usr/bin/python3';
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const never = new AbortController().signal;
// Debian only recommends the packages for serial ports, and pymodbus imports them even where there is none.
const withoutSerial = `
import sys
from unittest.mock import MagicMock
for name in ("serial", "serial_asyncio"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        sys.modules[name] = MagicMock()
`;

async function poll(port: number, framing: 'auto' | 'tcp' | 'rtu-over-tcp', template = 'sdm120') {
  const settings = config.parse({
    timeout_seconds: 60,
    buses: [
      {
        name: 'Board',
        host: '127.0.0.1',
        port,
        framing,
        reply_timeout_seconds: framing === 'auto' ? 2 : 10,
        units: [{ name: 'Oven', unit: 7, template }],
      },
    ],
  });
  const log = new Logger({ write: () => {} });
  const station = protocol.open(protocol.configured(settings)[0]!, settings, {
    clock: systemClock,
    log,
    random: () => 0.5,
  });
  closers.push(() => station.close());
  return (await station.poll(AbortSignal.timeout(60_000))).answers[0]?.values;
}

function linkTo(port: number, framing: 'tcp' | 'rtu') {
  const [bus] = config.parse({ buses: [{ host: '127.0.0.1', port }] }).buses;
  const link = openLink(bus!, framing);
  closers.push(() => link.close());
  return link;
}

/** What both servers keep: the floats of an SDM120 as its manual lays them out. */
const kept: readonly (readonly [address: number, value: number])[] = [
  [0x00, 231.5],
  [0x06, 4.25],
  [0x0c, 983.5],
  [0x12, 984],
  [0x18, -12.75],
  [0x1e, 0.5],
  [0x46, 50],
  [0x48, 1234.5],
  [0x4a, 0.25],
];
const said = {
  voltage_volts: 231.5,
  current_amps: 4.25,
  power_watts: 983.5,
  apparent_power_va: 984,
  reactive_power_var: -12.75,
  power_factor: 0.5,
  frequency_hertz: 50,
  energy_wh: 1_234_500,
  export_wh: 250,
};

describe('pymodbus', () => {
  const server = `${withoutSerial}
import struct, asyncio
from pymodbus.server.async_io import StartAsyncTcpServer
from pymodbus.datastore import ModbusSlaveContext, ModbusServerContext, ModbusSequentialDataBlock
from pymodbus.transaction import ModbusRtuFramer, ModbusSocketFramer
words = [0] * 256
for pair in sys.argv[3].split(","):
    at, value = pair.split("=")
    words[int(at)], words[int(at) + 1] = struct.unpack(">HH", struct.pack(">f", float(value)))
unit = ModbusSlaveContext(ir=ModbusSequentialDataBlock(0, words), hr=ModbusSequentialDataBlock(0, words), zero_mode=True)
context = ModbusServerContext(slaves={7: unit}, single=False)
framer = ModbusRtuFramer if sys.argv[2] == "rtu" else ModbusSocketFramer
asyncio.run(StartAsyncTcpServer(context, address=("127.0.0.1", int(sys.argv[1])), framer=framer, ignore_missing_slaves=True))
`;

  async function pymodbus(framing: 'tcp' | 'rtu') {
    const port = await freePort();
    const values = kept.map(([at, value]) => `${at}=${value}`).join(',');
    const { child, output } = launch(python, ['-c', server, String(port), framing, values]);
    closers.push(() => stop(child));
    await untilListening(port, () => `is python3-pymodbus installed? ${output()}`);
    return port;
  }

  test.each(['tcp', 'rtu'] as const)(
    'its server is read over %s, and its framing is found',
    async (framing) => {
      const port = await pymodbus(framing);
      expect(await poll(port, framing === 'tcp' ? 'tcp' : 'rtu-over-tcp')).toEqual(said);
      expect(await poll(port, 'auto')).toEqual(said);
    },
  );

  test.each(['tcp', 'rtu'] as const)('its refusals over %s are understood', async (framing) => {
    const link = linkTo(await pymodbus(framing), framing);
    const error = await link
      .read({ unit: 7, fn: 4, start: 5000, count: 2 }, 30_000, never)
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(Refusal);
    expect((error as Refusal).exception).toBe(2);
    const data = await link.read({ unit: 7, fn: 3, start: 0x0c, count: 2 }, 30_000, never);
    expect(decodeValue('float32', 'ABCD', data)).toBe(983.5);
  });

  test.each(['tcp', 'rtu'] as const)('its client reads our simulator over %s', async (framing) => {
    const sim = await new ModbusSim({
      framing,
      meters: [{ unit: 7, template: 'sdm120', power: () => 983.5 }],
    }).listen();
    closers.push(() => sim.close());
    const client = `${withoutSerial}
import struct
from pymodbus.client import ModbusTcpClient
from pymodbus.transaction import ModbusRtuFramer, ModbusSocketFramer
framer = ModbusRtuFramer if sys.argv[2] == "rtu" else ModbusSocketFramer
client = ModbusTcpClient("127.0.0.1", port=int(sys.argv[1]), framer=framer, timeout=30)
client.connect()
good = client.read_input_registers(0x0c, 2, slave=7)
print(struct.unpack(">f", struct.pack(">HH", *good.registers))[0])
bad = client.read_holding_registers(0, 2, slave=7)
print(bad.isError(), bad.exception_code)
client.close()
`;
    const run = promisify(execFile)(python, ['-c', client, String(sim.port), framing], { timeout: 100_000 });
    expect((await run).stdout).toBe('983.5\nTrue 1\n');
  });
});

describe('jsmodbus', () => {
  function memory(): Buffer {
    const buffer = Buffer.alloc(512);
    for (const [at, value] of kept) buffer.writeFloatBE(value, at * 2);
    return buffer;
  }

  /** Its TCP server answers for every unit; its RTU server takes any stream. */
  async function jsmodbus(framing: 'tcp' | 'rtu') {
    const sockets = new Set<Socket>();
    const netServer = createServer();
    netServer.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      // Its type names a serial port; it only reads and writes.
      if (framing === 'rtu') new Modbus.server.RTU(socket as never, { input: memory() });
    });
    if (framing === 'tcp') new Modbus.server.TCP(netServer, { input: memory() });
    await new Promise<void>((resolve) => netServer.listen(0, '127.0.0.1', resolve));
    closers.push(() => {
      for (const socket of sockets) socket.destroy();
      netServer.close();
    });
    return (netServer.address() as AddressInfo).port;
  }

  test.each(['tcp', 'rtu'] as const)('its server is read over %s', async (framing) => {
    const port = await jsmodbus(framing);
    expect(await poll(port, framing === 'tcp' ? 'tcp' : 'rtu-over-tcp')).toEqual(said);
  });

  test.each(['tcp', 'rtu'] as const)('its client reads our simulator over %s', async (framing) => {
    const sim = await new ModbusSim({
      framing,
      meters: [{ unit: 7, template: 'sdm120', power: () => 983.5 }],
    }).listen();
    closers.push(() => sim.close());
    const socket = connect(sim.port, '127.0.0.1');
    closers.push(() => socket.destroy());
    const client =
      framing === 'tcp'
        ? new Modbus.client.TCP(socket, 7, 30_000)
        : new Modbus.client.RTU(socket as never, 7, 30_000);
    // It must exist before the connection does, and knows a serial port by its event.
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.emit('open');
    const { response } = await client.readInputRegisters(0x0c, 2);
    expect(response.body.valuesAsBuffer.readFloatBE()).toBe(983.5);
    const error = await client.readHoldingRegisters(0, 2).catch((e: unknown) => e);
    expect(error).toMatchObject({ err: 'ModbusException', response: { body: { code: 1 } } });
  });
});
