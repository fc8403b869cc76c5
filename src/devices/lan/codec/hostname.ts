const longestLabel = 63;
const longestName = 255;

/**
 * A host name from the network, fit for logs and pages: invalid UTF-8, control, format and private characters
 * removed, white space folded, at most 63 characters a label and 255 in all (RFC 1035). Undefined when nothing is left.
 */
export function cleanHostname(raw: string | Uint8Array): string | undefined {
  const text = typeof raw === 'string' ? raw.slice(0, 4 * longestName) : decode(raw);
  const labels = text
    .replaceAll(/[\s\p{Cc}]/gu, ' ')
    .replaceAll(/[\p{C}\ufffd]/gu, '')
    .replaceAll(/ +/g, ' ')
    .normalize('NFC')
    .split('.')
    .map((label) => cut(label.trim(), longestLabel))
    .filter((label) => label !== '');
  // Every name on mDNS ends so; it says nothing.
  if (labels.length > 1 && labels.at(-1)?.toLowerCase() === 'local') labels.pop();
  let name = '';
  for (const label of labels) {
    const longer = name === '' ? label : `${name}.${label}`;
    if (longer.length > longestName) break;
    name = longer;
  }
  return name === '' || /^[-_ ]*$/.test(name) ? undefined : name;
}

// A lone half of a surrogate pair is not a character.
const cut = (label: string, length: number) =>
  label
    .slice(0, length)
    .replace(/[\ud800-\udbff]$/, '')
    .trim();

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes.subarray(0, 4 * longestName));
