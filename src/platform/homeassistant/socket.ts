import { WebSocket } from 'ws';
import { LaresError } from '#kernel/errors.ts';
import { systemClock } from '../clock.ts';
import { explained, shown } from '../http-client.ts';
import { applyEntities, decodeMessages, type ServerMessage } from './codec.ts';
import type { Access, EntityAnswer, EntityState } from './model.ts';
import { refusal } from './refusal.ts';

export interface Watch {
  readonly access: Access;
  readonly entities: readonly string[];
  /** The states of everything at once, then of what changed; `missing` when Home Assistant removed the entity. */
  readonly onChange: (states: readonly EntityAnswer[]) => void;
  /** The subscription stands, or a ping was answered. */
  readonly onAlive: () => void;
  readonly signal: AbortSignal;
}

// A home of thousands of entities fits; a peer that sends more is no Home Assistant.
const longestMessage = 8 * 2 ** 20;
const features = 1;
const subscription = 2;

/**
 * Hears changes of the entities on `/api/websocket` with `subscribe_entities`, which needs no administrator.
 * Resolves when the signal aborts. Rejects when the socket cannot be had or ends: AUTH_REFUSED, UNREACHABLE,
 * TIMEOUT (no answer to a ping) or BAD_REPLY.
 */
export function watchEntities(watch: Watch): Promise<void> {
  const { access, signal } = watch;
  const url = `${access.url.replace(/\/+$/, '').replace(/^http/, 'ws')}/api/websocket`;
  const deadlineMs = access.deadlineMs ?? 10_000;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return resolve();
    const socket = new WebSocket(url, {
      maxPayload: longestMessage,
      handshakeTimeout: deadlineMs,
      perMessageDeflate: false,
      rejectUnauthorized: access.verifyTls,
    });
    let table: ReadonlyMap<string, EntityState> = new Map();
    let lastId = subscription;
    let timer = setTimeout(() => end(silence('did not let us in')), deadlineMs);

    const silence = (what: string) =>
      new LaresError(
        'TIMEOUT',
        `timeout: Home Assistant ${what} within ${deadlineMs / 1000} s on ${shown(url)}`,
      );
    const end = (error?: Error) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      // A handshake that is cut reports an error of its own, which nobody needs any more.
      socket.removeAllListeners().on('error', () => {});
      socket.terminate();
      if (error === undefined) resolve();
      else reject(error);
    };
    const onAbort = () => end();
    const send = (message: object) => socket.send(JSON.stringify(message));
    const pingLater = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        lastId += 1;
        send({ id: lastId, type: 'ping' });
        timer = setTimeout(() => end(silence('did not answer a ping')), deadlineMs);
      }, access.pingMs ?? 30_000);
    };
    const alive = () => {
      watch.onAlive();
      pingLater();
    };
    const hear: { [T in ServerMessage['type']]: (m: Extract<ServerMessage, { type: T }>) => void } = {
      auth_required: () => send({ type: 'auth', access_token: access.token }),
      auth_invalid: () => end(refusal(401, url, undefined, systemClock.now())),
      auth_ok: () => {
        send({ id: features, type: 'supported_features', features: { coalesce_messages: 1 } });
        send({ id: subscription, type: 'subscribe_entities', entity_ids: watch.entities });
      },
      result: (m) => {
        if (m.id !== subscription) return;
        if (m.success) alive();
        else end(new LaresError('BAD_REPLY', `Home Assistant refused subscribe_entities (${m.error})`));
      },
      pong: alive,
      event: (m) => {
        if (m.id !== subscription) return;
        const next = applyEntities(table, m.event);
        table = next.table;
        if (next.touched.length > 0)
          watch.onChange(next.touched.map((entity) => table.get(entity) ?? { entity, missing: true }));
      },
    };

    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('message', (data: Buffer) => {
      try {
        for (const message of decodeMessages(data.toString())) hear[message.type](message as never);
      } catch (error) {
        end(error as Error);
      }
    });
    socket.on('unexpected-response', (_request, response) => {
      const status = response.statusCode ?? 0;
      const other = new LaresError('BAD_REPLY', `no WebSocket at ${shown(url)}: status ${status}`);
      end(refusal(status, url, response.headers['retry-after'], systemClock.now()) ?? other);
    });
    socket.on('error', (error) =>
      end(new LaresError('UNREACHABLE', `${shown(url)}: ${explained(error)}`, { cause: error })),
    );
    socket.on('close', (code) =>
      end(new LaresError('UNREACHABLE', `Home Assistant closed the WebSocket (${code})`)),
    );
  });
}
