import type { CctvSettings } from '#cctv/index.ts';
import type { InspectedSpeaker } from '#guard/index.ts';
import { reason } from '#kernel/errors.ts';
import type { GraphiteConfig, GraphiteFinding } from '#metrics/index.ts';
import type { OpenScanner, WifiConfig } from '#devices/index.ts';
import type { EntityAnswer } from '#platform/homeassistant/model.ts';
import type { PersonConfig } from '#presence/index.ts';

export interface Finding {
  readonly check: string;
  readonly state: 'ok' | 'warn' | 'fail';
  /** What is so, as a sentence. */
  readonly text: string;
  /** What to do about it. */
  readonly fix?: string;
}

/** The part of the settings tree that the doctor reads. */
export interface DoctorSettings {
  readonly presence: { readonly people: readonly PersonConfig[] };
  readonly metrics: { readonly interval_seconds: number };
  readonly wifi?: WifiConfig | undefined;
  readonly homeassistant?:
    | { readonly url: string; readonly token: string; readonly verify_tls: boolean }
    | undefined;
  readonly graphite?: GraphiteConfig | undefined;
  readonly cameras?: CctvSettings['cameras'];
  readonly cctv?: CctvSettings['cctv'];
  readonly performance?: CctvSettings['performance'];
  readonly processing?: CctvSettings['processing'];
  readonly speakers?: readonly InspectedSpeaker[];
}

/** What the checks touch besides files. */
export interface DoctorIo {
  /** Throws CONFIG_INVALID or CONFIG_UNREADABLE. */
  settings(): Promise<DoctorSettings>;
  readonly configFile: string | undefined;
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Files that may hold secrets, whether they exist or not. */
  readonly secretFiles: readonly string[];
  /** Epoch ms. */
  now(): number;
  /** Epoch ms at which this program was installed; the clock cannot be right before it. */
  readonly installedAt: number;
  readonly openScanner: OpenScanner;
  readonly mayUseRaw: () => boolean;
  /** Everything between us and Graphite; `series` are those that it must show already. */
  checkGraphite(
    config: GraphiteConfig,
    options: { intervalSeconds: number; series: readonly string[]; signal: AbortSignal },
  ): Promise<readonly GraphiteFinding[]>;
  homeAssistant(access: { url: string; token: string; verifyTls: boolean }): {
    greeting(signal?: AbortSignal): Promise<string>;
    state(entity: string, signal?: AbortSignal): Promise<EntityAnswer>;
  };
  /** Asks the running service. Throws UNREACHABLE when it does not run. */
  get(path: string): Promise<unknown>;
  /** The output of a program; undefined when it is missing or fails. */
  program(name: string, args: readonly string[]): Promise<string | undefined>;
  /** Processors, and bytes of memory that processes may use. */
  readonly machine: { readonly cores: number; readonly memoryBytes: number };
  /** Loads the native library that raw sockets and systemd need. Throws when it cannot. */
  loadNative(): Promise<void>;
  readonly signal: AbortSignal;
}

export type Check = (io: DoctorIo) => Promise<readonly Finding[]>;

/** Runs checks one after the other; one that throws is a finding too, never the end. */
export async function examine(
  checks: Readonly<Record<string, Check>>,
  io: DoctorIo,
  tell: (name: string) => void = () => {},
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [name, check] of Object.entries(checks)) {
    tell(name);
    try {
      findings.push(...(await check(io)));
    } catch (error) {
      findings.push({ check: name, state: 'fail', text: reason(error) });
    }
  }
  return findings;
}

/** The worst state decides: a failure means that something does not work, a warning that it could work better. */
export const passed = (findings: readonly Finding[]): boolean => findings.every((f) => f.state !== 'fail');

const marks = { ok: 'ok  ', warn: 'WARN', fail: 'FAIL' } as const;
const many = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`;

// A reply of a stranger's server may carry terminal escapes.
const printable = (text: string) => text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\uFFFD');

/** The findings for a terminal, each trouble followed by its remedy. */
export function report(findings: readonly Finding[]): string {
  const width = Math.max(0, ...findings.map((f) => f.check.length));
  const lines = findings.flatMap(({ check, state, text, fix }) => [
    `${marks[state]}  ${check.padEnd(width)}  ${printable(text)}`,
    ...(fix === undefined ? [] : [`      ${' '.repeat(width)}  fix: ${printable(fix)}`]),
  ]);
  const count = (state: Finding['state']) => findings.filter((f) => f.state === state).length;
  const troubles = [
    ...(count('fail') > 0 ? [many(count('fail'), 'failure')] : []),
    ...(count('warn') > 0 ? [many(count('warn'), 'warning')] : []),
  ];
  return [...lines, '', troubles.length === 0 ? 'All is well.' : `${troubles.join(', ')}.`].join('\n');
}
