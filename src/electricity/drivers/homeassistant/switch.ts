import { setTimeout as sleep } from 'node:timers/promises';
import { LaresError } from '#kernel/errors.ts';
import { systemClock } from '#platform/clock.ts';
import { shown, webRequest } from '#platform/http-client.ts';
import { HomeAssistant } from '#platform/homeassistant/client.ts';
import type { Access } from '#platform/homeassistant/model.ts';
import { refusal } from '#platform/homeassistant/refusal.ts';
import type { Switches } from '../../model.ts';
import { isOn } from './entity.rules.ts';

// Radio devices confirm late; what is not confirmed after this is told as it is.
const confirmMs = 5_000;
const lookEveryMs = 100;

/** Switches an entity by a service call, and waits until Home Assistant shows the new state. */
export function switchOf(access: Access, entity: string): Switches {
  const client = new HomeAssistant(access);
  return {
    turn: async (on, signal) => {
      await call(access, entity, on, signal);
      const end = performance.now() + confirmMs;
      for (;;) {
        const state = isOn(await client.state(entity, signal));
        if (state === (on ? 1 : 0)) return on;
        if (performance.now() < end) {
          await sleep(lookEveryMs, undefined, { signal });
          continue;
        }
        if (state !== undefined) return state === 1;
        throw new LaresError(
          'UNREACHABLE',
          `${entity} is not available in Home Assistant, so nobody knows whether it was switched`,
        );
      }
    },
  };
}

async function call(access: Access, entity: string, on: boolean, signal: AbortSignal): Promise<void> {
  const [domain] = entity.split('.');
  const reply = await webRequest({
    url: `${access.url.replace(/\/+$/, '')}/api/services/${domain}/turn_${on ? 'on' : 'off'}`,
    method: 'POST',
    headers: { authorization: `Bearer ${access.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ entity_id: entity }),
    verifyTls: access.verifyTls,
    signal,
    ...(access.deadlineMs === undefined ? {} : { deadlineMs: access.deadlineMs }),
  });
  const refused = refusal(reply.status, reply.url, reply.headers['retry-after'], systemClock.now());
  if (refused !== undefined) throw refused;
  if (reply.status !== 200)
    throw new LaresError(
      'BAD_REPLY',
      `Home Assistant answered ${reply.status} when ${entity} was to be switched (${shown(reply.url)})`,
    );
}
