import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { readBeacon, writeBeacon } from '#electricity/drivers/tuya/beacon.ts';
import { broadcastKey } from '#electricity/drivers/tuya/cipher.ts';
import { productMap } from '#electricity/drivers/tuya/data-points.rules.ts';
import { readBody } from '#electricity/drivers/tuya/message.codec.ts';
import { commands, versions } from '#electricity/drivers/tuya/model.ts';
import { sessionKey, Wire } from '#electricity/drivers/tuya/wire.ts';
import type { Quantity } from '#electricity/model.ts';

const vectorFile = z.object({
  local_key: z.string(),
  udp_key: z.string(),
  frames: z.array(
    z.object({
      version: z.enum(versions),
      dir: z.enum(['client->device', 'device->client']),
      seq: z.number(),
      cmd: z.number(),
      json: z.string(),
      gcm_iv: z.string().nullable(),
      frame_hex: z.string(),
    }),
  ),
  session: z.array(
    z.object({
      version: z.enum(versions),
      local_nonce: z.string(),
      remote_nonce: z.string(),
      hmac_local: z.string(),
      hmac_remote: z.string(),
      session_key: z.string(),
    }),
  ),
  udp: z.array(
    z.object({ version: z.string(), json: z.string(), packet_hex: z.string(), decoded: z.string() }),
  ),
});
type Vectors = z.infer<typeof vectorFile>;

const capturedFile = z.object({
  local_key: z.string(),
  v31: z.array(z.object({ message: z.string(), decoded: z.unknown() })),
});

const sensor = z.object({
  name: z.string().nullable(),
  class: z.string(),
  dp: z.number(),
  type: z.string(),
  scale: z.number(),
  unit: z.string().nullable(),
});
const mapFile = z.array(
  z.object({
    file: z.string(),
    products: z.array(z.object({ id: z.string() })).nullable(),
    sensors: z.array(sensor),
  }),
);

/** One thing that was checked: what it is, and whether it was right. */
interface Check {
  readonly what: string;
  readonly right: boolean;
}

const hex = (text: string) => Buffer.from(text, 'hex');

/**
 * Every Tuya vector below `dir`: `vectors/tuya.json` (frames both ways, session keys, broadcasts), `tuya/captured_31.json`,
 * and `tuya/energy_dp_maps.json`. For the last one the rule is: wherever our table carries a product of the file, each of its
 * scales is one that the file gives for that data point. Undefined where none of the files is there.
 */
export function tuyaVectors(dir: string): { items: number; right: number; report: string } | undefined {
  const read = <T>(file: string, schema: z.ZodType<T>): T | undefined => {
    const full = path.join(dir, file);
    return existsSync(full) ? schema.parse(JSON.parse(readFileSync(full, 'utf8'))) : undefined;
  };
  const vectors = read('vectors/tuya.json', vectorFile);
  const captured = read('tuya/captured_31.json', capturedFile);
  const maps = read('tuya/energy_dp_maps.json', mapFile);
  const groups: [title: string, checks: Check[]][] = [
    ['frames written and read', vectors === undefined ? [] : frames(vectors)],
    ['session keys', vectors === undefined ? [] : sessions(vectors)],
    ['broadcasts', vectors === undefined ? [] : broadcasts(vectors)],
    ['captured 3.1 messages', captured === undefined ? [] : captures(captured)],
    ['scales of products (those of our table agree with the file)', maps === undefined ? [] : scales(maps)],
  ];
  const all = groups.flatMap(([, checks]) => checks);
  if (all.length === 0) return undefined;
  const lines = groups.map(
    ([title, checks]) => `  tuya ${title}: ${checks.filter((c) => c.right).length}/${checks.length}`,
  );
  const wrong = all.filter((c) => !c.right).map((c) => `    wrong: ${c.what}`);
  return {
    items: all.length,
    right: all.length - wrong.length,
    report: [...lines, ...wrong.slice(0, 20)].join('\n'),
  };
}

function frames({ local_key, frames: all }: Vectors): Check[] {
  return all.flatMap((vector) => {
    const { version, seq, cmd, json, gcm_iv, frame_hex, dir } = vector;
    const fromDevice = dir === 'device->client';
    const key = Buffer.from(local_key, 'latin1');
    const what = `${version} command ${cmd} ${dir}`;
    const written = new Wire(version, key, fromDevice ? 'device' : 'client').encode(cmd, Buffer.from(json), {
      sequence: seq,
      ...(fromDevice && { retcode: 0 }),
      ...(gcm_iv !== null && { iv: hex(gcm_iv) }),
    });
    const message = new Wire(version, key, fromDevice ? 'client' : 'device').decode(hex(frame_hex));
    const meant = { sequence: seq, command: cmd, retcode: fromDevice ? 0 : undefined, text: json };
    const { body, ...rest } = message;
    return [
      { what: `${what} written`, right: written.toString('hex') === frame_hex },
      { what: `${what} read`, right: isDeepStrictEqual({ ...rest, text: body.toString() }, meant) },
    ];
  });
}

function sessions({ local_key, session }: Vectors): Check[] {
  const key = Buffer.from(local_key, 'latin1');
  const proof = (nonce: string) => new Wire('3.5', key, 'client').proof(hex(nonce)).toString('hex');
  return session.flatMap((v) => [
    {
      what: `session key of ${v.version}`,
      right:
        sessionKey(v.version, key, hex(v.local_nonce), hex(v.remote_nonce)).toString('hex') === v.session_key,
    },
    { what: `proof of the device, ${v.version}`, right: proof(v.local_nonce) === v.hmac_local },
    {
      what: `proof of the client, ${v.version}`,
      right: proof(v.remote_nonce) === v.hmac_remote,
    },
  ]);
}

function broadcasts({ udp_key, udp }: Vectors): Check[] {
  return [
    { what: 'key of broadcasts', right: broadcastKey.toString('hex') === udp_key },
    ...udp.flatMap(({ version, json, packet_hex, decoded }) => {
      const said = JSON.parse(decoded) as { gwId: string; ip: string; productKey: string };
      const packet = hex(packet_hex);
      const clothing = version === '3.5' ? 'gcm' : version === '3.1' ? 'clear' : 'ecb';
      return [
        {
          what: `broadcast of ${version} read`,
          right: isDeepStrictEqual(readBeacon(packet), {
            id: said.gwId,
            ip: said.ip,
            version,
            productId: said.productKey,
          }),
        },
        {
          what: `broadcast of ${version} written`,
          right: writeBeacon(json, clothing, packet.subarray(18, 30)).equals(packet),
        },
      ];
    }),
  ];
}

/** The bodies as they were on the wire, put into a frame of ours. */
function captures({ local_key, v31 }: z.infer<typeof capturedFile>): Check[] {
  const key = Buffer.from(local_key, 'latin1');
  return v31.map(({ message, decoded }, index) => {
    // An untouched body: this command is never encrypted by a 3.1 client.
    const frame = new Wire('3.1', key, 'client').encode(commands.query, Buffer.from(message, 'latin1'));
    const { body } = new Wire('3.1', key, 'client').decode(frame);
    const text = body.toString();
    const said = typeof decoded === 'string' ? text : (JSON.parse(text) as unknown);
    const words = typeof decoded === 'string' ? readBody(body).text === decoded : true;
    return { what: `captured message ${index + 1}`, right: words && isDeepStrictEqual(said, decoded) };
  });
}

// What the file calls a quantity, and how many of our units one of its units is.
const units: Readonly<Record<string, readonly [quantity: RegExp, factor: number]>> = {
  'voltage V': [/^voltage/, 1],
  'voltage mV': [/^voltage/, 1000],
  'current A': [/^current/, 1],
  'current mA': [/^current/, 1000],
  'power W': [/^power_(watts|l)/, 1],
  'power kW': [/^power_(watts|l)/, 0.001],
  'energy kWh': [/^(energy|export)_wh/, 0.001],
  'energy Wh': [/^(energy|export)_wh/, 1],
  'frequency Hz': [/^frequency/, 1],
  'power_factor null': [/^power_factor/, 1],
  'power_factor %': [/^power_factor/, 100],
  'reactive_power var': [/^reactive/, 1],
  'reactive_power kvar': [/^reactive/, 0.001],
  'apparent_power kVA': [/^apparent/, 0.001],
};

function scales(files: z.infer<typeof mapFile>): Check[] {
  const sensors = new Map<string, z.infer<typeof sensor>[]>();
  for (const { products, sensors: all } of files)
    for (const { id } of products ?? []) sensors.set(id, [...(sensors.get(id) ?? []), ...all]);
  return [...sensors].flatMap(([id, all]) => {
    const ours = productMap(id);
    if (ours === undefined) return [];
    return (Object.entries(ours.values) as [Quantity, { dp: number; scale: number }][]).map(
      ([quantity, { dp, scale }]) => ({
        what: `product ${id}: ${quantity} from data point ${dp} divided by ${scale}`,
        right: all.some((s) => {
          const [pattern, factor] = units[`${s.class} ${s.unit}`] ?? [/^$/, 1];
          return s.dp === dp && pattern.test(quantity) && Math.abs(s.scale * factor - scale) < 1e-9 * scale;
        }),
      }),
    );
  });
}
