import { XMLParser } from 'fast-xml-parser';

/** XML of cameras as a tree of elements. No entities but the five of XML itself, no document types, bounded. */

export interface Element {
  /** Without prefix. */
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly Element[];
  readonly text: string;
}

const longest = 524_288;
const deepest = 40;
const longestText = 4096;

// In order, with attributes apart: names from the network are never keys of an object of ours.
const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  parseAttributeValue: false,
  removeNSPrefix: true,
  processEntities: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  maxNestedTags: deepest,
});

/** The root element, or undefined for what is not XML, too long, too deep, or brings a document type. Never throws. */
export function parseXml(text: string): Element | undefined {
  if (text.length > longest || /<!(DOCTYPE|ENTITY)/i.test(text)) return undefined;
  try {
    return elementsOf(parser.parse(text), 0).find(({ name }) => name !== '');
  } catch {
    return undefined;
  }
}

function elementsOf(nodes: unknown, depth: number): Element[] {
  if (!Array.isArray(nodes) || depth > deepest) return [];
  return nodes.flatMap((node: unknown): Element[] => {
    if (typeof node !== 'object' || node === null) return [];
    const entry = Object.entries(node).find(([key]) => key !== ':@' && key !== '#text');
    if (entry === undefined) return [];
    const [name, inner] = entry as [string, unknown];
    const given = (node as { ':@'?: unknown })[':@'];
    const attributes = new Map<string, string>();
    if (typeof given === 'object' && given !== null)
      for (const [key, value] of Object.entries(given)) attributes.set(key, decoded(String(value)));
    return [{ name, attributes, children: elementsOf(inner, depth + 1), text: textOf(inner) }];
  });
}

function textOf(nodes: unknown): string {
  if (!Array.isArray(nodes)) return '';
  const parts = nodes.map((node: unknown) =>
    typeof node === 'object' && node !== null && Object.hasOwn(node, '#text')
      ? String((node as { '#text': unknown })['#text'])
      : '',
  );
  return decoded(parts.join('').slice(0, longestText)).trim();
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decoded(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|apos|#\d{1,7}|#x[\da-f]{1,6});/gi, (whole, name: string) => {
    if (!name.startsWith('#')) return entities[name.toLowerCase()] ?? whole;
    const code = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
    return code >= 0x20 && code <= 0x10ffff ? String.fromCodePoint(code) : '';
  });
}

/** Text as the content of an element or an attribute. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.codePointAt(0) ?? 0};`);
}

/** The first descendant along these names, one level each. */
export function at(element: Element | undefined, ...names: readonly string[]): Element | undefined {
  let found = element;
  for (const name of names) found = found?.children.find((child) => child.name === name);
  return found;
}

/** Every child of this name. */
export function all(element: Element | undefined, name: string): readonly Element[] {
  return element?.children.filter((child) => child.name === name) ?? [];
}

/** The text at these names, with line breaks taken out and cut to 200 characters; undefined when absent or empty. */
export function textAt(element: Element | undefined, ...names: readonly string[]): string | undefined {
  const text = at(element, ...names)
    ?.text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .slice(0, 200);
  return text === '' ? undefined : text;
}

/** The number at these names; undefined when absent or none. */
export function numberAt(element: Element | undefined, ...names: readonly string[]): number | undefined {
  const text = textAt(element, ...names);
  const value = text === undefined ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : undefined;
}
