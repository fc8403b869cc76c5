import type { LanDevice } from '#devices/model.ts';

/** One unassigned phone in the house. Kept under its address only while it matters, at most a day after it left. */
export interface Visit {
  readonly from: number;
  readonly lastSeen: number;
}

/** Visits by address. Plain data: it may be stored as JSON; it holds no names. */
export type GuestBook = Readonly<Record<string, Visit>>;

const minute = 60_000;
/** Times in ms. */
export const guestTimes = {
  /** Somebody who passes by the door or delivers something is not a guest. */
  dwellMs: 10 * minute,
  /** Phones doze; a guest is gone after this silence. */
  goneMs: 15 * minute,
  /** A silence this long ends the visit; the next one counts its dwell anew. */
  newVisitMs: 60 * minute,
  /** Who is here longer than a long weekend without a break lives here. */
  residentMs: 4 * 24 * 60 * minute,
  /** No address of a guest is kept longer than this after it was last seen. */
  forgetMs: 24 * 60 * minute,
} as const;

const phoneMaker =
  /\b(apple|samsung electronics|google|xiaomi|oneplus|huawei|honor|motorola|oppo|vivo|hmd|nothing|fairphone|realme|sony mobile|lg electronics \(mobile)/i;
const notPhone =
  /tv|mac-?book|imac|mac-?mini|homepod|printer|laptop|desktop|-pc\b|^pc-|chromecast|nest|echo|camera|plug|shelly|esp[-_]|speaker|sonos|roku|playstation|xbox|watch|tablet|ipad/i;
const notPhoneDhcp = /^(msft|dhcpcd|udhcp|linux)/i;

/** True for a device that by its address, maker, host name and DHCP words may be somebody's phone. */
export function looksLikePhone(device: LanDevice): boolean {
  if (notPhone.test(device.hostname ?? '') || notPhoneDhcp.test(device.dhcpVendorClass ?? '')) return false;
  return device.randomised || phoneMaker.test(device.vendor ?? '');
}

/**
 * Carries the guest book forward to `now` from the devices that nobody owns. Call it about once a minute; a device
 * assigned to somebody simply no longer comes among `unassigned`, and is forgotten here at once. Keep the book over
 * restarts: without it, everything unassigned that never leaves is a guest again until it has stayed for four days.
 */
export function keepBook(book: GuestBook, unassigned: readonly LanDevice[], now: number): GuestBook {
  const next: Record<string, Visit> = {};
  for (const device of unassigned) {
    if (!looksLikePhone(device) || now - device.lastSeen > guestTimes.forgetMs) continue;
    const before = book[device.mac];
    const continues = before !== undefined && device.lastSeen - before.lastSeen <= guestTimes.newVisitMs;
    const from = continues ? before.from : before === undefined ? startOf(device, now) : device.lastSeen;
    next[device.mac] = { from, lastSeen: Math.max(device.lastSeen, before?.lastSeen ?? 0) };
  }
  return next;
}

/** The book after the wall clock was set by `byMs` to `now`, so that visits keep their length. */
export const shiftedBook = (book: GuestBook, byMs: number, now: number): GuestBook =>
  Object.fromEntries(
    Object.entries(book).map(([mac, { from, lastSeen }]) => [
      mac,
      { from: Math.min(from + byMs, now), lastSeen: Math.min(lastSeen + byMs, now) },
    ]),
  );

/** A device new to the book: first seen lately, it came then; known for longer, it has just come back. */
const startOf = (device: LanDevice, now: number) =>
  now - device.firstSeen <= guestTimes.newVisitMs ? device.firstSeen : device.lastSeen;

/**
 * Guest devices in the house at `now`: here for ten minutes, seen in the last fifteen, and not residents.
 * It counts devices: the phone and the tablet of one guest are two, for nothing tells that they belong together.
 */
export function countGuests(book: GuestBook, now: number): number {
  return Object.values(book).filter(
    ({ from, lastSeen }) =>
      now - lastSeen <= guestTimes.goneMs &&
      lastSeen - from >= guestTimes.dwellMs &&
      now - from < guestTimes.residentMs,
  ).length;
}

/** Phones of nobody that are about at `now`, however briefly: what a camera's stranger may carry. Residents' are not. */
export const strangers = (
  book: GuestBook,
  now: number,
): readonly { readonly id: string; readonly since: number }[] =>
  Object.entries(book)
    .filter(
      ([, { from, lastSeen }]) => now - lastSeen <= guestTimes.goneMs && now - from < guestTimes.residentMs,
    )
    .map(([id, { from }]) => ({ id, since: from }));
