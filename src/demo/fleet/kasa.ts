import {
  kasaFaults,
  KasaSim,
  simLogin,
  type KasaFault,
  type KasaSimOptions,
} from '#electricity/drivers/kasa/sim.ts';
import type { ApplianceName } from '../appliances.ts';
import type { Part, Site } from './site.ts';

interface Plug {
  readonly options: Omit<KasaSimOptions, 'mac' | 'host' | 'ports'> & { readonly name: string };
  readonly what: string;
  /** Series and appliance of each socket. */
  readonly sockets: readonly (readonly [path: string, ApplianceName])[];
  /** What the sockets of a strip are called; nothing is in one without a name. */
  readonly names?: readonly (string | undefined)[];
  readonly everySeconds?: number;
}

const weekMs = 7 * 86_400_000;
const tries = 10;
const firstHost = 21;

const plugs: readonly Plug[] = [
  {
    options: { model: 'HS110', name: 'Kettle' },
    what: 'Kasa HS110, XOR',
    sockets: [['kasa.kettle', 'kettle']],
    // It runs for three minutes; every half minute would be coarse.
    everySeconds: 10,
  },
  {
    options: { model: 'HS300', name: 'Strip' },
    what: 'Kasa HS300 strip, XOR',
    sockets: [
      ['kasa.television', 'television'],
      ['kasa.games_console', 'console'],
      ['kasa.router', 'router'],
    ],
    names: ['Television', 'Games console', 'Router', undefined, undefined, undefined],
  },
  {
    options: { model: 'KP115', way: 'klap2', name: 'Living room lamp' },
    what: 'Kasa KP115, KLAP',
    sockets: [['kasa.living_room_lamp', 'lamp']],
  },
  {
    options: { model: 'P110', name: 'Washing machine' },
    what: 'Tapo P110, KLAP',
    sockets: [['kasa.washing_machine', 'washing_machine']],
  },
];

const macOf = (index: number) => `02:00:00:00:a0:0${index + 1}`;

/** Plugs and a strip of TP-Link, in the language of old firmware and of new. */
export async function openKasa(site: Site): Promise<Part> {
  const { sims, ports } = await listenAll(site);
  for (const [i, { sockets }] of plugs.entries())
    for (const [socket, [, name]] of sockets.entries())
      site.behind(name, () => sims[i]?.meters[socket]?.on === true);
  return {
    section: {
      ...simLogin,
      ports,
      devices: plugs.map(({ options, everySeconds }, i) => ({
        host: sims[i]!.host,
        name: options.name,
        ...(everySeconds !== undefined && { poll_interval_seconds: everySeconds }),
      })),
    },
    overrides: plugs.flatMap(({ names = [] }, i) =>
      names.map((name, socket) => ({
        device: `${idOf(i)}/0${socket}`,
        ...(name === undefined ? { ignore: true } : { name }),
      })),
    ),
    devices: plugs.flatMap(({ sockets }, i) =>
      sockets.map(([path, name], socket) => ({
        id: sockets.length === 1 ? idOf(i) : `${idOf(i)}/0${socket}`,
        path,
        power: site.power[name],
      })),
    ),
    faulty: plugs.map(({ sockets, what }, i) => ({
      paths: sockets.map(([path]) => path),
      what,
      faults: [...kasaFaults, 'reboot'],
      fault: (name, ms) => (name === 'reboot' ? sims[i]!.reboot() : sims[i]!.fault(name as KasaFault, ms)),
    })),
    live: () => {
      for (const sim of sims) for (const meter of sim.meters) meter.advance(site.now());
    },
    close: async () => void (await Promise.all(sims.map((sim) => sim.close()))),
  };
}

/** All at the same two ports, one for each language, and so each at an address of its own, as in a real network. */
async function listenAll(site: Site) {
  for (let tried = 1; ; tried += 1) {
    const sims: KasaSim[] = [];
    const ports = { local: 0, http: 0 };
    try {
      for (const [i, { options, sockets }] of plugs.entries()) {
        const sim = new KasaSim({
          ...options,
          host: `127.0.0.${firstHost + i}`,
          ports: { ...ports },
          mac: macOf(i),
          now: site.now,
          since: site.now() - weekMs,
          power: (at, socket) => {
            const name = sockets[socket]?.[1];
            return name === undefined ? 0 : site.power[name](at);
          },
        });
        await sim.listen();
        sims.push(sim);
        ports[sim.way === 'xor' ? 'local' : 'http'] = sim.port;
      }
      return { sims, ports };
    } catch (error) {
      // The port that was free at one address may be taken at the next.
      await Promise.all(sims.map((sim) => sim.close()));
      if (tried === tries) throw error;
    }
  }
}

const idOf = (index: number) => `kasa:${macOf(index).replaceAll(':', '')}`;
