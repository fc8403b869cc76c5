import { httpFaults, type HttpFault } from '#electricity/drivers/shared/sim-http.ts';
import { ShellySim } from '#electricity/drivers/shelly/sim.ts';
import { TuyaSim, tuyaFaults, type TuyaFault } from '#electricity/drivers/tuya/sim.ts';
import type { Part, Site } from './site.ts';

const tuyaPlugs = [
  { id: 'bf00000000000000freezr', name: 'Freezer', version: '3.3', of: 'freezer' },
  { id: 'bf000000000000dishwash', name: 'Dishwasher', version: '3.5', of: 'dishwasher' },
] as const;
const key = '0123456789abcdef';

/** A plug of an older and one of the newest protocol. */
export async function openTuya(site: Site): Promise<Part> {
  const sims = await Promise.all(
    tuyaPlugs.map(({ id, version, of }) =>
      new TuyaSim({ id, key, version, now: site.now, power: site.power[of] }).listen(),
    ),
  );
  for (const [i, { of }] of tuyaPlugs.entries()) site.behind(of, () => sims[i]!.device.on);
  return {
    section: {
      // Broadcasts of real devices are none of the demo's business.
      discovery: { bind: '127.0.0.1' },
      devices: tuyaPlugs.map(({ id, name, version }, i) => {
        const { host, port } = sims[i]!;
        return { id, key, name, version, host, port };
      }),
    },
    overrides: [{ device: `tuya:${tuyaPlugs[0].id}`, control: false }],
    devices: tuyaPlugs.map(({ id, of }) => ({ id: `tuya:${id}`, path: `tuya.${of}`, power: site.power[of] })),
    faulty: tuyaPlugs.map(({ version, of }, i) => ({
      paths: [`tuya.${of}`],
      what: `Tuya plug, protocol ${version}`,
      faults: [...tuyaFaults, 'reboot'],
      fault: (name, ms) => {
        if (name !== 'reboot') return sims[i]!.fault(name as TuyaFault, ms);
        sims[i]!.device.reboot();
        sims[i]!.disconnect();
      },
    })),
    close: async () => void (await Promise.all(sims.map((sim) => sim.close()))),
  };
}

/** A plug, and a three-phase meter in front of the whole house. */
export async function openShelly(site: Site): Promise<Part> {
  const { now, power } = site;
  const [fridgeMac, supplyMac] = ['02000000b001', '02000000b002'];
  const fridge = await new ShellySim({ mac: fridgeMac, name: 'Fridge', now, power: power.fridge }).listen();
  site.behind('fridge', () => fridge.isOn());
  const supply = await new ShellySim({
    model: 'pro-3em',
    mac: supplyMac,
    name: 'Supply',
    now,
    power: [
      site.drawn(['fridge', 'freezer', 'kettle', 'washing_machine', 'dishwasher', 'oven']),
      site.drawn(['heat_pump', 'solar']),
      site.drawn(['television', 'console', 'router', 'lamp', 'lights', 'desk', 'aquarium']),
    ],
  }).listen();
  const all = [
    { sim: fridge, path: 'shelly.fridge', what: 'Shelly Plus Plug S' },
    { sim: supply, path: 'shelly.supply', what: 'Shelly Pro 3EM in front of everything' },
  ];
  return {
    section: { devices: all.map(({ sim }) => ({ host: sim.host })) },
    overrides: [{ device: `shelly:${supplyMac}/em:0`, whole_house: true }],
    devices: [
      { id: `shelly:${fridgeMac}/switch:0`, path: 'shelly.fridge', power: power.fridge },
      { id: `shelly:${supplyMac}/em:0`, path: 'shelly.supply', power: site.supply },
    ],
    faulty: all.map(({ sim, path, what }) => ({
      paths: [path],
      what,
      faults: [...httpFaults, 'reboot'],
      fault: (name, ms) =>
        name === 'reboot' ? sim.reboot({ resetCounters: true }) : sim.fault(name as HttpFault, ms),
    })),
    live: () => {
      fridge.counted();
      supply.counted();
    },
    close: async () => void (await Promise.all([fridge.close(), supply.close()])),
  };
}
