import type { LanScanner, OpenScanner } from '#devices/index.ts';
import { checkGraphite } from '#metrics/index.ts';
import { HomeAssistant } from '#platform/homeassistant/client.ts';
import { scratch } from '../../../tests/servers/process.ts';
import type { DoctorIo, DoctorSettings } from '../doctor.ts';

/** What a test has opened; it closes them by `closeAll` after each test. */
export const closers: (() => unknown)[] = [];
export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).toReversed()) await close();
}

export function folder(): string {
  const { dir, remove } = scratch('doctor');
  closers.push(remove);
  return dir;
}

/** A scanner that finds what it is told; it holds no socket. */
export function simulated(found: number): OpenScanner {
  return async () =>
    ({
      method: 'simulated',
      why: 'simulated for a test',
      sweep: async (network) => ({
        network,
        at: 0,
        probed: 254,
        tookMs: 12,
        found: Array.from({ length: found }, (_, i) => ({
          mac: `02:00:5e:10:00:${(i + 1).toString(16).padStart(2, '0')}`,
          ip: `192.0.2.${i + 1}`,
          at: 0,
          via: 'arp-reply' as const,
          network,
        })),
      }),
      probe: async () => [],
      close: async () => {},
    }) satisfies LanScanner;
}

/** A healthy machine, on which a house is well; its settings name nothing but these. */
export function io(settings: Partial<DoctorSettings>, over: Partial<DoctorIo> = {}): DoctorIo {
  return {
    settings: async () => ({ presence: { people: [] }, metrics: { interval_seconds: 5 }, ...settings }),
    configFile: 'lares.yaml',
    dataDir: '/nonexistent',
    env: process.env,
    secretFiles: [],
    now: Date.now,
    installedAt: 0,
    openScanner: simulated(20),
    mayUseRaw: () => true,
    checkGraphite,
    homeAssistant: (access) => new HomeAssistant(access),
    get: async () => ({ status: 'ok', attention: [] }),
    program: async () => undefined,
    machine: { cores: 4, memoryBytes: 8e9 },
    loadNative: async () => {},
    signal: new AbortController().signal,
    ...over,
  };
}

export const states = (findings: readonly { state: string; text: string }[]) =>
  findings.map((f) => [f.state, f.text]);
