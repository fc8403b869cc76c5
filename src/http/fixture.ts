import type { HttpOptions } from './ports.ts';
import { serve } from './server.ts';
import { SimHouse, simPerson } from './sim.ts';

export const at = Date.parse('2026-01-31T08:00:00Z');
export const hour = 3_600_000;

export type ServedHouse = Awaited<ReturnType<typeof servedHouse>>;

/** A house with alex at home, sam away and a guest, served on a port of its own; `get` asks it as a browser does. */
export async function servedHouse(options: Pick<HttpOptions, 'heartbeatMs'> = {}) {
  const house = new SimHouse(at);
  house.people = [
    simPerson('alex', {
      state: 'home',
      probability: 0.97,
      since: at - 2 * hour,
      lastSeen: at - 5_000,
      from: { wifi: 1, homeassistant: 0, tado: 0 },
      evidence: [{ at: at - 5_000, source: 'wifi', text: 'answered ARP', weight: 3.2 }],
    }),
    simPerson('sam', { conflict: 'Wi-Fi says away, Home Assistant says home' }),
  ];
  house.guests = 1;
  const server = await serve(house, { host: '127.0.0.1', port: 0, ...options });
  const get = async (path: string, headers: Record<string, string> = {}) => {
    const reply = await fetch(`${server.url}${path}`, { headers });
    const text = await reply.text();
    const type = reply.headers.get('content-type') ?? '';
    return {
      status: reply.status,
      type,
      text,
      headers: reply.headers,
      body: type.includes('json') ? JSON.parse(text) : undefined,
    };
  };
  return { house, server, get };
}
