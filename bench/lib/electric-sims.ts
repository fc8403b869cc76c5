/**
 * A house of mixed simulated devices in a process of their own: `node bench/lib/electric-sims.ts COUNT POLL_SECONDS`,
 * or with `kasa` behind it one of nothing but Kasa and Tapo devices that have to be found. It prints a line of JSON, the section `electricity` that watches them; then, for every line of its standard input,
 * how many polls it has served; ends with its standard input.
 */
import { createInterface } from 'node:readline';
import { Appliances } from '../../tests/servers/appliances.ts';

const perBus = 5;

if (import.meta.main) {
  const [count, pollSeconds] = process.argv.slice(2, 4).map(Number) as [number, number];
  const onlyKasa = process.argv[4] === 'kasa';
  const home = await new Appliances({ net: 64, pollSeconds, timeoutSeconds: 5 }).start();
  // Out of twenty: six old plugs, four encrypted ones, four Tuyas, four Shellys, and the circuits.
  const versions = ['3.3', '3.4', '3.5', '3.1'] as const;
  for (let i = 0; i < count; i += 1) {
    const kind = i % (onlyKasa ? 10 : 20);
    const name = `Device ${i}`;
    if (kind < 6) await home.kasa(name, 100, { announced: false });
    else if (kind < 10) await home.kasa(name, 100, { announced: false, model: 'P110' });
    else if (kind < 13) await home.tuya(name, 100, { version: versions[kind - 10]! });
    else if (kind < 15) await home.shelly(name, 100);
    else if (kind === 15)
      await home.bus(
        Array.from({ length: perBus }, (_, n) => `${name} ${n}`),
        100,
      );
  }
  console.log(JSON.stringify(home.settings({ pulse: undefined, glow: undefined, tasmota: undefined })));
  for await (const _line of createInterface({ input: process.stdin }))
    console.log(home.all.reduce((sum, { load }) => sum + load.looks.length, 0));
  process.exit();
}
