import { kasaVectors } from './lib/kasa-vectors.ts';
import { tuyaVectors } from './lib/tuya-vectors.ts';
import type { Suite } from './suite.ts';

/** Golden vectors of both vendors: frames, sessions, ciphers and broadcasts, byte for byte. */
const suite: Suite = {
  name: 'vectors',
  folder: 'electricity',
  async run(dir) {
    const parts = { kasa: kasaVectors(`${dir}/vectors`) ?? kasaVectors(dir), tuya: tuyaVectors(dir) };
    const found = Object.entries(parts).flatMap(([name, part]) =>
      part === undefined ? [] : [[name, part] as const],
    );
    if (found.length === 0) return undefined;
    const sum = (of: (part: { items: number; right: number }) => number) =>
      found.reduce((total, [, part]) => total + of(part), 0);
    return {
      items: sum((part) => part.items),
      right: sum((part) => part.right),
      scores: Object.fromEntries(found.map(([name, { items, right }]) => [`${name}_share`, right / items])),
      report: found.map(([, part]) => part.report).join('\n'),
    };
  },
};
export default suite;
