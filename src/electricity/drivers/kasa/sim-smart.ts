import { branch, parseQuestion, type Branch, type SimBrain } from './sim-brain.ts';
import { counted, type SimMeter } from './sim-meter.ts';
import type { SimModel } from './sim-models.ts';

export interface SmartBrainOptions {
  readonly model: string;
  readonly traits: SimModel;
  readonly mac: string;
  readonly name: string;
  readonly volts: number;
  /** IANA or legacy name, as the device says it. */
  readonly zone: string;
  readonly now: () => number;
  readonly skewMs: () => number;
  readonly meters: readonly SimMeter[];
  readonly has: (fault: 'zero-volts' | 'no-batch' | 'stuck' | 'locked') => boolean;
}

interface Result {
  readonly error_code: number;
  readonly result?: object;
}
const ok = (result?: object): Result => ({ error_code: 0, ...(result !== undefined && { result }) });
const fail = (code: number): Result => ({ error_code: code });
const [hourMs, dayMs] = [3_600_000, 86_400_000];
const pad = (n: number) => String(n).padStart(2, '0');

/** A device of the newer language. */
export class SmartBrain implements SimBrain {
  readonly family = 'smart';
  readonly type = 'SMART.TAPOPLUG';
  readonly model: string;
  readonly mac: string;
  /** Sockets in one page of their list. */
  pageSize = 10;
  readonly #options: SmartBrainOptions;

  constructor(options: SmartBrainOptions) {
    this.#options = options;
    this.model = options.model;
    this.mac = options.mac;
  }

  reboot(): void {
    for (const meter of this.#options.meters) meter.reset();
  }

  answer(question: string): string {
    const { now, meters } = this.#options;
    for (const meter of meters) meter.advance(now());
    return JSON.stringify(this.#run(parseQuestion(question), undefined));
  }

  get #strip(): boolean {
    return this.#options.traits.kind === 'strip';
  }

  get #deviceId(): string {
    return `8022${this.mac.replaceAll(':', '').toUpperCase().padEnd(36, '0')}`;
  }

  #run(call: Branch, child: SimMeter | undefined): Result {
    const { method } = call;
    const params = branch(call['params']);
    if (typeof method !== 'string') return fail(-1003);
    if (method === 'multipleRequest') return this.#batch(params, child);
    const meter = child ?? (this.#strip ? undefined : this.#options.meters[0]);
    const metered = this.#options.traits.meter !== undefined && meter !== undefined;
    const methods: Readonly<Record<string, () => Result>> = {
      get_device_info: () => ok(this.#info(child)),
      set_device_info: () => {
        if (meter === undefined || typeof params['device_on'] !== 'boolean') return fail(-1008);
        if (this.#options.has('locked')) return fail(-1005);
        if (!this.#options.has('stuck')) meter.on = params['device_on'];
        return ok();
      },
      component_nego: () => ok({ component_list: this.#components().map((id) => ({ id, ver_code: 1 })) }),
      get_device_time: () => ok(this.#time()),
      ...(metered && {
        get_energy_usage: () => ok(this.#usage(meter)),
        get_current_power: () => ok({ current_power: Math.round(meter.watts(this.#options.now())) }),
        get_energy_data: () => this.#energyData(meter, params),
      }),
      ...(metered &&
        this.#options.traits.meter === 'emeter' && { get_emeter_data: () => ok(this.#emeter(meter)) }),
      ...(this.#strip &&
        child === undefined && {
          get_child_device_list: () => ok(this.#children(params)),
          control_child: () => this.#control(params),
        }),
    };
    return Object.hasOwn(methods, method) ? methods[method]!() : fail(-1002);
  }

  #batch(params: Branch, child: SimMeter | undefined): Result {
    const requests = params['requests'];
    if (this.#options.has('no-batch') || !Array.isArray(requests) || requests.length > 5) return fail(-1003);
    const responses = requests.map((call) => ({
      method: branch(call)['method'],
      ...this.#run(branch(call), child),
    }));
    return ok({ responses });
  }

  #components(): string[] {
    const { traits } = this.#options;
    return [
      'device',
      'time',
      'device_local_time',
      ...(traits.meter === undefined ? [] : ['energy_monitoring']),
      ...(this.#strip ? ['control_child', 'child_device'] : []),
    ];
  }

  #info(child: SimMeter | undefined) {
    const { name, model, meters, zone } = this.#options;
    const index = child === undefined ? -1 : meters.indexOf(child);
    const text = index < 0 ? name : `${name} ${index + 1}`;
    return {
      device_id: index < 0 ? this.#deviceId : this.#deviceId + pad(index),
      fw_ver: '1.2.3 Build 230425 Rel.142542',
      hw_ver: '1.0',
      mac: this.mac.replaceAll(':', '-').toUpperCase(),
      model,
      nickname: Buffer.from(text, 'utf8').toString('base64'),
      region: zone,
      type: this.type,
      ...(index >= 0 && { position: index + 1, slot_number: meters.length }),
      ...((index >= 0 || !this.#strip) && { device_on: (child ?? meters[0])?.on === true, on_time: 0 }),
    };
  }

  #children(params: Branch) {
    const start = typeof params['start_index'] === 'number' ? params['start_index'] : 0;
    const all = this.#options.meters.map((meter) => this.#info(meter));
    return {
      child_device_list: all.slice(start, start + this.pageSize),
      start_index: start,
      sum: all.length,
    };
  }

  #control(params: Branch): Result {
    const child = this.#options.meters.find((_, i) => params['device_id'] === this.#deviceId + pad(i));
    if (child === undefined) return fail(-1008);
    return ok({ responseData: this.#run(branch(params['requestData']), child) });
  }

  #localTime(): string {
    const iso = new Date(this.#options.meters[0]!.local(this.#options.now())).toISOString();
    return iso.slice(0, 19).replace('T', ' ');
  }

  #time() {
    const { now, skewMs, zone, meters } = this.#options;
    const shown = now() + skewMs();
    const offset = meters[0]!.local(now()) - shown;
    return { region: zone, time_diff: offset / 60_000, timestamp: Math.floor(shown / 1000) };
  }

  #usage(meter: SimMeter) {
    const now = this.#options.now();
    const local = meter.local(now);
    return {
      today_runtime: 0,
      month_runtime: 0,
      today_energy: counted(meter.day(local)),
      month_energy: counted(meter.month(local)),
      local_time: this.#localTime(),
      electricity_charge: [0, 0, 0],
      ...(!this.#strip && { current_power: Math.round(meter.watts(now) * 1000) }),
    };
  }

  #emeter(meter: SimMeter) {
    const volts = this.#options.has('zero-volts') ? 0 : this.#options.volts;
    const watts = meter.watts(this.#options.now());
    return {
      current_ma: volts === 0 ? 0 : Math.round((watts / volts) * 1000),
      energy_wh: counted(meter.total),
      power_mw: Math.round(watts * 1000),
      voltage_mv: Math.round(volts * 1000),
    };
  }

  /** Timestamps are seconds of local time as if it were UTC; hours for at most eight days, days for one quarter. */
  #energyData(meter: SimMeter, { start_timestamp: start, end_timestamp: end, interval }: Branch): Result {
    if (typeof start !== 'number' || typeof end !== 'number' || end < start) return fail(-1008);
    const head = { local_time: this.#localTime(), start_timestamp: start, end_timestamp: end, interval };
    if (interval === 60 && end - start < (8 * dayMs) / 1000) {
      const data = [];
      for (let at = start * 1000; at <= end * 1000; at += hourMs) data.push(Math.round(meter.hour(at)));
      return ok({ ...head, data });
    }
    const first = new Date(start * 1000);
    const isQuarter = first.getUTCDate() === 1 && first.getUTCMonth() % 3 === 0 && start % 86_400 === 0;
    if (interval !== 1440 || !isQuarter) return fail(-1008);
    const data = [];
    const last = Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 3, 1);
    for (let at = start * 1000; at < last; at += dayMs) data.push(Math.round(meter.day(at)));
    return ok({ ...head, data });
  }
}
