import { Document, isMap, isSeq, stringify, visit, type Node } from 'yaml';
import type { Imported } from './people.ts';
import { yamlOptions } from './source.ts';

const sections: readonly (readonly [string, string])[] = [
  ['home', 'The house itself'],
  ['log', 'What is printed'],
  ['http', 'Where the status page and the API listen'],
  ['metrics', 'How often the house is measured'],
  ['graphite', 'Where the metrics go: the plaintext port of Carbon'],
  ['mqtt', 'A broker for Home Assistant discovery'],
  ['wifi', 'The networks that are swept for phones; nothing that is not named here is ever scanned'],
  ['homeassistant', 'Home Assistant as a second witness; the token stays out of this file'],
  ['presence', 'Who is home. wifi_macs take any notation; find them with: lares presence discover'],
];

/** A `lares.yaml` with its settings in the usual order, a comment for each section, and everything that was kept. */
export function renderLaresYaml(
  from: Pick<Imported, 'tree'> & Partial<Pick<Imported, 'off' | 'kept' | 'comments'>>,
  title: readonly string[],
): string {
  const order = sections.map(([key]) => key);
  const keys = Object.keys(from.tree).toSorted((a, b) => rank(order, a) - rank(order, b));
  const document = new Document(Object.fromEntries(keys.map((key) => [key, from.tree[key]])), yamlOptions);
  const { contents } = document;
  if (isMap(contents))
    for (const pair of contents.items) {
      const key = pair.key as Node & { value: string };
      key.spaceBefore = true;
      const about = sections.find(([name]) => name === key.value)?.[1];
      if (about !== undefined) key.commentBefore = ` ${about}`;
    }
  // Other YAML readers take digits and colons for a number of base 60.
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value === 'string' && /^([0-9A-F]{2}:){5}[0-9A-F]{2}$/i.test(node.value))
        node.type = 'QUOTE_DOUBLE';
    },
  });
  const people = document.getIn(['presence', 'people']);
  if (isSeq(people))
    for (const [i, person] of people.items.entries()) {
      const own = from.comments?.people[i] ?? [];
      if (own.length > 0) (person as Node).commentBefore = own.map((c) => ` ${c}`).join('\n');
    }
  const header = title.map((line) => `# ${line}`).join('\n');
  const body = contents !== null && keys.length > 0 ? document.toString({ lineWidth: 0 }).trimEnd() : '';
  const off = Object.entries(from.off ?? {}).map(([key, value]) =>
    asComment(stringify({ [key]: value }, { ...yamlOptions, lineWidth: 0 }), `Switched off in the original:`),
  );
  const kept = from.kept?.length
    ? [asComment(from.kept.join('\n'), 'Not understood by the import, kept for you:')]
    : [];
  const rest = from.comments?.file.length
    ? [asComment(from.comments.file.join('\n'), 'Comments of the original file:')]
    : [];
  return `${[header, body.trimStart(), ...off, ...kept, ...rest].filter((part) => part !== '').join('\n\n')}\n`;
}

const rank = (order: readonly string[], key: string) =>
  order.includes(key) ? order.indexOf(key) : order.length;

const asComment = (text: string, title: string) =>
  [
    title,
    ...text
      .trimEnd()
      .split('\n')
      .map((line) => `  ${line}`),
  ]
    .map((line) => `# ${line}`)
    .join('\n');
