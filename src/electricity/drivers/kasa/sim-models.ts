import type { Family } from './model.ts';

export type SimWay = 'xor' | 'klap1' | 'klap2' | 'aes';

export interface SimModel {
  readonly family: Family;
  readonly kind: 'plug' | 'strip' | 'bulb' | 'lightstrip' | 'dimmer';
  readonly way: SimWay;
  readonly sockets: number;
  /** In which words it says what it measures; undefined when it does not meter. */
  readonly meter?: 'base' | 'milli' | 'slot' | 'power' | 'zero-volts' | 'usage' | 'emeter' | undefined;
}

/** Models that can be simulated, and how the real ones behave. */
export const simModels = {
  HS100: { family: 'iot', kind: 'plug', way: 'xor', sockets: 0 },
  HS110: { family: 'iot', kind: 'plug', way: 'xor', sockets: 0, meter: 'base' },
  KP115: { family: 'iot', kind: 'plug', way: 'xor', sockets: 0, meter: 'milli' },
  KP405: { family: 'iot', kind: 'dimmer', way: 'xor', sockets: 0 },
  HS300: { family: 'iot', kind: 'strip', way: 'xor', sockets: 6, meter: 'slot' },
  KP303: { family: 'iot', kind: 'strip', way: 'xor', sockets: 3 },
  KL110: { family: 'iot', kind: 'bulb', way: 'xor', sockets: 0, meter: 'power' },
  KL430: { family: 'iot', kind: 'lightstrip', way: 'xor', sockets: 0, meter: 'zero-volts' },
  P100: { family: 'smart', kind: 'plug', way: 'klap2', sockets: 0 },
  P110: { family: 'smart', kind: 'plug', way: 'klap2', sockets: 0, meter: 'usage' },
  KP125M: { family: 'smart', kind: 'plug', way: 'klap2', sockets: 0, meter: 'emeter' },
  P304M: { family: 'smart', kind: 'strip', way: 'klap2', sockets: 4, meter: 'emeter' },
} as const satisfies Readonly<Record<string, SimModel>>;

export type SimModelName = keyof typeof simModels;
