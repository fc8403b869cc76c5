import { afterEach, expect, it } from 'vitest';
import { freePort } from '../../../../tests/servers/process.ts';
import { config, protocol } from './driver.ts';
import { ShellySim, type ShellySimOptions } from './sim.ts';

const sims: ShellySim[] = [];
afterEach(async () => {
  for (const sim of sims.splice(0)) await sim.close();
});

const shelly = async (options: ShellySimOptions, host: string, port: number) =>
  sims.push(await new ShellySim(options).listen(port, host));

async function search(settings: object, signal = AbortSignal.timeout(60_000)) {
  const found = [];
  for await (const one of protocol.discover!(config.parse(settings), { signal })) found.push(one);
  return found.toSorted((a, b) => b.target.mac!.localeCompare(a.target.mac!));
}

it('finds every Shelly of the networks, once, and nothing else', async () => {
  const port = await freePort();
  await shelly({ mac: '020000000001', name: 'Kettle' }, '127.0.7.3', port);
  await shelly({ mac: '020000000002', model: '3em', password: 'secret' }, '127.0.7.200', port);
  await shelly({ mac: '020000000001', name: 'Kettle' }, '127.0.8.9', port);
  sims.push(await new ShellySim().listen(port, '127.0.7.50'));
  sims.at(-1)?.fault('garbage');
  // Whichever of its addresses answers first.
  const kettle = expect.stringMatching(`^127\\.0\\.(7\\.3|8\\.9):${port}$`) as string;
  const locked = 'its password: electricity.shelly.password, or one of its own';
  // Where the machine stands still for as long as an address may take, nothing is found there, and one searches again.
  const find = () => search({ networks: ['127.0.7.0/24', '127.0.8.8/30'], port });
  await expect.poll(find).toEqual([
    {
      target: {
        id: 'shelly:020000000002',
        host: `127.0.7.200:${port}`,
        mac: '02:00:00:00:00:02',
        needs: locked,
      },
      found: {
        kind: 'shelly',
        id: 'shelly:020000000002',
        host: `127.0.7.200:${port}`,
        name: undefined,
        model: 'SHEM-3',
        mac: '02:00:00:00:00:02',
        firmware: '1.14.0',
        metered: true,
        needs: locked,
      },
    },
    {
      target: { id: 'shelly:020000000001', host: kettle, mac: '02:00:00:00:00:01' },
      found: {
        kind: 'shelly',
        id: 'shelly:020000000001',
        host: kettle,
        name: 'Kettle',
        model: 'SNPL-00112EU',
        mac: '02:00:00:00:00:01',
        firmware: '1.4.4',
        metered: undefined,
        needs: undefined,
      },
    },
  ]);
});

it('needs nothing of a Shelly whose password the settings know', async () => {
  const port = await freePort();
  await shelly({ mac: '020000000002', password: 'secret' }, '127.0.7.4', port);
  const needs = async (settings: object) =>
    (await search({ networks: ['127.0.7.4/32'], port, ...settings })).map(({ target, found }) => [
      target.needs,
      found.needs,
    ]);
  expect(await needs({ password: 'secret' })).toEqual([[undefined, undefined]]);
  const device = { host: '192.0.2.7', mac: '02:00:00:00:00:02', password: 'secret' };
  expect(await needs({ devices: [device] })).toEqual([[undefined, undefined]]);
  expect(await needs({ devices: [{ ...device, mac: undefined }] })).not.toEqual([[undefined, undefined]]);
});

it('refuses a network that would take hours', async () => {
  await expect(search({ networks: ['127.0.0.0/8'] })).rejects.toThrow('/16 or smaller');
});

it('searches nothing where no network is named', async () => {
  expect(await search({})).toEqual([]);
});

it('stops when it is told to', async () => {
  const port = await freePort();
  await shelly({}, '127.0.7.1', port);
  sims[0]?.fault('hang');
  const stop = new AbortController();
  const searching = search({ networks: ['127.0.7.0/30'], port }, stop.signal);
  stop.abort();
  expect(await searching).toEqual([]);
});
