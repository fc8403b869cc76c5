import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import {
  crcHolds,
  decodeReply,
  encodeRead,
  rtuFrame,
  type ReadFunction,
} from '#electricity/drivers/modbus/codec.ts';
import { decodeValue } from '#electricity/drivers/modbus/value.codec.ts';
import { table } from '#platform/table.ts';
import type { Suite } from './suite.ts';

const hexText = z.string().regex(/^([0-9a-f]{2})+$/i);
const vectors = z.object({
  frames: z
    .array(
      z.object({
        desc: z.string(),
        hex: hexText.optional(),
        hexFloat: hexText.optional(),
        float: z.number().optional(),
      }),
    )
    .default([]),
  bad_in_manufacturer_doc: z
    .array(z.object({ where: z.string(), hex: hexText, note: z.string().default('') }))
    .default([]),
});

interface Verdict {
  readonly what: string;
  /** What is wrong; empty when it is right. */
  readonly wrong: string;
}

const float = (bytes: Buffer) => decodeValue('float32', 'ABCD', bytes);

/** A manual prints six digits at most, and its bytes need not be the float nearest to them. */
const sameFloat = (bytes: Buffer, value: number) =>
  Number(float(bytes).toPrecision(6)) === Number(value.toPrecision(6));

/** Reads one frame as what its function makes it, and writes it again. */
function judge(frame: Buffer, value: number | undefined): string {
  if (!crcHolds(frame)) return 'its CRC does not hold';
  const body = frame.subarray(0, -2);
  if (!rtuFrame(body).equals(frame)) return 'we would write another CRC';
  const [unit = 0, code = 0] = frame;
  const expectFloat = (bytes: Buffer) =>
    value === undefined || sameFloat(bytes, value) ? '' : `we read ${float(bytes)} instead of ${value}`;
  if (code === 3 || code === 4) {
    if (frame.length === 8) {
      const request = {
        unit,
        fn: code as ReadFunction,
        start: frame.readUInt16BE(2),
        count: frame.readUInt16BE(4),
      };
      return encodeRead('rtu', 0, request).equals(frame) ? '' : 'we would ask with other bytes';
    }
    const reply = decodeReply('rtu', frame);
    if (reply === undefined) return 'we take it for a part of a reply';
    if (reply.length !== frame.length || reply.unit !== unit || reply.fn !== code)
      return 'we read another frame';
    return expectFloat(reply.data);
  }
  // A write: unit, function, start, count, then bytes in the request only.
  if (code === 16 && frame.length > 8) return expectFloat(frame.subarray(7, -2));
  if ((code & 0x80) !== 0) return frame.length === 5 ? '' : 'an exception has five bytes';
  return '';
}

/** A frame with a wrong CRC is refused; where the note tells the right CRC, ours is that one. */
function judgeBad(frame: Buffer, note: string): string {
  if (crcHolds(frame)) return 'its CRC holds, although it is said to be wrong';
  if ([3, 4].includes(frame[1] ?? 0) && frame.length > 8 && accepted(frame))
    return 'it is accepted as a reply';
  const right = /correct CRC for \S+ is ([0-9a-f]{4})/i.exec(note)?.[1];
  const ours = rtuFrame(frame.subarray(0, -2)).subarray(-2).toString('hex');
  return right === undefined || right.toLowerCase() === ours ? '' : `our CRC is ${ours}, theirs ${right}`;
}

function accepted(frame: Buffer): boolean {
  try {
    return decodeReply('rtu', frame) !== undefined;
  } catch {
    return false;
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function verdicts(file: string, text: string): Verdict[] {
  const parsed = vectors.safeParse(json(text));
  if (!parsed.success) return [{ what: file, wrong: 'it has no frames that can be read' }];
  const { frames, bad_in_manufacturer_doc: bad } = parsed.data;
  return [
    ...frames.map(({ desc, hex, hexFloat, float: value }) => ({
      what: `${file}: ${desc}`,
      wrong: [
        hex === undefined ? '' : judge(Buffer.from(hex, 'hex'), value),
        hexFloat === undefined || value === undefined || sameFloat(Buffer.from(hexFloat, 'hex'), value)
          ? ''
          : `the bytes are not ${value}`,
      ]
        .filter((problem) => problem !== '')
        .join('; '),
    })),
    ...bad.map(({ where, hex, note }) => ({
      what: `${file}: refused ${where} ${hex}`,
      wrong: judgeBad(Buffer.from(hex, 'hex'), note),
    })),
  ];
}

/**
 * Frames and values of the meter maker's manuals: `frames` must be read and written byte for byte and their values must
 * agree to the six digits of a manual, frames of `bad_in_manufacturer_doc` have a wrong CRC and must be refused.
 */
const suite: Suite = {
  name: 'sdm',
  folder: 'electricity/sdm',
  run: (dir) => {
    const files = globSync('*.json', { cwd: dir }).toSorted();
    const all = files.flatMap((file) => verdicts(file, readFileSync(path.join(dir, file), 'utf8')));
    if (all.length === 0) return Promise.resolve(undefined);
    const right = all.filter((v) => v.wrong === '').length;
    return Promise.resolve({
      items: all.length,
      right,
      scores: { right_share: right / all.length },
      report: table(
        ['VECTOR', 'VERDICT'],
        all.map((v) => [v.what, v.wrong === '' ? 'right' : v.wrong]),
      ),
    });
  },
};

export default suite;
