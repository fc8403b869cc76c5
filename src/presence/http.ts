import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { LanDevice } from '#devices/model.ts';
import type { HouseEvent } from '#kernel/event.ts';
import { LaresError } from '#kernel/errors.ts';
import {
  errorBody,
  eventBody,
  evidenceBody,
  instant,
  instantQuery,
  iso,
  isoOrNull,
  parseInstant,
  toEventBody,
  toEvidenceBody,
} from '#platform/wire.ts';
import type { PersonView, PresenceView, Suggestion } from './model.ts';
import type { Stay } from './stays.rules.ts';

/** A device of the LAN and whose it is. */
export interface OwnedDevice extends LanDevice {
  readonly person: string | undefined;
  readonly present: boolean;
}

/** What the routes need of the presence service. All instants are epoch ms. */
export interface PresencePort {
  view(): PresenceView;
  /** Events that changed this person's state, newest first, with the evidence they rest on. */
  why(person: string, limit: number): Promise<readonly HouseEvent[]>;
  /** Stays that touch `from`..`to`, oldest first per person; of all people when none is named. */
  history(person: string | undefined, from: number, to: number): Promise<readonly Stay[]>;
  devices(): Promise<readonly OwnedDevice[]>;
  suggestions(): Promise<readonly Suggestion[]>;
  /** Called after every change of the picture. Returns a function that unsubscribes. */
  onChange(listener: (view: PresenceView) => void): () => void;
}

const state = z.enum(['home', 'away', 'unknown']);
const bit = z.union([z.literal(0), z.literal(1)]);

export const personBody = z.object({
  person: z.string(),
  name: z.string(),
  state,
  probability: z.number().min(0).max(1),
  since: instant.nullable(),
  last_seen: instant.nullable(),
  from: z.object({ wifi: bit, homeassistant: bit, tado: bit }),
  evidence: z.array(evidenceBody),
  conflict: z.string().nullable(),
});

export const presenceBody = z.object({
  at: instant,
  count_home: z.number().int(),
  anyone_home: z.boolean(),
  devices_present: z.number().int(),
  guests: z.number().int(),
  people: z.array(personBody),
});
export type PresenceBody = z.infer<typeof presenceBody>;

export const personDetailBody = personBody.extend({ why: z.array(eventBody) });

export const stayBody = z.object({ person: z.string(), state, from: instant, to: instant.nullable() });

export const historyBody = z.object({ from: instant, to: instant, stays: z.array(stayBody) });

export const deviceBody = z.object({
  mac: z.string(),
  ip: z.string().nullable(),
  hostname: z.string().nullable(),
  vendor: z.string().nullable(),
  randomised: z.boolean(),
  network: z.string(),
  person: z.string().nullable(),
  present: z.boolean(),
  first_seen: instant,
  last_seen: instant,
  last_via: z.string(),
});

export const suggestionBody = z.object({
  id: z.string(),
  kind: z.enum(['relink-mac', 'assign-device']),
  person: z.string(),
  mac: z.string(),
  replaces: z.string().nullable(),
  confidence: z.number(),
  evidence: z.array(evidenceBody),
  at: instant,
  status: z.enum(['open', 'accepted', 'rejected', 'applied']),
});

export function toPersonBody(person: PersonView): z.infer<typeof personBody> {
  return {
    person: person.person,
    name: person.name,
    state: person.state,
    probability: Math.min(1, Math.max(0, person.probability)),
    since: isoOrNull(person.since),
    last_seen: isoOrNull(person.lastSeen),
    from: person.from,
    evidence: person.evidence.map(toEvidenceBody),
    conflict: person.conflict ?? null,
  };
}

export function toPresenceBody(view: PresenceView): PresenceBody {
  return {
    at: iso(view.at),
    count_home: view.countHome,
    anyone_home: view.countHome > 0,
    devices_present: view.devicesPresent,
    guests: view.guests,
    people: view.people.map(toPersonBody),
  };
}

function toDeviceBody(device: OwnedDevice): z.infer<typeof deviceBody> {
  return {
    mac: device.mac,
    ip: device.ip ?? null,
    hostname: device.hostname ?? null,
    vendor: device.vendor ?? null,
    randomised: device.randomised,
    network: device.network,
    person: device.person ?? null,
    present: device.present,
    first_seen: iso(device.firstSeen),
    last_seen: iso(device.lastSeen),
    last_via: device.lastVia,
  };
}

function toSuggestionBody(suggestion: Suggestion): z.infer<typeof suggestionBody> {
  const { id, kind, person, mac, replaces, confidence, status } = suggestion;
  const evidence = suggestion.evidence.map(toEvidenceBody);
  return {
    id,
    kind,
    person,
    mac,
    replaces: replaces ?? null,
    confidence,
    evidence,
    at: iso(suggestion.at),
    status,
  };
}

const dayMs = 86_400_000;
const longestSpanMs = 400 * dayMs;

/**
 * The span of a query, epoch ms: the 24 hours before `now` where nothing is said.
 * @throws LaresError USAGE when it is empty or longer than 400 days.
 */
export function span(query: { from?: string | undefined; to?: string | undefined }, now: number) {
  const to = query.to === undefined ? now : parseInstant(query.to)!;
  const from = query.from === undefined ? to - dayMs : parseInstant(query.from)!;
  if (from >= to) throw new LaresError('USAGE', `from (${iso(from)}) must lie before to (${iso(to)})`);
  if (to - from > longestSpanMs)
    throw new LaresError('USAGE', 'the span is longer than 400 days; ask for less');
  return { from, to };
}

/** Without the people a 404 would leave the caller guessing at the spelling. */
function known(view: PresenceView, person: string): PersonView {
  const found = view.people.find((p) => p.person === person);
  if (found !== undefined) return found;
  const names = view.people.map((p) => p.person).join(', ');
  throw new LaresError(
    'NOT_FOUND',
    `nobody is called ${JSON.stringify(person)}; known: ${names === '' ? 'nobody yet' : names}`,
  );
}

const personName = z.string().min(1).max(64);

/** The routes under `/api/presence`. `now` is the wall clock, epoch ms. */
export function presenceRoutes(port: PresencePort, now: () => number): FastifyPluginAsyncZod {
  const tags = ['presence'];
  const errors = { 400: errorBody, 404: errorBody };
  return async (app) => {
    app.get(
      '/api/presence',
      {
        schema: {
          tags,
          summary: 'Who is home, and what that belief rests on',
          response: { 200: presenceBody },
        },
      },
      () => toPresenceBody(port.view()),
    );
    app.get(
      '/api/presence/history',
      {
        schema: {
          tags,
          summary: 'When people were home or away; the last 24 hours unless told',
          querystring: z.object({
            from: instantQuery.optional(),
            to: instantQuery.optional(),
            person: personName.optional(),
          }),
          response: { 200: historyBody, ...errors },
        },
      },
      async ({ query }) => {
        const { from, to } = span(query, now());
        if (query.person !== undefined) known(port.view(), query.person);
        const stays = await port.history(query.person, from, to);
        return {
          from: iso(from),
          to: iso(to),
          stays: stays.map((s) => ({
            person: s.person,
            state: s.state,
            from: iso(s.from),
            to: isoOrNull(s.to),
          })),
        };
      },
    );
    app.get(
      '/api/presence/devices',
      {
        schema: {
          tags,
          summary: 'Devices on the network and whose they are',
          response: { 200: z.object({ devices: z.array(deviceBody) }) },
        },
      },
      async () => ({ devices: (await port.devices()).map(toDeviceBody) }),
    );
    app.get(
      '/api/presence/suggestions',
      {
        schema: {
          tags,
          summary: 'Devices that probably belong to somebody, for a person to accept or reject',
          response: { 200: z.object({ suggestions: z.array(suggestionBody) }) },
        },
      },
      async () => ({ suggestions: (await port.suggestions()).map(toSuggestionBody) }),
    );
    app.get(
      '/api/presence/:person',
      {
        schema: {
          tags,
          summary: 'One person, with the evidence of the last transitions',
          params: z.object({ person: personName }),
          querystring: z.object({ limit: z.coerce.number().int().min(1).max(100).default(10) }),
          response: { 200: personDetailBody, ...errors },
        },
      },
      async ({ params, query }) => {
        const person = known(port.view(), params.person);
        const why = await port.why(params.person, query.limit);
        return { ...toPersonBody(person), why: why.map(toEventBody) };
      },
    );
  };
}
