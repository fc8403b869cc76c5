import type { LanDevice } from '#devices/model.ts';
import type { HouseEvent } from '#kernel/event.ts';
import type { Journal } from '#store/model.ts';
import type { PresencePort } from './http.ts';
import type { PresenceView, Suggestion } from './model.ts';
import { staysOf } from './stays.rules.ts';

interface Parts {
  readonly service: {
    view(): PresenceView;
    suggestions(): readonly Suggestion[];
    onChange(listener: (view: PresenceView) => void): () => void;
    ownerOf(mac: string, hostname: string | undefined): string | undefined;
  };
  readonly lan: {
    devices(): readonly LanDevice[];
    present(withinMs: number): readonly LanDevice[];
  };
  /** How long after its last proof of life a device counts as present. */
  readonly presentMs: () => number;
  readonly journal: Pick<Journal, 'list'>;
}

export const transitionKinds = ['presence.arrived', 'presence.left', 'presence.away'];
// More transitions than this in one question are nobody's day; the answer stays bounded.
const mostTransitions = 10_000;

/** The presence service as the HTTP routes need it. */
export function presencePort({ service, lan, presentMs, journal }: Parts): PresencePort {
  const listed = (
    subject: string,
    query: { from?: number; to?: number; limit: number; order: 'asc' | 'desc' },
  ) => journal.list({ kinds: transitionKinds, subject, ...query }) as Promise<readonly HouseEvent[]>;
  return {
    view: () => service.view(),
    why: (person, limit) => listed(`person:${person}`, { limit, order: 'desc' }),
    history: async (person, from, to) => {
      const people = service.view().people.filter((p) => person === undefined || p.person === person);
      const stays = people.map(async (p) => {
        const events = await listed(`person:${p.person}`, { from, to, limit: mostTransitions, order: 'asc' });
        const changedLater = events.length === 0 && p.since !== undefined && p.since >= to;
        const [next] = changedLater
          ? await listed(`person:${p.person}`, { from: to, limit: 1, order: 'asc' })
          : [];
        return staysOf(p, events, from, to, next);
      });
      return (await Promise.all(stays)).flat();
    },
    devices: async () => {
      const present = new Set(lan.present(presentMs()).map((device) => device.mac));
      return lan.devices().map((device) => ({
        ...device,
        person: service.ownerOf(device.mac, device.hostname),
        present: present.has(device.mac),
      }));
    },
    suggestions: async () => service.suggestions(),
    onChange: (listener) => service.onChange(listener),
  };
}
