/**
 * Simulated Kasa and Tapo devices in a process of their own, so that what they cost is not counted as ours.
 * `node bench/lib/kasa-sims.ts '[{"model":"KP115","count":500}, …]'` prints one JSON line with where each listens, and
 * ends with its standard input.
 */
import { KasaSim, type KasaSimOptions } from '#electricity/drivers/kasa/sim.ts';

export interface SimGroup extends Pick<KasaSimOptions, 'model' | 'way' | 'ports'> {
  readonly count: number;
  /** Answers with recorded replies, which cost the simulator less than living ones. Older family only. */
  readonly recorded?: boolean;
  /** First three numbers of the addresses; then each device has one of its own. All on 127.9.0.1 unless set. */
  readonly network?: string;
}
export interface SimPlace {
  readonly host: string;
  readonly port: number;
}

/** A device that says for ever what this one says now. */
function record(sim: KasaSim, options: Pick<KasaSimOptions, 'way' | 'ports' | 'host'>): KasaSim {
  const fixture: unknown = JSON.parse(
    sim.brain.answer('{"system":{"get_sysinfo":{}},"emeter":{"get_realtime":{}}}', 'tcp'),
  );
  return new KasaSim({ ...options, fixture });
}

if (import.meta.main) {
  const groups = JSON.parse(process.argv[2] ?? '[]') as SimGroup[];
  const places: SimPlace[][] = [];
  for (const [g, { count, network, recorded, ...options }] of groups.entries()) {
    const sims = await Promise.all(
      Array.from({ length: count }, (_, i) => {
        const mac = [2, 0, 0, g, i >> 8, i & 255].map((n) => n.toString(16).padStart(2, '0')).join(':');
        const host = network === undefined ? '127.9.0.1' : `${network}.${i + 1}`;
        const sim = new KasaSim({ ...options, mac, host, name: `Plug ${i}` });
        return recorded ? record(sim, { ...options, host }).listen() : sim.listen();
      }),
    );
    places.push(sims.map((sim) => ({ host: sim.host, port: sim.port })));
  }
  console.log(JSON.stringify(places));
  process.stdin.resume().on('end', () => process.exit(0));
}
