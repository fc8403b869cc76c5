import { branch, parseQuestion, type Branch, type SimBrain } from './sim-brain.ts';
import { counted, type SimMeter } from './sim-meter.ts';
import type { SimModel } from './sim-models.ts';

export interface IotBrainOptions {
  readonly model: string;
  readonly traits: SimModel;
  readonly mac: string;
  readonly name: string;
  readonly volts: number;
  readonly zoneIndex: number;
  readonly now: () => number;
  /** One of a plug, one a socket of a strip. */
  readonly meters: readonly SimMeter[];
  readonly has: (fault: 'zero-volts' | 'stuck' | 'locked') => boolean;
}

type Command = (parameters: Branch, meters: readonly SimMeter[]) => object;
const dayMs = 86_400_000;
const refusal = (text: 'module' | 'member') => ({
  err_code: text === 'module' ? -1 : -2,
  err_msg: `${text} not support`,
});

/** A Kasa device of the older language. */
export class IotBrain implements SimBrain {
  readonly family = 'iot';
  readonly model: string;
  readonly mac: string;
  readonly #options: IotBrainOptions;
  readonly #deviceId: string;
  readonly #modules: Readonly<Record<string, Readonly<Record<string, Command>>>>;

  constructor(options: IotBrainOptions) {
    this.#options = options;
    this.model = options.model;
    this.mac = options.mac;
    this.#deviceId = `8006${options.mac.replaceAll(':', '').toUpperCase().padEnd(36, 'A')}`;
    this.#modules = this.#build();
  }

  get type(): string {
    return this.#bulb ? 'IOT.SMARTBULB' : 'IOT.SMARTPLUGSWITCH';
  }

  reboot(): void {
    for (const meter of this.#options.meters) meter.reset();
  }

  answer(question: string, over: 'tcp' | 'udp'): string {
    const { now, meters } = this.#options;
    for (const meter of meters) meter.advance(now());
    const { context, ...modules } = parseQuestion(question);
    const ids = branch(context)['child_ids'];
    const chosen = Array.isArray(ids) ? meters.filter((_, i) => ids.includes(this.#childId(i))) : undefined;
    const reply: Record<string, unknown> = {};
    for (const [module, commands] of Object.entries(modules)) {
      const known = Object.hasOwn(this.#modules, module) ? this.#modules[module] : undefined;
      const parts: Record<string, unknown> = {};
      for (const [command, parameters] of Object.entries(branch(commands))) {
        const run = known !== undefined && Object.hasOwn(known, command) ? known[command] : undefined;
        if (chosen?.length === 0) parts[command] = { err_code: -14, err_msg: 'entry not exist' };
        else parts[command] = run?.(branch(parameters), chosen ?? meters) ?? refusal('member');
        if (command === 'get_sysinfo' && over === 'udp') parts[command] = shortIds(branch(parts[command]));
      }
      reply[module] = known === undefined ? refusal('module') : parts;
    }
    return JSON.stringify(reply);
  }

  get #bulb(): boolean {
    return this.#options.traits.kind === 'bulb' || this.#options.traits.kind === 'lightstrip';
  }

  #childId(index: number): string {
    return this.#deviceId + String(index).padStart(2, '0');
  }

  #build(): Record<string, Record<string, Command>> {
    const { traits } = this.#options;
    const ok = { err_code: 0 };
    const { has } = this.#options;
    const turn: Command = ({ state }, meters) => {
      if (has('locked')) return { err_code: -3, err_msg: 'invalid argument' };
      if (has('stuck')) return ok;
      for (const meter of meters) meter.on = state === 1;
      return ok;
    };
    const light: Command = ({ on_off: state }, meters) => {
      if (state === 0 || state === 1) for (const meter of meters) meter.on = state === 1;
      return { ...this.#lightState(meters), err_code: 0 };
    };
    const statistics: Record<string, Command> = {
      get_realtime: (_, meters) => this.#realtime(meters),
      get_daystat: (asked, meters) => this.#dayStatistics(asked, meters),
      get_monthstat: (asked, meters) => this.#monthStatistics(asked, meters),
      erase_emeter_stat: (_, meters) => (meters.forEach((m) => m.erase()), ok),
    };
    const clock: Record<string, Command> = {
      get_time: () => this.#time(),
      get_timezone: () => ({ index: this.#options.zoneIndex, err_code: 0 }),
    };
    const system: Record<string, Command> = { get_sysinfo: () => this.#sysinfo() };
    if (traits.kind === 'lightstrip')
      return {
        system,
        'smartlife.iot.lightStrip': {
          set_light_state: light,
          get_light_state: (_, m) => ({ ...this.#lightState(m), err_code: 0 }),
        },
        'smartlife.iot.common.emeter': statistics,
        'smartlife.iot.common.timesetting': clock,
      };
    if (traits.kind === 'bulb')
      return {
        system,
        'smartlife.iot.smartbulb.lightingservice': {
          transition_light_state: light,
          get_light_state: (_, m) => ({ ...this.#lightState(m), err_code: 0 }),
        },
        'smartlife.iot.common.emeter': statistics,
        'smartlife.iot.common.timesetting': clock,
      };
    return {
      system: { ...system, set_relay_state: turn },
      time: clock,
      ...(traits.meter !== undefined && { emeter: statistics }),
    };
  }

  #lightState(meters: readonly SimMeter[]) {
    const state = { mode: 'normal', hue: 0, saturation: 0, color_temp: 2700, brightness: 100 };
    return meters[0]?.on === true ? { on_off: 1, ...state } : { on_off: 0, dft_on_state: state };
  }

  #sysinfo() {
    const { traits, name, meters, model, mac } = this.#options;
    const common = {
      alias: name,
      deviceId: this.#deviceId,
      model: `${model}(UK)`,
      sw_ver: '1.0.4 Build 191111 Rel.143500',
      hw_ver: '4.0',
      rssi: -60,
      err_code: 0,
    };
    if (this.#bulb)
      return {
        ...common,
        mic_type: this.type,
        mic_mac: mac.replaceAll(':', '').toUpperCase(),
        description: 'Simulated bulb',
        is_dimmable: 1,
        is_color: 0,
        is_variable_color_temp: 1,
        ...(traits.kind === 'lightstrip' && { length: 16 }),
        light_state: this.#lightState(meters),
      };
    return {
      ...common,
      mic_type: this.type,
      mac: mac.toUpperCase(),
      feature: traits.meter === undefined ? 'TIM' : 'TIM:ENE',
      led_off: 0,
      updating: 0,
      ...(traits.kind === 'dimmer' && { brightness: 50 }),
      ...(traits.kind === 'strip'
        ? {
            child_num: meters.length,
            children: meters.map((meter, i) => ({
              id: this.#childId(i),
              state: meter.on ? 1 : 0,
              alias: `${name} ${i + 1}`,
              on_time: 0,
              next_action: { type: -1 },
            })),
          }
        : { dev_name: 'Simulated plug', relay_state: meters[0]?.on === true ? 1 : 0, on_time: 0 }),
    };
  }

  #realtime(meters: readonly SimMeter[]) {
    const { traits, now, has } = this.#options;
    const volts = has('zero-volts') || traits.meter === 'zero-volts' ? 0 : this.#options.volts;
    const watts = meters.reduce((sum, m) => sum + m.watts(now()), 0);
    const wh = meters.reduce((sum, m) => sum + m.total, 0);
    const amps = volts === 0 ? 0 : watts / volts;
    if (traits.meter === 'base')
      return { current: amps, voltage: volts, power: watts, total: wh / 1000, err_code: 0 };
    if (traits.meter === 'power') return { power_mw: Math.round(watts * 1000), err_code: 0 };
    return {
      ...(traits.meter === 'slot' && { slot_id: this.#options.meters.indexOf(meters[0]!) }),
      current_ma: Math.round(amps * 1000),
      voltage_mv: Math.round(volts * 1000),
      power_mw: Math.round(watts * 1000),
      total_wh: counted(wh),
      err_code: 0,
    };
  }

  #energy(wh: number) {
    return this.#options.traits.meter === 'base'
      ? { energy: Math.round(wh) / 1000 }
      : { energy_wh: Math.round(wh) };
  }

  #dayStatistics({ year, month }: Branch, meters: readonly SimMeter[]) {
    if (typeof year !== 'number' || typeof month !== 'number')
      return { err_code: -3, err_msg: 'invalid argument' };
    const days = [];
    for (let at = Date.UTC(year, month - 1, 1); at < Date.UTC(year, month, 1); at += dayMs) {
      const wh = meters.reduce((sum, m) => sum + m.day(at), 0);
      if (wh > 0) days.push({ year, month, day: new Date(at).getUTCDate(), ...this.#energy(wh) });
    }
    return { day_list: days, err_code: 0 };
  }

  #monthStatistics({ year }: Branch, meters: readonly SimMeter[]) {
    if (typeof year !== 'number') return { err_code: -3, err_msg: 'invalid argument' };
    const months = [];
    for (let month = 1; month <= 12; month += 1) {
      const wh = meters.reduce((sum, m) => sum + m.month(Date.UTC(year, month - 1, 1)), 0);
      if (wh > 0) months.push({ year, month, ...this.#energy(wh) });
    }
    return { month_list: months, err_code: 0 };
  }

  #time() {
    const local = new Date(this.#options.meters[0]!.local(this.#options.now()));
    return {
      year: local.getUTCFullYear(),
      month: local.getUTCMonth() + 1,
      mday: local.getUTCDate(),
      hour: local.getUTCHours(),
      min: local.getUTCMinutes(),
      sec: local.getUTCSeconds(),
      err_code: 0,
    };
  }
}

/** Over UDP only the last two characters of the ids of sockets come. */
function shortIds(info: Branch): Branch {
  const { children } = info;
  if (!Array.isArray(children)) return info;
  return {
    ...info,
    children: children.map((child) => ({ ...branch(child), id: String(branch(child)['id']).slice(-2) })),
  };
}
