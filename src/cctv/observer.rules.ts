import { foot, inside, iou } from './box.rules.ts';
import type { Box, Ground, Identity, Observation, Point, Polygon, ToReference, Track } from './model.ts';
import { akin, isAlive } from './track/target.rules.ts';

/** A zone of one camera as the settings name it. */
export interface Zone {
  readonly name: string;
  readonly polygon: Polygon;
  readonly door?: 'outside' | 'inside' | undefined;
}

/** Where one object is in metres; one for each object, because it smooths. */
export interface PathOnGround {
  step(at: number, box: Box): { readonly ground: Ground; readonly speed: number } | undefined;
  references(): Readonly<Record<string, ToReference>>;
}

/** What does not change from frame to frame. */
export interface Scene {
  readonly camera: string;
  readonly zones: readonly Zone[];
  /** For an object of a label. Absent on a camera without calibration. */
  readonly newPath?: ((label: string) => PathOnGround) | undefined;
}

/** An event that the book holds open from before a restart. */
export interface OpenEvent {
  readonly id: string;
  readonly label: string;
  readonly box: Box;
  readonly at: number;
  readonly seenAt: number;
}

/** Where something stood until it counted as part of the place: a parked car. */
export interface SettledPlace {
  readonly label: string;
  readonly box: Box;
  /** Epoch milliseconds at which it was last seen there. */
  readonly seenAt: number;
  /** Something alive came here and rests: it is expected back for a moment only. */
  readonly rests?: true;
}

/** Somebody went through a door of the home, as far as a camera can tell. */
export interface Passage {
  readonly direction: 'entry' | 'exit';
  readonly at: number;
  readonly event: string;
  readonly zone: string;
  /** 0 to 1. */
  readonly confidence: number;
  /** Who it was, where recognition said so by then. */
  readonly identity?: Identity;
}

export interface Step {
  readonly observations: readonly Observation[];
  /** Ids of events among the observations that begin with this frame. */
  readonly opened: readonly string[];
  /** Ids of those that go on after a restart or an outage. */
  readonly resumed: readonly string[];
  readonly passages: readonly Passage[];
}

interface Followed {
  readonly event: string;
  readonly path: PathOnGround | undefined;
  readonly bornAt: number;
  /** The zone of a door in which it first appeared. */
  readonly bornIn: Zone | undefined;
  zones: Readonly<Record<string, number>>;
  /** Undefined only until its first frame has been looked at. */
  last: Observation | undefined;
  told: boolean;
}

// Whatever stands this long is part of the place; when it moves again, that is news.
const settledMs = 10 * 60_000;
// After a restart an object is the one from before when it is found at nearly its old place so soon.
const resumeMs = 30_000;
const resumeIou = 0.2;
// A box flickers: who stands at the edge of a zone is in it until this far outside, in fractions of the picture.
const nearness = 0.02;
// Somebody who came out of a door is first seen a little later than the door opened.
const doorMs = 1_500;
const mostFollowed = 200;
// A car that is parked for a holiday is still no news; a place that was empty for a day is forgotten.
const placeMs = 24 * 3_600_000;
// The tracker forgets who sits after a minute out of sight; who is there again this soon has not been away.
const restMs = 2 * 60_000;
// A place is noted anew this often while something stands there.
const noteMs = 10_000;
const mostPlaces = 64;
const samePlaceIou = 0.5;

/** Also when the clock was set back. */
const apart = (a: number, b: number) => Math.abs(a - b);
const isExpected = ({ seenAt, rests }: SettledPlace, at: number) =>
  apart(at, seenAt) < (rests === true ? restMs : placeMs);

/**
 * Turns the tracks of one camera into observations: which event each belongs to, where it stands in metres, in which
 * zones, and whether somebody went through a door. Pure: instants come with the tracks, ids from `newId`.
 */
export class Observer {
  #scene: Scene;
  readonly #newId: (at: number) => string;
  readonly #followed = new Map<number, Followed>();
  readonly #identities = new Map<number, Identity>();
  #open: readonly OpenEvent[];
  #places: readonly SettledPlace[];

  /** `open` and `places` are what the book and the state of before a restart say. */
  constructor(
    scene: Scene,
    open: readonly OpenEvent[],
    newId: (at: number) => string,
    places: readonly SettledPlace[] = [],
  ) {
    this.#scene = scene;
    this.#open = open;
    this.#newId = newId;
    this.#places = places;
  }

  /** What stands in the picture as part of the place; to be kept over a restart. */
  places(): readonly SettledPlace[] {
    return this.#places;
  }

  /** Takes changed zones and calibration; what is followed goes on. */
  configure(scene: Scene): void {
    this.#scene = scene;
  }

  /** The event of a track, while it has one. */
  eventOf(track: number): string | undefined {
    return this.#followed.get(track)?.event;
  }

  /** What recognition said of a track; stands in its observations from now on. */
  identify(track: number, identity: Identity): void {
    if (this.#followed.has(track)) this.#identities.set(track, identity);
  }

  /** Events of before a restart or an outage whose object did not come back; they ended when it was last seen. */
  expired(now: number): readonly OpenEvent[] {
    const gone = this.#open.filter((e) => apart(now, e.seenAt) > resumeMs);
    if (gone.length > 0) this.#open = this.#open.filter((e) => !gone.includes(e));
    return gone;
  }

  /** `ended` are tracks that are gone for good. */
  step(at: number, tracks: readonly Track[], ended: readonly number[]): Step {
    const observations: Observation[] = [];
    const opened: string[] = [];
    const resumed: string[] = [];
    const passages: Passage[] = [];
    for (const track of tracks) {
      if (track.state === 'tentative' || track.seenAt !== at) continue;
      let one = this.#followed.get(track.id);
      if (one === undefined) {
        if (this.#isPlace(track, at) || track.furniture === true || this.#followed.size >= mostFollowed)
          continue;
        const begun = this.#begin(track, at);
        one = begun.followed;
        (begun.fresh ? opened : resumed).push(one.event);
        this.#followed.set(track.id, one);
      }
      const now = this.#look(one, track, at);
      const settled = this.#settled(track, at);
      one.last = now;
      observations.push(settled ? { ...now, ended: true } : now);
      if (!one.told && track.label === 'person') {
        one.told = true;
        if (one.bornIn?.door !== undefined)
          passages.push(
            passage(now, one.bornIn, one.bornIn.door === 'outside' ? 'exit' : 'entry', one.bornAt),
          );
      }
      if (!settled) continue;
      this.#end(track.id);
      this.#settle(track, at);
    }
    for (const id of ended) {
      const { last: seen, bornIn } = this.#followed.get(id) ?? {};
      const identity = this.#identities.get(id);
      this.#end(id);
      if (seen === undefined) continue;
      // Recognition takes a moment: it may have spoken after the last sight.
      const last: Observation = identity === undefined ? seen : { ...seen, identity };
      observations.push({ ...last, ended: true });
      const door = last.label === 'person' ? this.#doorAt(foot(last.box)) : undefined;
      // Who came out of a door and went straight back in did neither come nor go.
      if (door?.door !== undefined && bornIn?.name !== door.name)
        passages.push(passage(last, door, door.door === 'outside' ? 'entry' : 'exit', last.at));
    }
    return { observations, opened, resumed, passages };
  }

  /**
   * The picture broke off. What was followed may be found again at its place and then goes on in its event; what is not
   * comes out of `expired`.
   */
  interrupt(): void {
    const lost = [...this.#followed.values()].flatMap(({ last, bornAt }) =>
      last === undefined
        ? []
        : [{ id: last.event, label: last.label, box: last.box, at: bornAt, seenAt: last.at }],
    );
    this.#open = [...this.#open, ...lost];
    this.#followed.clear();
    this.#identities.clear();
  }

  /**
   * What is followed is given up for good, at its last sight: the camera is switched off. What was lost before comes out
   * of `expired`.
   */
  close(): readonly Observation[] {
    const last = [...this.#followed.values()].flatMap(({ last: seen }) =>
      seen === undefined ? [] : [{ ...seen, ended: true }],
    );
    this.#followed.clear();
    this.#identities.clear();
    return last;
  }

  /** True for what stands where something of its kind has settled, or has settled itself. */
  #isPlace(track: Track, at: number): boolean {
    const place = this.#places.find((p) => isExpected(p, at) && isOf(p, track));
    if (place === undefined) {
      if (!this.#settled(track, at)) return false;
      this.#settle(track, at);
    } else if (apart(at, place.seenAt) >= noteMs)
      this.#places = this.#places.map((p) => (p === place ? { ...p, seenAt: at } : p));
    return true;
  }

  #settle(track: Track, at: number): void {
    const { label, box } = track;
    const others = this.#places.filter((p) => isExpected(p, at) && !isOf(p, track));
    // What never moved is a statue, or a person whom nobody can tell from one.
    const rests = isAlive(label) && track.furniture !== true;
    this.#places = [...others, { label, box, seenAt: at, ...(rests && { rests }) }].slice(-mostPlaces);
  }

  #settled(track: Track, at: number): boolean {
    return track.stationarySince !== undefined && at - track.stationarySince > settledMs;
  }

  #end(id: number): void {
    this.#followed.delete(id);
    this.#identities.delete(id);
  }

  #begin(track: Track, at: number): { followed: Followed; fresh: boolean } {
    const before = this.#open.find(
      (e) =>
        akin(e.label, track.label) && apart(at, e.seenAt) <= resumeMs && iou(e.box, track.box) >= resumeIou,
    );
    if (before !== undefined) this.#open = this.#open.filter((e) => e !== before);
    const bornAt = before?.at ?? track.bornAt;
    const event = before?.id ?? this.#newId(track.bornAt);
    // Who stood there before a restart did not come through the door.
    const door = before === undefined && at - bornAt <= doorMs ? this.#doorAt(foot(track.box)) : undefined;
    const followed: Followed = {
      event,
      path: this.#scene.newPath?.(track.label),
      bornAt,
      bornIn: door,
      zones: {},
      last: undefined,
      told: before !== undefined,
    };
    return { followed, fresh: before === undefined };
  }

  #doorAt(point: Point): Zone | undefined {
    return this.#scene.zones.find((z) => z.door !== undefined && inside(point, z.polygon));
  }

  #look(one: Followed, track: Track, at: number): Observation {
    const placed = one.path?.step(at, track.box);
    one.zones = zonesNow(one.zones, this.#scene.zones, foot(track.box), at);
    const identity = this.#identities.get(track.id);
    return {
      camera: this.#scene.camera,
      event: one.event,
      at,
      label: track.label,
      score: track.score,
      box: track.box,
      bornAt: one.bornAt,
      velocity: track.velocity,
      ...(track.stationarySince === undefined ? {} : { stationarySince: track.stationarySince }),
      ...(track.furniture === true ? { furniture: true } : {}),
      ...(placed === undefined ? {} : { ground: placed.ground, speed: placed.speed }),
      references: placed === undefined ? {} : one.path!.references(),
      zones: one.zones,
      ...(identity === undefined ? {} : { identity }),
    };
  }
}

/** Since when the point stands in each zone. */
export function zonesNow(
  before: Readonly<Record<string, number>>,
  zones: readonly Zone[],
  point: Point,
  at: number,
): Readonly<Record<string, number>> {
  const now: Record<string, number> = {};
  for (const { name, polygon } of zones) {
    // A zone may be called `constructor`.
    const since = Object.hasOwn(before, name) ? before[name] : undefined;
    if (inside(point, polygon)) now[name] = since ?? at;
    else if (since !== undefined && near(point, polygon)) now[name] = since;
  }
  return now;
}

const isOf = (place: SettledPlace, { label, box }: Track) =>
  akin(place.label, label) && iou(place.box, box) >= samePlaceIou;

const near = ({ x, y }: Point, polygon: Polygon) =>
  [
    { x: x - nearness, y },
    { x: x + nearness, y },
    { x, y: y - nearness },
    { x, y: y + nearness },
  ].some((p) => inside(p, polygon));

function passage(seen: Observation, zone: Zone, direction: Passage['direction'], at: number): Passage {
  // A camera sees that somebody passes, not who opened the door; a weak detection proves less.
  const { event, identity } = seen;
  const confidence = Math.min(0.9, seen.score);
  return {
    direction,
    at,
    event,
    zone: zone.name,
    confidence,
    ...(identity === undefined ? {} : { identity }),
  };
}
