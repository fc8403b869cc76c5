import { lookup as systemLookup } from 'node:dns';
import { connect, type LookupFunction } from 'node:net';
import { LaresError, type Code } from '#kernel/errors.ts';
import { explained, retryAfterMs, shown, webRequest, type WebReply } from '#platform/http-client.ts';
import type { AlertMessage } from '../../model.ts';
import type { ChannelHealth, ChannelIo, OpenChannel } from '../contract.ts';
import { readPicture } from '../picture.ts';
import type { WebhookAction } from './action.ts';
import { forbidden } from './address.ts';
import { signature, webhookBody } from './body.ts';
import type { Webhook } from './config.ts';

const checkMs = 3_000;

/** Webhooks of the settings. `lookup` asks the system for addresses; tests bring their own names. */
export function openWebhooks(
  hooks: readonly Webhook[],
  io: ChannelIo,
  lookup: LookupFunction = systemLookup as LookupFunction,
): OpenChannel<WebhookAction> {
  const guarded = guardedLookup(lookup);
  return {
    async deliver(alert, { to }, signal) {
      const hook = hooks.find(({ id }) => id === to);
      if (hook === undefined)
        throw new LaresError(
          'CONFIG_INVALID',
          `there is no webhook ${to}; name it under monitoring.webhooks`,
        );
      await post(hook, alert, io.clock.now(), guarded, signal);
    },
    check: (signal) => checkAll(hooks, guarded, signal),
    close: async () => {},
  };
}

/** The host alone: the path of most webhooks is a key. */
const place = (hook: Webhook) => `webhook ${hook.id} (${new URL(hook.url).host})`;

async function post(
  hook: Webhook,
  alert: AlertMessage,
  now: number,
  lookup: LookupFunction,
  signal: AbortSignal,
): Promise<void> {
  const picture = hook.snapshot === 'none' ? undefined : await readPicture(alert.snapshot);
  const { type, bytes } = webhookBody(alert, hook.snapshot, picture);
  let reply: WebReply;
  try {
    reply = await webRequest({
      url: hook.url,
      method: 'POST',
      body: bytes,
      headers: {
        'content-type': type,
        'content-length': String(bytes.length),
        'user-agent': 'lares',
        'idempotency-key': alert.id.replaceAll(/[^\x21-\x7e]/g, '_'),
        ...(hook.bearer_token === undefined ? {} : { authorization: `Bearer ${hook.bearer_token}` }),
        ...(hook.hmac_secret === undefined
          ? {}
          : { 'x-lares-signature': signature(hook.hmac_secret, now, bytes) }),
      },
      deadlineMs: hook.timeout_seconds * 1_000,
      maxBytes: 65_536,
      // A receiver that took the alert must not get it again because its answer is long or slow.
      statusOnly: true,
      verifyTls: hook.verify_tls,
      lookup,
      signal,
    });
  } catch (error) {
    throw withoutKeys(error as LaresError, hook);
  }
  judge(reply, hook, now);
}

/** The same error without the path of the address; nothing of the original one stays attached. */
function withoutKeys(error: LaresError, hook: Webhook): LaresError {
  const text = error.message.replaceAll(shown(hook.url), place(hook)).replaceAll(hook.url, place(hook));
  return new LaresError(error.code, text);
}

/** What a status says about who must act: 4xx of the address or the key is for a person, 5xx passes. */
const meanings: Readonly<Record<number, readonly [Code, string]>> = {
  401: ['AUTH_REFUSED', 'refuses the credentials; check bearer_token, hmac_secret and the address'],
  403: ['AUTH_REFUSED', 'refuses the credentials; check bearer_token, hmac_secret and the address'],
  404: ['NOT_FOUND', 'does not know the address; check url'],
  405: ['CONFIG_INVALID', 'takes no POST at this address; check url'],
  408: ['TIMEOUT', 'gave up waiting'],
  410: ['GONE', 'no longer offers this address; check url'],
  429: ['RATE_LIMITED', 'asks for fewer requests'],
};

/** @throws LaresError for everything but 2xx. */
function judge(reply: WebReply, hook: Webhook, now: number): void {
  const { status } = reply;
  if (status >= 200 && status < 300) return;
  const again = retryAfterMs(reply.headers['retry-after'], now);
  const [code, text] =
    meanings[status] ??
    (status >= 500
      ? (['UNREACHABLE', 'is in trouble'] as const)
      : status >= 300 && status < 400
        ? ([
            'CONFIG_INVALID',
            'leads elsewhere, which is not followed; write the final address into url',
          ] as const)
        : (['BAD_REPLY', 'does not accept the alert'] as const));
  throw new LaresError(
    code,
    `${place(hook)} ${text} (HTTP ${status})`,
    again === undefined ? {} : { retryAfterMs: again },
  );
}

/**
 * Looks a name up and refuses it when any of its addresses is link-local or a metadata service: a name that somebody
 * else controls must not lead a request there. An address written into the settings is never looked up.
 */
function guardedLookup(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) =>
    lookup(hostname, options, (error, address, family) => {
      const found = typeof address === 'string' ? [address] : (address ?? []).map((a) => a.address);
      const bad = error === null ? found.find(forbidden) : undefined;
      if (bad === undefined) return callback(error, address, family);
      const refused: NodeJS.ErrnoException = new LaresError(
        'FORBIDDEN',
        `${hostname} leads to ${bad}, an address that only this machine or wire knows; write the address itself into url if it is meant`,
      );
      callback(refused, '', 0);
    });
}

async function checkAll(
  hooks: readonly Webhook[],
  lookup: LookupFunction,
  signal: AbortSignal,
): Promise<ChannelHealth> {
  if (hooks.length === 0) return { state: 'off', detail: 'monitoring.webhooks is empty' };
  const answers = await Promise.all(
    hooks.map(async (hook) => [hook, await reaches(hook, lookup, signal)] as const),
  );
  const bad = answers.flatMap(([hook, trouble]) =>
    trouble === undefined ? [] : [`${place(hook)}: ${trouble}`],
  );
  if (bad.length === 0)
    return { state: 'ok', detail: `${hooks.map((h) => h.id).join(', ')} can be reached; nothing was posted` };
  return { state: bad.length === hooks.length ? 'down' : 'degraded', detail: bad.join('; ') };
}

/** Opens a connection and sends nothing. The trouble as a sentence, or undefined. */
function reaches(hook: Webhook, lookup: LookupFunction, signal: AbortSignal): Promise<string | undefined> {
  const { hostname, port, protocol } = new URL(hook.url);
  return new Promise((resolve) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(checkMs)]);
    const socket = connect({
      host: hostname.replaceAll(/[[\]]/g, ''),
      port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
      lookup,
      signal: limit,
    });
    socket.once('connect', () => (socket.destroy(), resolve(undefined)));
    socket.once(
      'error',
      (error) => (socket.destroy(), resolve(limit.aborted ? 'no answer' : explained(error))),
    );
  });
}
