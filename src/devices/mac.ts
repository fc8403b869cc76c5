import type { Mac } from './model.ts';

/** A MAC address in any usual notation (`AA:BB:…`, `aa-bb-…`, `aabb.ccdd.eeff`, bare hex) as lower case with colons. */
export function normaliseMac(text: string): Mac | undefined {
  const trimmed = text.trim();
  const notation =
    /^([0-9a-f]{2}([:-])[0-9a-f]{2}(\2[0-9a-f]{2}){4}|[0-9a-f]{4}(\.[0-9a-f]{4}){2}|[0-9a-f]{12})$/i;
  if (!notation.test(trimmed)) return undefined;
  const digits = trimmed.toLowerCase().replaceAll(/[^0-9a-f]/g, '');
  // The group bit marks multicast and broadcast; no device has such an address of its own.
  if (digits === '000000000000' || (Number.parseInt(digits.slice(0, 2), 16) & 1) === 1) return undefined;
  return digits.match(/../g)?.join(':');
}

/** True for a locally administered address, which phones make up for each network (IEEE 802 bit 1 of the first octet). */
export function isRandomised(mac: Mac): boolean {
  return (Number.parseInt(mac.slice(0, 2), 16) & 2) === 2;
}
