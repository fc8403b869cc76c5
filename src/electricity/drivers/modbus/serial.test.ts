import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { SerialPort } from 'serialport';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { launch, scratch, until } from '../../../../tests/servers/process.ts';
import { quietMs } from './dial.ts';
import { config, protocol } from './driver.ts';
import { ModbusSim, type ModbusFault } from './sim.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** Two ends of a wire, as two serial ports of the operating system; meters hang on the far one. */
async function wire(baud = 9600) {
  const { dir, remove } = scratch('serial');
  const [near, far] = [path.join(dir, 'near'), path.join(dir, 'far')];
  const ends = [near, far].map((link) => `pty,raw,echo=0,link=${link}`);
  const { child, output } = launch('/usr/bin/socat', ends);
  closers.push(remove);
  closers.push(() => child.kill());
  await until(
    () => existsSync(near) && existsSync(far),
    () => `no serial ports: ${output()}`,
  );
  const sim = new ModbusSim({
    framing: 'rtu',
    meters: [1, 2].map((unit) => ({ unit, template: 'sdm120', power: () => unit * 100 })),
  });
  closers.push(() => sim.close());
  const port = new SerialPort({ path: far, baudRate: baud });
  await new Promise((resolve) => port.once('open', resolve));
  sim.serve(port, 'rtu');
  closers.push(() => new Promise((resolve) => port.close(() => resolve(undefined))));
  const settings = config.parse({
    buses: [
      {
        name: 'Board',
        serial: { path: near, baud },
        reply_timeout_seconds: 1,
        units: [1, 2].map((unit) => ({ name: `C${unit}`, unit, template: 'sdm120' })),
      },
    ],
  });
  const [target] = protocol.configured(settings);
  const io = { clock: systemClock, log: new Logger({ write: () => {} }), random: () => 0.5 };
  const station = protocol.open(target!, settings, io);
  closers.push(() => station.close());
  return { sim, near, station, poll: () => station.poll(AbortSignal.timeout(60_000)) };
}

test('meters on a serial port are read like those behind a gateway', async () => {
  const { near, poll } = await wire();
  const { station, answers } = await poll();
  expect(station).toBe('Board');
  expect(answers.map((a) => [a.device.address, a.values.power_watts])).toEqual([
    [`${near}/1`, 100],
    [`${near}/2`, 200],
  ]);
});

test.each<ModbusFault>(['crc', 'garbage', 'split', 'hang'])(
  'a serial line recovers from %s',
  async (fault) => {
    const { sim, poll } = await wire();
    await poll();
    sim.fault(fault);
    const during = await poll().catch(() => undefined);
    expect(during?.answers.length ?? 0).toBe(fault === 'split' ? 2 : 0);
    sim.fault(undefined);
    expect((await poll()).answers.map((a) => a.values.power_watts)).toEqual([100, 200]);
  },
);

test('a serial port that was let go can be opened again at once', async () => {
  const { station, poll } = await wire();
  for (let i = 0; i < 5; i += 1) {
    expect((await poll()).answers).toHaveLength(2);
    station.close();
  }
});

test('a serial port that is not there says what to check', async () => {
  const settings = config.parse({
    buses: [{ serial: { path: '/dev/ttyNOWHERE' }, units: [{ name: 'C', template: 'sdm120' }] }],
  });
  const io = { clock: systemClock, log: new Logger({ write: () => {} }), random: () => 0.5 };
  const station = protocol.open(protocol.configured(settings)[0]!, settings, io);
  await expect(station.poll(AbortSignal.timeout(60_000))).rejects.toMatchObject({
    code: 'UNREACHABLE',
    message: expect.stringMatching(
      /^the serial port \/dev\/ttyNOWHERE cannot be opened: .*is the adapter plugged in/,
    ),
  });
});

test('without the package serialport the error says how to get it', () => {
  const hook = `import { registerHooks } from 'node:module';
    registerHooks({ resolve(name, context, next) {
      if (name === 'serialport') throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
      return next(name, context);
    } });`;
  const script = `
    import { dialOf } from './src/electricity/drivers/modbus/dial.ts';
    const dial = dialOf({ serial: { path: '/dev/ttyUSB0', baud: 9600, parity: 'none', stop_bits: 1 } });
    dial(1000, new AbortController().signal).catch((e) => console.log(e.code + ' ' + e.message));`;
  const args = [
    '--import',
    `data:text/javascript,${encodeURIComponent(hook)}`,
    '--input-type=module',
    '-e',
    script,
  ];
  expect(execFileSync(process.execPath, args, { encoding: 'utf8' })).toBe(
    'CONFIG_INVALID /dev/ttyUSB0 needs the package serialport, which is not installed; run npm install serialport, or use a gateway by host\n',
  );
});

test('between two frames a line is silent for three and a half characters', () => {
  const [slow, fast, tcp] = config.parse({
    buses: [
      { serial: { path: '/dev/a', baud: 2400 } },
      { serial: { path: '/dev/b', baud: 115_200 } },
      { host: '192.0.2.7' },
    ],
  }).buses;
  expect([slow!, fast!, tcp!].map((bus) => Math.round(quietMs(bus) * 100) / 100)).toEqual([16.04, 1.75, 0]);
});
