import { branch, parseQuestion, type Branch, type SimBrain } from './sim-brain.ts';

/**
 * Answers with recorded replies. Of the older language they are a dictionary `module → command → reply`, of the newer one
 * `method → result`, with those of sockets under `child_devices`, and a number where the device answered with an error.
 */
export class FixtureBrain implements SimBrain {
  readonly family: 'iot' | 'smart';
  readonly type: string;
  readonly model: string;
  readonly mac: string;
  readonly #recorded: Branch;

  constructor(recorded: unknown) {
    this.#recorded = branch(recorded);
    const info = branch(branch(this.#recorded['system'])['get_sysinfo']);
    const smart = branch(this.#recorded['get_device_info']);
    this.family = Object.keys(info).length > 0 ? 'iot' : 'smart';
    const own = this.family === 'iot' ? info : smart;
    const type = own['type'] ?? own['mic_type'];
    this.type = typeof type === 'string' ? type : 'IOT.SMARTPLUGSWITCH';
    this.model = typeof own['model'] === 'string' ? own['model'] : 'recorded';
    const mac = own['mac'] ?? own['mic_mac'];
    this.mac = typeof mac === 'string' ? mac : '02:00:00:00:00:01';
  }

  reboot(): void {}

  answer(question: string): string {
    const asked = parseQuestion(question);
    return JSON.stringify(this.family === 'iot' ? this.#iot(asked) : this.#smart(asked, this.#recorded));
  }

  #iot(asked: Branch): object {
    const { context: _, ...modules } = asked;
    return Object.fromEntries(
      Object.entries(modules).map(([module, commands]) => {
        const own = branch(this.#recorded[module]);
        if (Object.keys(own).length === 0) return [module, { err_code: -1, err_msg: 'module not support' }];
        if ('err_code' in own) return [module, own];
        const answers = Object.keys(branch(commands)).map((command) => [
          command,
          own[command] ?? { err_code: -2, err_msg: 'member not support' },
        ]);
        return [module, Object.fromEntries(answers)];
      }),
    );
  }

  #smart(call: Branch, recorded: Branch): Branch {
    const { method } = call;
    const params = branch(call['params']);
    if (typeof method !== 'string') return { error_code: -1003 };
    if (method === 'multipleRequest' && Array.isArray(params['requests'])) {
      const responses = params['requests'].map((one) => ({
        method: branch(one)['method'],
        ...this.#smart(branch(one), recorded),
      }));
      return { error_code: 0, result: { responses } };
    }
    if (method === 'control_child') {
      const child = branch(branch(recorded['child_devices'])[String(params['device_id'])]);
      return { error_code: 0, result: { responseData: this.#smart(branch(params['requestData']), child) } };
    }
    const result = Object.hasOwn(recorded, method) ? recorded[method] : -1002;
    return typeof result === 'number' ? { error_code: result } : { error_code: 0, result };
  }
}
