import type { ElectricityBody } from '#electricity/index.ts';
import { LaresError } from '#kernel/errors.ts';
import type { Check, Finding } from '../doctor.ts';

interface Components {
  readonly components: readonly { readonly name: string; readonly state: string; readonly detail: string }[];
}

const check = 'electricity';
const broken = new Set(['down', 'parked', 'degraded']);

/** Asks the running service which sources and devices do not work, and why. Contacts no device itself. */
export const electricity: Check = async (io) => {
  let body: ElectricityBody;
  let health: Components;
  try {
    body = (await io.get('/api/electricity')) as ElectricityBody;
    health = (await io.get('/health/detailed')) as Components;
  } catch (error) {
    if (!(error instanceof LaresError && error.code === 'UNREACHABLE')) throw error;
    return [{ check, state: 'ok', text: 'not looked at, because the service does not run' }];
  }
  const settings = io.configFile ?? 'lares.yaml';
  const sources = health.components
    .filter((c) => (c.name.startsWith('electricity.') || c.name === 'broker') && broken.has(c.state))
    .map(({ name, state, detail }): Finding => ({
      check,
      state: state === 'degraded' ? 'warn' : 'fail',
      text: `${name} is ${state}: ${detail}`,
      fix:
        name === 'electricity.prices'
          ? `change electricity.tariff in ${settings}; how a tariff is written: docs/tariffs.md`
          : `change ${name} in ${settings}; what is on the network: lares electricity discover`,
    }));
  // What never answered is no device yet: only its source knows of it.
  const silent = health.components
    .filter(
      (c) => c.name.startsWith('electricity.') && c.state === 'ok' && c.detail.includes('no answer from'),
    )
    .map(({ name, detail }): Finding => ({
      check,
      state: 'warn',
      text: `${name}: ${detail}`,
      fix: `see that they have power and network; their addresses are under ${name} in ${settings}`,
    }));
  const devices = body.devices
    .filter((d) => d.state !== 'ok')
    .map(({ path, state, problem }): Finding => ({
      check,
      state: 'warn',
      text: `${path} is ${state}: ${problem ?? 'no reason is known'}`,
      fix: `lares electricity show ${path}`,
    }));
  const notes = body.devices
    .filter((d) => d.state === 'ok')
    .flatMap(({ path, notes: all }): Finding[] =>
      all.map((note) => ({ check, state: 'ok', text: `${path}: ${note}` })),
    );
  const working = body.devices.length - devices.length;
  const basis = { meter: 'the meter', circuits: 'the circuits', devices: 'the devices', none: 'nothing yet' };
  const summary: Finding = {
    check,
    state: 'ok',
    text:
      body.devices.length === 0
        ? 'no device is known; name networks or devices under electricity'
        : `${working} of ${body.devices.length} devices answer; the house is measured by ${basis[body.house.basis]}`,
  };
  return [summary, ...sources, ...silent, ...devices, ...notes];
};
