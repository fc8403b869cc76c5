/**
 * Simulated Tuya devices in a process of their own, so that their work is not counted as ours. Arguments: versions, one
 * device each. Prints one line of JSON, the ports in the same order, and ends with its standard input.
 */
import { TuyaSim } from '../../src/electricity/drivers/tuya/sim.ts';
import { versions } from '../../src/electricity/drivers/tuya/model.ts';

export const simId = 'bf0123456789abcdefghij';
export const simKey = '0123456789abcdef';

if (import.meta.main) {
  const ports: number[] = [];
  for (const wanted of process.argv.slice(2)) {
    const version = versions.find((v) => v === wanted) ?? '3.3';
    const sim = new TuyaSim({ id: simId, key: simKey, version, power: () => 1234.5, secondClient: 'serve' });
    await sim.listen();
    ports.push(sim.port);
  }
  console.log(JSON.stringify(ports));
  process.stdin.resume().on('end', () => process.exit());
}
