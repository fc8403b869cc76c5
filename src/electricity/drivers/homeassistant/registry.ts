import { WebSocket } from 'ws';
import { LaresError } from '#kernel/errors.ts';
import { explained, shown } from '#platform/http-client.ts';
import { parseJson } from '#platform/homeassistant/codec.ts';
import type { Access } from '#platform/homeassistant/model.ts';
import { refusal } from '#platform/homeassistant/refusal.ts';
import { systemClock } from '#platform/clock.ts';
import { parseRegistry, type Registry } from './registry.codec.ts';

const longestMessage = 32 * 2 ** 20;
const commands = ['config/entity_registry/list', 'config/device_registry/list'] as const;

type Message = Readonly<Record<string, unknown>>;

/**
 * Which device each entity belongs to, from `/api/websocket` (developers.home-assistant.io, WebSocket API); needs no
 * administrator. Throws AUTH_REFUSED, UNREACHABLE, TIMEOUT or BAD_REPLY.
 */
export function readRegistry(access: Access, signal: AbortSignal): Promise<Registry> {
  const url = `${access.url.replace(/\/+$/, '').replace(/^http/, 'ws')}/api/websocket`;
  const deadlineMs = access.deadlineMs ?? 10_000;
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = new WebSocket(url, {
      maxPayload: longestMessage,
      handshakeTimeout: deadlineMs,
      perMessageDeflate: false,
      rejectUnauthorized: access.verifyTls,
    });
    const results = new Map<number, unknown>();
    const end = (outcome: Registry | Error) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.removeAllListeners().on('error', () => {});
      socket.terminate();
      if (outcome instanceof Error) reject(outcome);
      else resolve(outcome);
    };
    const fail = (code: 'UNREACHABLE' | 'TIMEOUT' | 'BAD_REPLY', sentence: string, cause?: unknown) =>
      end(new LaresError(code, sentence, cause === undefined ? {} : { cause }));
    const onAbort = () => end(signal.reason as Error);
    const timer = setTimeout(
      () =>
        fail(
          'TIMEOUT',
          `timeout: Home Assistant did not tell its devices within ${deadlineMs / 1000} s on ${shown(url)}`,
        ),
      deadlineMs,
    );
    const hear: Readonly<Record<string, (m: Message) => void>> = {
      auth_required: () => socket.send(JSON.stringify({ type: 'auth', access_token: access.token })),
      auth_invalid: () =>
        end(
          refusal(401, url, undefined, systemClock.now()) ??
            new LaresError('AUTH_REFUSED', 'the token was refused'),
        ),
      auth_ok: () => {
        for (const [index, type] of commands.entries()) socket.send(JSON.stringify({ id: index + 1, type }));
      },
      result: (m) => {
        if (m['success'] !== true) return fail('BAD_REPLY', 'Home Assistant refused to tell its devices');
        results.set(Number(m['id']), m['result']);
        if (results.size === commands.length) end(parseRegistry(results.get(1), results.get(2)));
      },
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('message', (data: Buffer) => {
      try {
        const message = parseJson(data.toString(), 'Home Assistant') as Message | null;
        const type = String(message?.['type']);
        if (message !== null && Object.hasOwn(hear, type)) hear[type]?.(message);
      } catch (error) {
        end(error as Error);
      }
    });
    socket.on('unexpected-response', (_request, response) => {
      const status = response.statusCode ?? 0;
      const known = refusal(status, url, response.headers['retry-after'], systemClock.now());
      end(known ?? new LaresError('BAD_REPLY', `no WebSocket at ${shown(url)}: status ${status}`));
    });
    socket.on('error', (error) => fail('UNREACHABLE', `${shown(url)}: ${explained(error)}`, error));
    socket.on('close', (code) => fail('UNREACHABLE', `Home Assistant closed the WebSocket (${code})`));
  });
}
