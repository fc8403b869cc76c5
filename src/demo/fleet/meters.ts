import { createServer, type AddressInfo } from 'node:net';
import { ModbusSim, type ModbusFault } from '#electricity/drivers/modbus/sim.ts';
import { PulseSim, type PulseFault } from '#electricity/drivers/pulse/sim.ts';
import { wireFaults, type Part, type Site } from './site.ts';

/** Meters in the distribution board: one alone, and some on one bus behind a gateway. */
export async function openModbus(site: Site): Promise<Part> {
  const { now, drawn } = { now: site.now, drawn: site.drawn.bind(site) };
  const heating = { unit: 1, name: 'Heating', template: 'sdm630', power: drawn(['heat_pump']) };
  const board = [
    {
      unit: 1,
      name: 'Kitchen',
      template: 'sdm120',
      power: drawn(['fridge', 'freezer', 'kettle', 'washing_machine', 'dishwasher', 'oven']),
    },
    { unit: 2, name: 'Upstairs', template: 'sdm120', power: drawn(['desk', 'aquarium']) },
    ...(site.solar ? [{ unit: 3, name: 'Solar', template: 'sdm120', power: drawn(['solar']) }] : []),
  ];
  const buses = [
    {
      name: 'Heat pump cupboard',
      what: 'Eastron SDM630, Modbus TCP',
      meters: [heating],
      sim: new ModbusSim({ now, meters: [{ ...heating, energyWh: 4_812_300 }] }),
    },
    {
      name: 'Distribution board',
      what: 'Eastron SDM120s on one bus, RTU over TCP',
      meters: board,
      sim: new ModbusSim({
        now,
        framing: 'rtu',
        meters: board.map((m, i) => ({ ...m, energyWh: 951_700 + i * 1_152_300 })),
      }),
    },
  ];
  for (const { sim } of buses) await sim.listen();
  const pathOf = ({ name }: { name: string }) => `circuit.${name.toLowerCase()}`;
  return {
    section: {
      poll_interval_seconds: 10,
      buses: buses.map(({ name, sim, meters }) => ({
        name,
        host: '127.0.0.1',
        port: sim.port,
        units: meters.map((m) => ({ unit: m.unit, name: m.name, template: m.template })),
      })),
    },
    devices: buses.flatMap(({ name, meters }) =>
      meters.map((m) => ({ id: `modbus:${name}/${m.unit}`, path: pathOf(m), power: m.power })),
    ),
    faulty: buses.map(({ what, meters, sim }) => ({
      paths: meters.map(pathOf),
      what,
      faults: [...wireFaults, 'late', 'crc', 'exception', 'busy', 'reboot'],
      fault: (name, ms) => (name === 'reboot' ? sim.disconnect() : sim.fault(name as ModbusFault, ms)),
    })),
    close: async () => void (await Promise.all(buses.map(({ sim }) => sim.close()))),
  };
}

/** An ESP32 that counts the blinks of the meter of the house. */
export async function openPulse(site: Site): Promise<Part> {
  const meter = { id: 'house-meter', token: 'simulated-pulse-token' };
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/api/electricity/pulse`;
  const sim = new PulseSim({ ...meter, url, now: site.now, power: site.supply });
  return {
    section: {
      meters: [{ name: 'meter', ...meter, imp_per_kwh: 1_000 }],
      http: { port },
    },
    devices: [{ id: `pulse:${meter.id}`, path: 'meter', power: (at) => Math.max(0, site.supply(at)) }],
    faulty: [
      {
        paths: ['meter'],
        what: 'ESP32 at the light of the meter, HTTP',
        faults: [...wireFaults, 'offline', 'duplicate', 'skew', 'reboot'],
        // Its clock, and so the length of a fault, is that of the house.
        fault: (name, ms) =>
          name === 'reboot' ? sim.reboot() : sim.fault(name as PulseFault, ms * site.speed),
      },
    ],
    live: () => void sim.step().catch(() => {}),
    close: () => sim.close(),
  };
}

/** Somebody else could take it before the house does; then the house says so. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
