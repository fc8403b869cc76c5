import type { Target } from '../../driver.ts';

/**
 * How a device lets itself be asked: `xor` is the open port 9999 of older Kasa firmware; `klap` and `aes` are the two
 * encrypted sessions over HTTP that need the login of the TP-Link account.
 */
export type Way = 'xor' | 'klap' | 'aes';

/** Which language the JSON inside is: `{"module":{"command":{}}}` or `{"method":…,"params":…}`. */
export type Family = 'iot' | 'smart';

/** E-mail and password of the TP-Link account. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

/** Logins that devices carry from the factory and fall back to; public knowledge, no secrets. */
export const builtInLogins: readonly Login[] = [
  { username: 'kasa@tp-link.net', password: 'kasaSetup' },
  { username: 'test@tp-link.net', password: 'test' },
  { username: '', password: '' },
];

export interface KasaTarget extends Target {
  /** As its discovery reply says; tried first. */
  readonly way?: Way | undefined;
  readonly family?: Family | undefined;
  /** Port of `way`, where it is not the usual one. */
  readonly port?: number | undefined;
  /** Where this device belongs to another account than the others. */
  readonly login?: Login | undefined;
}

/** The ports at which devices of a network are looked for. */
export interface KasaPorts {
  /** XOR over TCP and UDP. */
  readonly local: number;
  /** KLAP and AES. */
  readonly http: number;
  /** Encrypted discovery. */
  readonly discovery: readonly number[];
}

/** Carries one question and its answer at a time; connects at the first question and again after a failure. */
export interface Link {
  readonly way: Way;
  /** Asks JSON and resolves with the parsed answer. Throws LaresError; TIMEOUT when `signal` aborts. */
  ask(request: string, signal: AbortSignal): Promise<unknown>;
  close(): void;
}
