import type { KasaFault, KasaSimOptions } from '#electricity/drivers/kasa/sim.ts';
import type { ModbusFault, ModbusSimOptions } from '#electricity/drivers/modbus/sim.ts';
import type { PulseFault, PulseSimOptions } from '#electricity/drivers/pulse/sim.ts';
import type { TuyaFault, TuyaSimOptions } from '#electricity/drivers/tuya/sim.ts';
import type { Appliance, Appliances } from './appliances.ts';

/** How often each device is asked, and what each of them draws. */
export const pollMs = 500;
export const watts = 7_200;
const hourMs = 3_600_000;

/** What one device does wrong, and what becomes of it. */
export interface Row {
  readonly fault: string;
  /** How the house complains about it; undefined where it must go on without a word. */
  readonly complains?: RegExp;
  /** Makes the victim, before the house starts. */
  readonly make: (home: Appliances, name: string) => Promise<Victim> | Victim;
  /** It cannot be measured meanwhile, and nobody who could complain notices before it has been silent for long. */
  readonly falls?: 'silent';
}

export interface Victim {
  readonly appliance: Appliance<unknown>;
  readonly breaks: () => void | Promise<void>;
  readonly heals: () => void | Promise<void>;
  /** Shares a line with it, and works. */
  readonly beside?: Appliance<unknown>;
}

const nothing = () => {};

const kasa =
  (faults: KasaFault, options: Partial<KasaSimOptions> = {}): Row['make'] =>
  async (home, name) => {
    const appliance = await home.kasa(name, watts, options);
    const { sim } = appliance;
    return { appliance, breaks: () => sim.fault(faults), heals: () => sim.heal() };
  };
const tuya =
  (fault: TuyaFault, options: Partial<TuyaSimOptions> = {}): Row['make'] =>
  async (home, name) => {
    const appliance = await home.tuya(name, watts, options);
    const { sim } = appliance;
    return { appliance, breaks: () => sim.fault(fault), heals: () => sim.mend() };
  };
const modbus =
  (fault: ModbusFault, options: Partial<ModbusSimOptions> = {}): Row['make'] =>
  async (home, name) => {
    const appliance = await home.bus([name], watts, options);
    const { sim } = appliance;
    return { appliance, breaks: () => sim.fault(fault), heals: () => sim.fault(undefined) };
  };
const shelly =
  (fault: Parameters<Awaited<ReturnType<Appliances['shelly']>>['sim']['fault']>[0]): Row['make'] =>
  async (home, name) => {
    const appliance = await home.shelly(name, watts);
    const { sim } = appliance;
    return { appliance, breaks: () => sim.fault(fault), heals: () => sim.heal(fault) };
  };
const pulse =
  (fault: PulseFault, options: PulseSimOptions = {}): Row['make'] =>
  (home, name) => {
    const appliance = home.pulse(name, watts, { everyMs: pollMs, ...options });
    const { sim } = appliance;
    return { appliance, breaks: () => sim.fault(fault, hourMs), heals: () => sim.fault(fault, 0) };
  };

const klap = { model: 'P110' } as const;
const timeout = /TIMEOUT/;
const unreachable = /UNREACHABLE/;
const badReply = /BAD_REPLY/;

/** One victim for each; all of them live in one house. */
export const rows: readonly Row[] = [
  { fault: 'Kasa: replies in segments of 7 bytes', make: kasa('split') },
  { fault: 'Kasa: replies merged into one segment', make: kasa('merge') },
  { fault: 'Kasa: every reply twice', make: kasa('twice') },
  { fault: 'Kasa: garbage', complains: badReply, make: kasa('garbage') },
  { fault: 'Kasa: a reply that announces 2 GB', complains: badReply, make: kasa('oversized') },
  { fault: 'Kasa: accepts and stays silent', complains: timeout, make: kasa('hang') },
  { fault: 'Kasa: half-open connection', complains: timeout, make: kasa('half-open') },
  { fault: 'Kasa: reset in the middle of a reply', complains: unreachable, make: kasa('reset') },
  { fault: 'Kasa: connection refused', complains: unreachable, make: kasa('drop') },
  { fault: 'Kasa: power that is not a number', make: kasa('nan') },
  { fault: 'Kasa: 0 V', make: kasa('zero-volts') },
  { fault: 'Kasa: answers slowly', make: kasa('slow') },
  {
    fault: 'Kasa: rebooted, counter from 0',
    make: async (home, name) => {
      const appliance = await home.kasa(name, watts);
      return { appliance, breaks: () => appliance.sim.reboot(), heals: nothing };
    },
  },
  {
    fault: 'Kasa: clock an hour and a day ahead',
    make: async (home, name) => {
      const appliance = await home.kasa(name, watts, klap);
      const skew = (ms: number) => () => void (appliance.sim.skewMs = ms);
      return { appliance, breaks: skew(25 * hourMs), heals: skew(0) };
    },
  },
  {
    fault: 'Kasa: time zone GB',
    make: async (home, name) => {
      const appliance = await home.kasa(name, watts, { zone: 39 });
      return { appliance, breaks: nothing, heals: nothing };
    },
  },
  {
    fault: 'Tapo: time zone MST7MDT',
    make: async (home, name) => {
      const appliance = await home.kasa(name, watts, { ...klap, zone: 'MST7MDT' });
      return { appliance, breaks: nothing, heals: nothing };
    },
  },
  {
    fault: 'Kasa: another address',
    complains: unreachable,
    make: async (home, name) => {
      const appliance = await home.kasa(name, watts);
      const host = home.kasaAddress();
      return { appliance, breaks: () => appliance.sim.moveTo(host), heals: nothing };
    },
  },
  {
    fault: 'Kasa: one device at two addresses',
    make: async (home, name) => {
      const mac = '02:00:00:61:99:01';
      const appliance = await home.kasa(name, watts, { mac });
      await home.kasa(name, watts, { mac });
      home.all.pop();
      return { appliance, breaks: nothing, heals: nothing };
    },
  },
  { fault: 'Tapo: 403 to every request', complains: badReply, make: kasa('forbidden', klap) },
  { fault: 'Tapo: wrong tag', complains: badReply, make: kasa('bad-tag', klap) },
  {
    fault: 'Tapo: expired session',
    make: async (home, name) => {
      const appliance = await home.kasa(name, watts, klap);
      return { appliance, breaks: () => appliance.sim.expire(), heals: nothing };
    },
  },
  {
    fault: 'Tapo: credentials flip to those of the maker',
    make: async (home, name) => {
      const appliance = await home.kasa(name, watts, klap);
      const { sim } = appliance;
      const own = sim.login;
      const flip = (login: typeof own) => () => ((sim.login = login), sim.expire());
      return {
        appliance,
        breaks: flip({ username: 'kasa@tp-link.net', password: 'kasaSetup' }),
        heals: flip(own),
      };
    },
  },
  { fault: 'Tuya 3.3: wrong CRC', complains: badReply, make: tuya('check') },
  { fault: 'Tuya 3.4: wrong HMAC', complains: badReply, make: tuya('check', { version: '3.4' }) },
  { fault: 'Tuya 3.5: wrong tag', complains: badReply, make: tuya('check', { version: '3.5' }) },
  { fault: 'Tuya 3.3: wrong sequence', make: tuya('sequence') },
  { fault: 'Tuya 3.4: replies in segments of a few bytes', make: tuya('split', { version: '3.4' }) },
  { fault: 'Tuya 3.5: reply and push in one segment', make: tuya('merge', { version: '3.5' }) },
  { fault: 'Tuya 3.3: a frame of 2 GB', complains: badReply, make: tuya('oversized') },
  { fault: 'Tuya 3.4: noise in front of every reply', make: tuya('prefix', { version: '3.4' }) },
  {
    fault: 'Tuya 3.5: reset in the middle of a frame',
    complains: unreachable,
    make: tuya('reset', { version: '3.5' }),
  },
  { fault: 'Tuya 3.3: accepts and stays silent', complains: timeout, make: tuya('hang') },
  { fault: 'Tuya 3.3: busy with its phone app', complains: timeout, make: tuya('busy') },
  {
    fault: 'Modbus RTU over TCP: wrong CRC',
    complains: badReply,
    make: modbus('crc', { framing: 'rtu' }),
  },
  { fault: 'Modbus: wrong transaction number', complains: badReply, make: modbus('transaction') },
  { fault: 'Modbus: single bytes', make: modbus('split') },
  { fault: 'Modbus: accepts and stays silent', complains: timeout, make: modbus('hang') },
  { fault: 'Modbus: oversized length', complains: badReply, make: modbus('oversized') },
  { fault: 'Modbus: reset in the middle of a frame', complains: unreachable, make: modbus('reset') },
  {
    fault: 'Modbus: one meter of a bus without power',
    complains: timeout,
    make: async (home, name) => {
      const beside = `${name} beside`;
      const appliance = await home.bus([name, beside], watts);
      const { dead } = appliance.sim;
      return {
        appliance,
        beside: home.all.find((a) => a.name === beside)!,
        breaks: () => void dead.add(1),
        heals: () => void dead.delete(1),
      };
    },
  },
  { fault: 'Shelly: half a JSON', complains: badReply, make: shelly('bad-json') },
  { fault: 'Shelly: accepts and stays silent', complains: timeout, make: shelly('hang') },
  { fault: 'Shelly: status 503', complains: unreachable, make: shelly('busy') },
  { fault: 'Shelly: two replies in one segment', make: shelly('merge') },
  {
    fault: 'Shelly: rebooted, counter from 0',
    make: async (home, name) => {
      const appliance = await home.shelly(name, watts);
      const breaks = () => appliance.sim.reboot({ resetCounters: true });
      return { appliance, breaks, heals: nothing };
    },
  },
  {
    fault: 'Shelly: clock an hour ahead',
    make: async (home, name) => {
      const appliance = await home.shelly(name, watts);
      const skew = (ms: number) => () => void (appliance.sim.skewMs = ms);
      return { appliance, breaks: skew(hourMs), heals: skew(0) };
    },
  },
  { fault: 'Pulse: half a request, then silence', make: pulse('hang') },
  { fault: 'Pulse: reset in the middle of a request', make: pulse('reset') },
  { fault: 'Pulse: garbage', falls: 'silent', make: pulse('garbage') },
  { fault: 'Pulse: every message twice', make: pulse('duplicate') },
  { fault: 'Pulse: clock an hour ahead', make: pulse('skew') },
  {
    fault: 'Pulse: rebooted, counter from 0',
    make: (home, name) => {
      const appliance = home.pulse(name, watts, { everyMs: pollMs });
      return { appliance, breaks: () => appliance.sim.reboot(), heals: nothing };
    },
  },
];
