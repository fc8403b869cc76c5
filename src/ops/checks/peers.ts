import { LaresError, reason } from '#kernel/errors.ts';
import { diagnose } from '#metrics/index.ts';
import { presenceReadings } from '#presence/index.ts';
import type { Check, DoctorIo, DoctorSettings, Finding } from '../doctor.ts';

type Settings = Required<DoctorSettings>;

/** A check of something that may be switched off; skipped, with the reason, while the settings are invalid. */
function configured<Key extends 'wifi' | 'homeassistant' | 'graphite'>(
  check: string,
  key: Key,
  fix: string,
  run: (section: NonNullable<Settings[Key]>, io: DoctorIo, settings: DoctorSettings) => Promise<Finding[]>,
): Check {
  return async (io) => {
    let settings: DoctorSettings;
    try {
      settings = await io.settings();
    } catch {
      return [{ check, state: 'warn', text: 'not looked at, because the settings are not valid' }];
    }
    const section = settings[key] as NonNullable<Settings[Key]> | undefined;
    if (section === undefined) return [{ check, state: 'ok', text: `not configured; ${fix}` }];
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

const testSeries = 'home.presence.test_operational';
const readBackMs = 5_000;
const visibleMs = 300_000;

/** Carbon takes a reading and confirms it; with a render address it is also read back, and the settings of Carbon judged. */
export const graphite = configured(
  'graphite',
  'graphite',
  'readings stay in the own database',
  async (section, io, settings) => {
    const check = 'graphite';
    const where = `${section.host}:${section.port}`;
    const epoch = Math.floor(io.now() / 1000);
    try {
      const took = await io.deliver(
        { host: section.host, port: section.port },
        `${testSeries} 1 ${epoch}\n`,
        section.timeout_seconds * 1000,
      );
      const text = `${where} confirmed ${testSeries} after ${took.toFixed(1)} ms`;
      const sent: Finding = { check, state: 'ok', text };
      if (section.render_url === undefined) return [sent];
      return [sent, ...(await readBack(section.render_url, epoch, io, settings))];
    } catch (error) {
      return [
        {
          check,
          state: 'fail',
          text: reason(error),
          fix: `on the machine of Carbon: ss -ltn 'sport = :${section.port}'; LINE_RECEIVER_INTERFACE and firewall must let this machine in`,
        },
      ];
    }
  },
);

async function readBack(
  url: string,
  epoch: number,
  io: DoctorIo,
  settings: DoctorSettings,
): Promise<Finding[]> {
  const check = 'graphite';
  const end = io.now() + readBackMs;
  for (;;) {
    const [shown] = await io.render(url, [testSeries], (epoch - 300) * 1000, (epoch + 60) * 1000, io.signal);
    const points = shown?.datapoints ?? [];
    const visible = points.some(([value, at]) => value !== null && Math.abs(at - epoch) <= 60);
    if (!visible && io.now() < end && !io.signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      continue;
    }
    if (!visible)
      return [
        {
          check,
          state: 'fail',
          text: `${testSeries} was confirmed but is not shown by ${url} after ${readBackMs / 1000} s`,
          fix: 'raise MAX_CREATES_PER_MINUTE in carbon.conf (Debian: 50), look at creates.log; graphite-web must read the same WHISPER_DIR',
        },
      ];
    const [first, second] = points;
    const stepSeconds = first === undefined || second === undefined ? undefined : second[1] - first[1];
    const troubles = diagnose(
      { missingSeries: await missing(url, io, settings), stepSeconds },
      settings.metrics.interval_seconds,
    );
    return [
      { check, state: 'ok', text: `${url} shows it, one point per ${stepSeconds ?? '?'} s` },
      ...troubles.map((text): Finding => ({ check, state: 'warn', text })),
    ];
  }
}

/** Series that a running service has sent for minutes and Graphite does not show: its create limit is too low. */
async function missing(url: string, io: DoctorIo, settings: DoctorSettings): Promise<string[]> {
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
  const names = presenceReadings(view).map((r) => r.series);
  const shown = await io.render(url, names, io.now() - visibleMs, io.now(), io.signal);
  const alive = new Set(shown.filter((s) => s.datapoints.some(([v]) => v !== null)).map((s) => s.target));
  return names.filter((name) => !alive.has(name));
}

/** The service runs and says how it is. */
export const service: Check = async (io) => {
  try {
    const health = (await io.get('/health')) as { status?: string; attention?: readonly string[] };
    const troubled = (health.attention ?? []).join(', ');
    return health.status === 'ok'
      ? [{ check: 'service', state: 'ok', text: 'it runs and all is well' }]
      : [
          {
            check: 'service',
            state: 'warn',
            text: `it runs, but is ${health.status ?? 'unclear'}: ${troubled}`,
            fix: 'lares status, or the status page, says what each of them needs',
          },
        ];
  } catch (error) {
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
