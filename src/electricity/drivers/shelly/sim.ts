import { randomBytes } from 'node:crypto';
import { authorization } from './digest.ts';
import { SimHttp, type HttpFault, type SimReply, type SimRequest } from '../shared/sim-http.ts';
import { SimMeter, type Minute, type PowerAt } from '../shared/sim-meter.ts';
import { profiles, simModels, type SimModel, type SimModelName, type SimState } from './sim-models.ts';

/** What a real device answered: `/shelly`, its settings (`settings` or `config`) and its status. */
export interface ShellyDump {
  readonly shelly: Readonly<Record<string, unknown>>;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly status: Readonly<Record<string, unknown>>;
}

export interface ShellySimOptions {
  readonly model?: SimModelName;
  /** Plays a real device that stands still, instead of a model. */
  readonly dump?: ShellyDump;
  readonly mac?: string;
  readonly name?: string;
  readonly now?: () => number;
  /** Watts; one function per meter, or one for the device. */
  readonly power?: PowerAt | readonly PowerAt[];
  readonly password?: string;
  /** Records a page of its history; a real one sends about this many. */
  readonly pageSize?: number;
  /** Firmware from 2.0 on takes a nonce more than once. */
  readonly reusesNonce?: boolean;
}

type Body = Record<string, unknown>;
const refusal = (code: number, message: string) => ({ error: { code, message } });
const isBody = (value: unknown): value is Body => typeof value === 'object' && value !== null;

/** A Shelly on a real socket: HTTP paths of the first generation, RPC with digest sign-in of the later ones. */
export class ShellySim {
  /** What its clock is ahead, ms. */
  skewMs = 0;
  /** False: it never reached a time server, and `unixtime` is null. */
  hasTime = true;
  volts = 230.1;
  /** What it complains about: `overpower`, `overtemp`. */
  errors: readonly string[] = [];
  /** The answer to method or path instead of the right one; for replies that no firmware should give. */
  readonly overrides = new Map<string, unknown>();
  readonly mac: string;
  readonly #options: ShellySimOptions;
  readonly #model: SimModel;
  readonly #now: () => number;
  readonly #http = new SimHttp((request) => this.#answer(request));
  readonly #meters: SimMeter[];
  readonly #outputs: boolean[];
  readonly #dump: ShellyDump | undefined;
  readonly #nonces = new Map<string, number>();
  #name: string | null;
  #revision = 1;
  #bootedAt: number;

  constructor(options: ShellySimOptions = {}) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#model = simModels[options.model ?? 'plus-plug-s'];
    this.#dump = options.dump && structuredClone(options.dump);
    this.mac = options.mac ?? '020000000001';
    this.#name = options.name ?? null;
    this.#bootedAt = this.#now();
    const power = profiles(this.#model, options.power ?? (() => 0));
    this.#meters = power.map((at) => new SimMeter(at, this.#now()));
    this.#outputs = Array.from({ length: this.#model.outputs }, () => true);
  }

  async listen(port = 0, host = '127.0.0.1'): Promise<this> {
    await this.#http.listen(port, host);
    return this;
  }

  /** `127.0.0.1:4711` */
  get host(): string {
    return this.#http.host;
  }

  /** Requests answered so far, by path. */
  get asked(): ReadonlyMap<string, number> {
    return this.#http.asked;
  }

  get connections(): number {
    return this.#http.accepted;
  }

  close(): Promise<void> {
    return this.#http.close();
  }

  fault(name: HttpFault, ms?: number): void {
    this.#http.fault(name, ms);
  }

  heal(name: HttpFault): void {
    this.#http.heal(name);
  }

  /** Somebody presses the button. */
  press(output = 0): void {
    this.#advance();
    this.#outputs[output] = this.#outputs[output] !== true;
  }

  isOn(output = 0): boolean {
    return this.#outputs[output] === true;
  }

  rename(name: string): void {
    this.#name = name;
    this.#revision += 1;
  }

  /** Loses its connections and, as firmware without saved counters does, its counters. */
  reboot(options: { readonly resetCounters?: boolean } = {}): void {
    this.#advance();
    this.#bootedAt = this.#now();
    if (options.resetCounters === true) for (const meter of this.#meters) meter.reset();
    this.#http.cut();
  }

  /** What meter `index` has truly counted, Wh. */
  counted(index = 0): { wh: number; exportWh: number } {
    this.#advance();
    const { wh, exportWh } = this.#meters[index] ?? { wh: 0, exportWh: 0 };
    return { wh, exportWh };
  }

  #advance(): number[] {
    const { switched } = this.#model;
    return this.#meters.map((meter, i) => meter.advance(this.#now(), !switched || this.#outputs[i] === true));
  }

  #state(): SimState {
    const watts = this.#advance();
    const now = this.#now();
    return {
      mac: this.mac.toUpperCase(),
      name: this.#name,
      unixtime: this.hasTime ? Math.floor((now + this.skewMs) / 1000) : null,
      uptime: Math.floor((now - this.#bootedAt) / 1000),
      revision: this.#revision,
      volts: this.volts,
      auth: this.#options.password !== undefined,
      now,
      outputs: this.#outputs,
      meters: this.#meters,
      watts,
      errors: this.errors,
    };
  }

  get #gen(): number {
    return this.#dump === undefined ? this.#model.gen : Number(this.#dump.shelly['gen'] ?? 1);
  }

  #info(): Body {
    const auth = this.#options.password !== undefined;
    if (this.#dump !== undefined) return this.#dump.shelly;
    const { gen, code, app, meters, outputs } = this.#model;
    const mac = this.mac.toUpperCase();
    return gen === 1
      ? {
          type: code,
          mac,
          auth,
          fw: '20230913-113421/v1.14.0-gcb84623',
          num_outputs: outputs,
          num_meters: meters,
        }
      : {
          name: this.#name,
          id: `shelly${app.toLowerCase()}-${this.mac}`,
          mac,
          model: code,
          gen,
          fw_id: '20241011-114455/1.4.4-g6d2a586',
          ver: '1.4.4',
          app,
          auth_en: auth,
          auth_domain: auth ? this.#realm : null,
        };
  }

  get #realm(): string {
    return `shelly${this.#model.app.toLowerCase()}-${this.mac}`;
  }

  #status(): Body {
    return this.#dump?.status ?? this.#model.status(this.#state());
  }

  #config(): Body {
    return this.#dump?.settings ?? this.#dump?.config ?? this.#model.config(this.#state());
  }

  #answer(request: SimRequest): SimReply {
    if (request.path === '/shelly')
      return { status: 200, body: this.overrides.get('/shelly') ?? this.#info() };
    const wanted = this.#unauthorized(request);
    if (wanted !== undefined)
      return {
        status: 401,
        headers: { 'WWW-Authenticate': wanted },
        body: { code: 401, message: 'Unauthorized' },
      };
    if (this.overrides.has(request.path)) return this.#override(request.path);
    return this.#gen === 1 ? this.#plain(request) : this.#rpc(request);
  }

  #override(path: string): SimReply {
    const body = this.overrides.get(path);
    return typeof body === 'string' ? { status: 200, plain: true, body } : { status: 200, body };
  }

  #plain({ path, query }: SimRequest): SimReply {
    if (path === '/status') return { status: 200, body: this.#status() };
    if (path === '/settings') return { status: 200, body: this.#config() };
    const log = /^\/emeter\/(\d)\/em_data\.csv$/.exec(path)?.[1];
    if (log !== undefined && this.#dump === undefined)
      return { status: 200, plain: true, body: this.#log(Number(log)) };
    const [, kind = '', index = ''] = /^\/(relay|light|white|color)\/(\d)$/.exec(path) ?? [];
    if (kind === '') return { status: 404, body: 'Not Found' };
    const turn = query.get('turn');
    if (this.#dump === undefined) {
      if (turn !== null && (turn === 'on') !== this.isOn(Number(index))) this.press(Number(index));
      return { status: 200, body: { ison: this.isOn(Number(index)) } };
    }
    const outputs = this.#dump.status[kind === 'relay' ? 'relays' : 'lights'];
    const output: unknown = Array.isArray(outputs) ? outputs[Number(index)] : undefined;
    if (!isBody(output)) return { status: 404, body: 'Not Found' };
    if (turn !== null) output['ison'] = turn === 'on';
    return { status: 200, body: output };
  }

  #rpc(request: SimRequest): SimReply {
    if (request.path !== '/rpc') return { status: 404, body: 'Not Found' };
    let asked: unknown;
    try {
      asked = JSON.parse(request.body);
    } catch {
      asked = undefined;
    }
    if (!isBody(asked) || typeof asked['method'] !== 'string')
      return { status: 500, body: { code: -103, message: 'Invalid argument!' } };
    const method = asked['method'];
    const params = isBody(asked['params']) ? asked['params'] : {};
    const answer = this.overrides.has(method)
      ? { result: this.overrides.get(method) }
      : this.#call(method, params);
    return { status: 200, body: { id: asked['id'], src: this.#info()['id'], ...answer } };
  }

  #call(method: string, params: Body): { result: unknown } | ReturnType<typeof refusal> {
    if (method === 'Shelly.GetDeviceInfo') return { result: this.#info() };
    if (method === 'Shelly.GetStatus') return { result: this.#status() };
    if (method === 'Shelly.GetConfig') return { result: this.#config() };
    const [type = '', verb = ''] = method.split('.');
    const id = Number(params['id']);
    const status = this.#status()[`${type.toLowerCase()}:${id}`];
    if (!isBody(status)) return refusal(404, `No handler for ${method}`);
    if (verb === 'GetStatus') return { result: status };
    if (verb === 'Set' && typeof params['on'] === 'boolean' && typeof status['output'] === 'boolean') {
      const before = status['output'];
      if (this.#dump !== undefined) status['output'] = params['on'];
      else if (before !== params['on']) this.press(id);
      return { result: { was_on: before } };
    }
    if (verb === 'GetRecords') return { result: this.#records(Number(params['ts'] ?? 0)) };
    if (verb === 'GetData') return { result: this.#data(type, id, params) };
    return refusal(404, `No handler for ${method}`);
  }

  /** Whole minutes that meter `index` remembers, and their start in device time, epoch seconds. */
  #memory(index: number): (Minute & { ts: number })[] {
    this.#advance();
    const running = Math.floor(this.#now() / 60_000) * 60_000;
    const minutes = this.#meters[index]?.minutes ?? [];
    return minutes
      .filter((minute) => minute.at < running)
      .map((minute) => ({ ...minute, ts: Math.round((minute.at + this.skewMs) / 1000) }));
  }

  /** The log of a clamp of the first generation: ten minutes a line. */
  #log(index: number): string {
    const tens = Map.groupBy(this.#memory(index), ({ ts }) => Math.floor(ts / 600) * 600);
    const lines = [...tens]
      .filter(([, of]) => of.length === 10)
      .map(([ts, of]) => {
        const wh = (key: 'wh' | 'exportWh') => of.reduce((sum, m) => sum + m[key], 0).toFixed(2);
        const at = new Date(ts * 1000).toISOString().slice(0, 16).replace('T', ' ');
        return `${at},${wh('wh')},${wh('exportWh')},${this.volts},${this.volts}\n`;
      });
    return `Date/time UTC,Active energy Wh (1),Returned energy Wh (1),Min V,Max V\n${lines.join('')}`;
  }

  #records(from: number) {
    const blocks: { ts: number; period: number; records: number }[] = [];
    for (const { ts } of this.#memory(0).filter((m) => m.ts >= from)) {
      const last = blocks.at(-1);
      if (last !== undefined && ts === last.ts + 60 * last.records) last.records += 1;
      else blocks.push({ ts, period: 60, records: 1 });
    }
    const page = blocks.slice(0, 10);
    return { data_blocks: page, ...(blocks[10] !== undefined && { next_record_ts: blocks[10].ts }) };
  }

  #data(type: string, id: number, params: Body) {
    const [from, end] = [Number(params['ts'] ?? 0), Number(params['end_ts'] ?? Infinity)];
    const phases = type === 'EM1Data' ? [id] : this.#meters.map((_, i) => i);
    const prefix = (i: number) => (type === 'EM1Data' ? '' : `${'abc'[i] ?? ''}_`);
    const memories = phases.map((i) => this.#memory(i).filter((m) => m.ts >= from && m.ts <= end));
    const size = this.#options.pageSize ?? 60;
    const rows = memories[0] ?? [];
    const data: { ts: number; period: number; values: number[][] }[] = [];
    for (const [row, { ts }] of rows.slice(0, size).entries()) {
      const values = memories.flatMap((memory) => [memory[row]?.wh ?? 0, 0, memory[row]?.exportWh ?? 0]);
      const last = data.at(-1);
      if (last !== undefined && ts === last.ts + 60 * last.values.length) last.values.push(values);
      else data.push({ ts, period: 60, values: [values] });
    }
    const keys = phases.flatMap((i) =>
      ['total_act_energy', 'fund_act_energy', 'total_act_ret_energy'].map((key) => `${prefix(i)}${key}`),
    );
    return { keys, data, ...(rows[size] !== undefined && { next_record_ts: rows[size].ts }) };
  }

  /** The challenge to send where the request is not signed as it must be; undefined where it is. */
  #unauthorized(request: SimRequest): string | undefined {
    const { password } = this.#options;
    const refuses = this.#http.has('unauthorized');
    if (password === undefined && !refuses) return undefined;
    const sent = request.headers.get('authorization') ?? '';
    if (this.#gen === 1) {
      const right = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`;
      return sent === right && !refuses ? undefined : 'Basic realm="Shelly"';
    }
    if (!refuses && password !== undefined && this.#proves(sent, request, password)) return undefined;
    const nonce = randomBytes(16).toString('hex');
    this.#nonces.set(nonce, 0);
    return `Digest qop="auth", realm="${this.#realm}", nonce="${nonce}", algorithm=SHA-256`;
  }

  #proves(sent: string, { method, uri }: SimRequest, password: string): boolean {
    const part = (key: string) => new RegExp(`\\b${key}="?([^",]+)`).exec(sent)?.[1] ?? '';
    const [nonce, count] = [part('nonce'), Number.parseInt(part('nc'), 16)];
    const used = this.#nonces.get(nonce);
    if (used === undefined || !(count > used)) return false;
    if (this.#options.reusesNonce === true) this.#nonces.set(nonce, count);
    else this.#nonces.delete(nonce);
    const challenge = { realm: this.#realm, nonce, algorithm: 'SHA-256', qop: true } as const;
    const proof = { method, uri, username: 'admin', password, count, cnonce: part('cnonce') };
    const response = (text: string) => /response="([0-9a-f]+)"/.exec(text)?.[1];
    return response(sent) === response(authorization(challenge, proof));
  }
}
