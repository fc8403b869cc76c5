/** Where the cloud is. Tests and the demo house bring their own. */
export interface TadoCloud {
  readonly loginUrl: string;
  readonly apiUrl: string;
}

export const tadoCloud: TadoCloud = { loginUrl: 'https://login.tado.com', apiUrl: 'https://my.tado.com' };

/** The public client id of the device-code flow, the same for every program (support.tado.com, article 8565472). */
export const clientId = '1bb50063-6b0c-4d11-bd99-387f4a91cc46';

/** What must survive a restart, under one key, so that one atomic write replaces all of it. */
export interface TadoAccount {
  /** Good for one use only: the reply to its use carries the next one. */
  readonly refreshToken: string;
  readonly accessToken: string;
  /** Epoch ms. */
  readonly accessExpiresAt: number;
  readonly homes: readonly number[];
  /** Epoch ms of the login by a person. */
  readonly loggedInAt: number;
  /** Epoch ms before which the next poll would exceed the quota; survives restarts, which would otherwise spend it. */
  readonly nextPollAt: number;
}

export const accountKey = 'tado.tokens';

/** A new set of tokens; `expiresAt` is epoch ms. */
export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expiresAt: number;
}

/** A phone of the Tado account. */
export interface Phone {
  readonly id: string;
  readonly name: string;
  /** Absent when location is switched off in the app, and sometimes when it is on. */
  readonly location: { readonly atHome: boolean; readonly stale: boolean } | undefined;
}

/** What the RateLimit headers said; anything may be missing. */
export interface Quota {
  /** Requests a window. */
  readonly limit: number | undefined;
  readonly windowMs: number | undefined;
  readonly remaining: number | undefined;
  readonly resetMs: number | undefined;
}

/** What a person must do to log in. `expiresAt` is epoch ms, `everyMs` the pace of asking whether they did. */
export interface DeviceCode {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly url: string;
  readonly expiresAt: number;
  readonly everyMs: number;
}
