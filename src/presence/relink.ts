import type { Clock, Log } from '#kernel/driver.ts';
import type { LanDevice } from '#devices/model.ts';
import type { Store } from '#store/model.ts';
import type { Belief } from './belief.rules.ts';
import type { ReportSource, Suggestion } from './model.ts';
import { contradicted, suggestRelinks, type KnownPhone } from './relink.rules.ts';

/** An address that was taken for a known phone's new one without asking, as the configuration allows. */
interface Link {
  readonly person: string;
  readonly mac: string;
  readonly replaces: string;
}

export interface RelinkParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: Pick<Store, 'journal' | 'state'>;
  readonly lan: { devices(): readonly LanDevice[]; get(mac: string): LanDevice | undefined };
  /** How long a report of each source is believed when it goes quiet. */
  readonly reportTtlMs: () => Readonly<Record<ReportSource, number>>;
}

const relinkId = (link: { readonly replaces: string; readonly mac: string }) =>
  `relink-mac:${link.replaces}:${link.mac}`;

export const suggestionsKey = 'presence.suggestions';
const linksKey = 'presence.links';
/** Ids that a person rejected; written by the command line as well, while the service runs. */
export const rejectedKey = 'presence.rejected';
const everyMs = 30_000;
// A proposal that nobody answered in this time was about a guest.
const forgetMs = 14 * 86_400_000;

/** Finds phones that changed their MAC address, proposes the link, and makes it where the configuration allows. */
export class Relinker {
  readonly #parts: RelinkParts;
  #links = new Map<string, Link>();
  #suggestions = new Map<string, Suggestion>();
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: RelinkParts) {
    this.#parts = parts;
  }

  async load(): Promise<void> {
    const { state } = this.#parts.store;
    for (const link of (await state.get<Link[]>(linksKey)) ?? []) this.#links.set(link.mac, link);
    for (const s of (await state.get<Suggestion[]>(suggestionsKey)) ?? []) this.#suggestions.set(s.id, s);
  }

  /** The person whose phone this address was linked to by itself. */
  personOf(mac: string): string | undefined {
    return this.#links.get(mac)?.person;
  }

  /** The address of `person` that this one replaced, whose habits it inherits: by a link, or by an accepted proposal. */
  replacedBy(mac: string, person: string): string | undefined {
    const known = [...this.#links.values(), ...this.suggestions()];
    return known.find((k) => k.mac === mac && k.person === person)?.replaces;
  }

  suggestions(): readonly Suggestion[] {
    return [...this.#suggestions.values()].toSorted((a, b) => b.confidence - a.confidence);
  }

  /** Looks again, at most twice a minute. `ownerOf` is the configured owner, links aside. */
  async maintain(
    limits: { readonly suggest_above: number; readonly relink_above: number },
    beliefs: readonly Belief[],
    ownerOf: (device: LanDevice) => string | undefined,
  ): Promise<void> {
    const { clock, lan, store } = this.#parts;
    const elapsed = clock.monotonic() - this.#lookedAt;
    if (elapsed < everyMs) return;
    this.#lookedAt = clock.monotonic();
    const before = JSON.stringify([this.suggestions(), [...this.#links.values()]]);
    const rejected = new Set((await store.state.get<string[]>(rejectedKey)) ?? []);
    const devices = lan.devices();
    this.#settle(devices, rejected, ownerOf);
    const known = devices.flatMap((device) => {
      const person = ownerOf(device) ?? this.personOf(device.mac);
      return person === undefined ? [] : [{ person, device, report: this.#reportOf(person, beliefs) }];
    });
    const unassigned = devices.filter((d) => ownerOf(d) === undefined && !this.#links.has(d.mac));
    for (const found of suggestRelinks(known, unassigned, clock.now()))
      if (found.confidence >= limits.suggest_above && !rejected.has(found.id))
        await this.#propose(found, limits.relink_above);
    const after = JSON.stringify([this.suggestions(), [...this.#links.values()]]);
    if (after === before) return;
    await store.state.set(suggestionsKey, this.suggestions());
    await store.state.set(linksKey, [...this.#links.values()]);
  }

  #reportOf(person: string, beliefs: readonly Belief[]): KnownPhone['report'] {
    const [now, ttlMs] = [this.#parts.clock.now(), this.#parts.reportTtlMs()];
    const reports = Object.values(beliefs.find((b) => b.person === person)?.reports ?? {});
    const newest = reports
      .filter((r) => r.state !== 'unknown' && now - r.receivedAt <= ttlMs[r.source])
      .toSorted((a, b) => b.at - a.at)[0];
    return newest === undefined || newest.state === 'unknown'
      ? undefined
      : { state: newest.state, since: newest.at };
  }

  /** Drops links that proved wrong, were rejected or are configured by now, and closes proposals that were answered. */
  #settle(
    devices: readonly LanDevice[],
    rejected: ReadonlySet<string>,
    ownerOf: (device: LanDevice) => string | undefined,
  ): void {
    const now = this.#parts.clock.now();
    const byMac = new Map(devices.map((d) => [d.mac, d]));
    for (const link of this.#links.values()) {
      const configured = byMac.get(link.mac);
      if (rejected.has(relinkId(link)) || (configured !== undefined && ownerOf(configured) !== undefined)) {
        this.#links.delete(link.mac);
        continue;
      }
      const [old, fresh] = [byMac.get(link.replaces), byMac.get(link.mac)];
      if (old === undefined || fresh === undefined || !contradicted(old, fresh)) continue;
      this.#links.delete(link.mac);
      this.#parts.log.warn(
        `${link.mac} is not ${link.person}'s phone after all: ${link.replaces} is still here`,
      );
    }
    for (const [id, suggestion] of this.#suggestions) {
      const device = byMac.get(suggestion.mac);
      const owner = device === undefined ? undefined : ownerOf(device);
      const status =
        owner === suggestion.person ? 'accepted' : rejected.has(id) ? 'rejected' : suggestion.status;
      if (status !== suggestion.status) this.#suggestions.set(id, { ...suggestion, status });
      if (now - suggestion.at > forgetMs) this.#suggestions.delete(id);
    }
  }

  async #propose(found: Suggestion, relinkAbove: number): Promise<void> {
    const known = this.#suggestions.get(found.id);
    const sure = relinkAbove < 1 && found.confidence >= relinkAbove && found.replaces !== undefined;
    const status = sure ? 'applied' : (known?.status ?? 'open');
    const at = known?.at ?? found.at;
    this.#suggestions.set(found.id, { ...found, at, status });
    if (sure) this.#links.set(found.mac, { person: found.person, mac: found.mac, replaces: found.replaces });
    if (known !== undefined && known.status === status) return;
    const percent = Math.round(found.confidence * 100);
    const text = sure
      ? `${found.mac} is taken for ${found.person}'s phone ${found.replaces} (${percent} %)`
      : `${found.mac} may be ${found.person}'s phone ${found.replaces} (${percent} %); see lares presence suggestions`;
    this.#parts.log.info(text);
    await this.#parts.store.journal.append({
      at: found.at,
      kind: sure ? 'presence.relinked' : 'presence.suggestion',
      subject: `person:${found.person}`,
      cause: 'relink',
      evidence: found.evidence,
      data: { suggestion: found.id, mac: found.mac, replaces: found.replaces, confidence: found.confidence },
    });
  }
}
