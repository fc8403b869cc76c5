import { LaresError } from '#kernel/errors.ts';
import { askDeviceCode, postForm, refusal, TadoClient, type CloudParts } from './cloud.ts';
import { oauthError, parseJson, parseTokens } from './codec.ts';
import { accountKey, type DeviceCode, type Phone, type TadoAccount } from './model.ts';

export interface TadoLogin extends CloudParts {
  /** Shows a person where to go and what to type. */
  readonly onCode: (code: DeviceCode) => void;
  readonly signal: AbortSignal;
}

/**
 * The device-code login: a person confirms a code in the browser while we ask whether they did. Keeps the tokens and
 * returns the homes and their phones. Throws TIMEOUT when nobody confirmed in time, AUTH_REFUSED when they declined.
 */
export async function tadoLogin(
  login: TadoLogin,
): Promise<{ homes: readonly number[]; phones: readonly Phone[] }> {
  const { clock, state, signal } = login;
  const code = await askDeviceCode(login);
  login.onCode(code);
  const tokens = await confirmed(login, code);
  const account: TadoAccount = {
    refreshToken: tokens.refreshToken,
    accessToken: tokens.accessToken,
    accessExpiresAt: tokens.expiresAt,
    homes: [],
    loggedInAt: clock.now(),
    nextPollAt: 0,
  };
  await state.set(accountKey, account);
  const client = new TadoClient(login);
  const homes = await client.homes(signal);
  const phones: Phone[] = [];
  for (const home of homes) phones.push(...(await client.phones(home, signal)));
  return { homes, phones };
}

async function confirmed({ cloud, clock, signal }: TadoLogin, code: DeviceCode) {
  let { everyMs } = code;
  while (clock.now() < code.expiresAt) {
    await clock.sleep(everyMs, signal);
    if (signal.aborted) throw new LaresError('USAGE', 'the login was cancelled');
    const reply = await postForm(cloud, '/oauth2/token', {
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      device_code: code.deviceCode,
    });
    if (reply.status === 200) return parseTokens(parseJson(reply.text), clock.now());
    const error = oauthError(reply.text);
    if (error === 'access_denied')
      throw new LaresError('AUTH_REFUSED', 'the login was declined in the browser');
    if (error === 'expired_token') break;
    // RFC 8628, 3.5: five seconds more from now on.
    if (error === 'slow_down') everyMs += 5_000;
    else if (error !== 'authorization_pending') throw refusal(reply, clock.now());
  }
  throw new LaresError('TIMEOUT', 'nobody confirmed the code in time: run `lares tado login` again');
}
