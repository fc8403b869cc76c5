import { LaresError, reason } from '#kernel/errors.ts';
import { presenceReadings } from '#presence/index.ts';
import type { Check, DoctorIo, DoctorSettings, Finding } from '../doctor.ts';

type Settings = Required<DoctorSettings>;

/** A check of something that may be switched off; skipped, with the reason, while the settings are invalid. */
function configured<Key extends 'wifi' | 'homeassistant' | 'graphite'>(
  check: string,
  key: Key,
  /** What it means that it is off. */
  meaning: string,
  run: (section: NonNullable<Settings[Key]>, io: DoctorIo, settings: DoctorSettings) => Promise<Finding[]>,
): Check {
  return async (io) => {
    const off: Finding = { check, state: 'ok', text: `not configured; ${meaning}` };
    if (io.configFile === undefined) return [off];
    let settings: DoctorSettings;
    try {
      settings = await io.settings();
    } catch {
      return [{ check, state: 'warn', text: 'not looked at, because the settings are not valid' }];
    }
    const section = settings[key] as NonNullable<Settings[Key]> | undefined;
    if (section === undefined) return [off];
    return run(section, io, settings);
  };
}

const scannerOptions = (wifi: NonNullable<Settings['wifi']>, networks: readonly string[]) => ({
  mode: wifi.mode,
  networks,
  interface: wifi.interface,
  maxFramesPerSecond: wifi.max_frames_per_second,
  retries: wifi.retries,
});

const networkFix = 'compare wifi.networks with: ip -brief address; ip route';

/** Each network has an interface with an address in it, and a way to ask it. Sends nothing. */
export const network = configured('network', 'wifi', 'nothing is scanned', async (wifi, io) => {
  if (wifi.networks.length === 0)
    return [
      {
        check: 'network',
        state: 'warn',
        text: 'no network is configured',
        fix: 'name it under wifi.networks',
      },
    ];
  const findings = wifi.networks.map(async (cidr): Promise<Finding> => {
    try {
      const scanner = await io.openScanner(scannerOptions(wifi, [cidr]));
      await scanner.close();
      return { check: 'network', state: 'ok', text: `${cidr}: ${scanner.why}` };
    } catch (error) {
      return { check: 'network', state: 'fail', text: `${cidr}: ${reason(error)}`, fix: networkFix };
    }
  });
  return Promise.all(findings);
});

export interface Scan {
  readonly found: readonly {
    readonly ip: string | undefined;
    readonly mac: string;
    readonly network: string;
  }[];
  readonly findings: readonly Finding[];
}

/** Sweeps every configured network once. */
export async function scan(io: DoctorIo): Promise<Scan> {
  const { wifi } = await io.settings();
  if (wifi === undefined || wifi.networks.length === 0)
    throw new LaresError('CONFIG_INVALID', 'no network is configured; name it under wifi.networks');
  const scanner = await io.openScanner(scannerOptions(wifi, wifi.networks));
  try {
    const sweeps = [];
    for (const cidr of wifi.networks) sweeps.push(await scanner.sweep(cidr, io.signal));
    const found = new Map(sweeps.flatMap((sweep) => sweep.found.map((s) => [s.mac, s] as const)));
    const findings = sweeps.map(({ network: cidr, probed, found: here, tookMs }): Finding => {
      const text = `${cidr}: ${here.length} of ${probed} addresses answered in ${Math.round(tookMs)} ms (${scanner.method})`;
      return here.length > 0
        ? { check: 'scan', state: 'ok', text }
        : { check: 'scan', state: 'fail', text: `${text}; ${scanner.why}`, fix: networkFix };
    });
    return { found: [...found.values()], findings };
  } finally {
    await scanner.close();
  }
}

const haFix =
  'open homeassistant.url in a browser on this machine; the token is made in your Home Assistant profile';

/** Home Assistant answers, takes the token, and knows every entity that people are mapped to. */
export const homeassistant = configured(
  'homeassistant',
  'homeassistant',
  'people are known by the network alone',
  async (section, io, settings) => {
    const client = io.homeAssistant({
      url: section.url,
      token: section.token,
      verifyTls: section.verify_tls,
    });
    const check = 'homeassistant';
    const greeting = await client.greeting(io.signal).catch((error: unknown) => error);
    if (typeof greeting !== 'string')
      return [{ check, state: 'fail', text: `${section.url}: ${reason(greeting)}`, fix: haFix }];
    const entities = settings.presence.people.flatMap((p) => [
      ...(p.homeassistant_entity === undefined ? [] : [p.homeassistant_entity]),
      ...p.homeassistant_device_trackers,
    ]);
    const findings = [...new Set(entities)].map(async (entity): Promise<Finding> => {
      try {
        const answer = await client.state(entity, io.signal);
        if ('missing' in answer)
          return {
            check,
            state: 'fail',
            text: `${entity}: Status: 404, it does not exist`,
            fix: 'look the name up in Home Assistant: Developer tools, States',
          };
        const silent = answer.state === 'unknown' || answer.state === 'unavailable';
        return {
          check,
          state: silent ? 'warn' : 'ok',
          text: `${entity}: Status: 200, State: ${answer.state}`,
          ...(silent && {
            fix: 'no tracker reports to it at the moment; see the companion app of that phone',
          }),
        };
      } catch (error) {
        return { check, state: 'fail', text: `${entity}: ${reason(error)}`, fix: haFix };
      }
    });
    return [{ check, state: 'ok', text: `${section.url}: ${greeting}` }, ...(await Promise.all(findings))];
  },
);

/** Carbon takes a reading and confirms it; with a render address it is also read back, and the settings of Carbon judged. */
export const graphite = configured(
  'graphite',
  'graphite',
  'readings stay in the own database',
  async (section, io, settings) => {
    const intervalSeconds = settings.metrics.interval_seconds;
    const series = await longSent(io, settings);
    const findings = await io.checkGraphite(section, { intervalSeconds, series, signal: io.signal });
    return findings.map(({ ok, text }): Finding => ({ check: 'graphite', state: ok ? 'ok' : 'fail', text }));
  },
);

const visibleMs = 300_000;

/** The series that a running service has sent for minutes; one that Graphite does not show then was never created. */
async function longSent(io: DoctorIo, settings: DoctorSettings): Promise<string[]> {
  const health = (await io.get('/health').catch(() => undefined)) as { uptime_seconds?: number } | undefined;
  if (health?.uptime_seconds === undefined || health.uptime_seconds * 1000 < visibleMs) return [];
  const people = settings.presence.people.map(({ person }) => ({
    person,
    name: person,
    state: 'unknown' as const,
    probability: 0,
    since: undefined,
    lastSeen: undefined,
    from: { wifi: 0, homeassistant: 0, tado: 0 } as const,
    evidence: [],
    conflict: undefined,
  }));
  const view = { at: io.now(), people, countHome: 0, devicesPresent: 0, guests: 0 };
  return presenceReadings(view).map((reading) => reading.series);
}

const stranger: Finding = {
  check: 'service',
  state: 'fail',
  text: 'a program that is not Lares answers at http.port',
  fix: 'find it with ss -ltnp and stop it, or set http.port',
};

/** The service runs and says how it is. */
export const service: Check = async (io) => {
  try {
    const health = (await io.get('/health')) as Partial<{ status: string; attention: string[] }> | undefined;
    if (health === undefined || !['ok', 'degraded', 'down'].includes(health.status ?? '')) return [stranger];
    const troubled = (health.attention ?? []).join(', ');
    return health.status === 'ok'
      ? [{ check: 'service', state: 'ok', text: 'it runs and all is well' }]
      : [
          {
            check: 'service',
            state: health.status === 'down' ? 'fail' : 'warn',
            text: `it runs, but is ${health.status}: ${troubled}`,
            fix: 'lares status, or the status page, says what each of them needs',
          },
        ];
  } catch (error) {
    if (error instanceof LaresError && error.code === 'NOT_FOUND') return [stranger];
    const running = !(error instanceof LaresError && error.code === 'UNREACHABLE');
    return [
      {
        check: 'service',
        state: running ? 'fail' : 'warn',
        text: reason(error),
        fix: 'systemctl start presence-monitoring, or: lares run',
      },
    ];
  }
};
