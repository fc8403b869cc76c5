import { connectAsync } from 'mqtt';
import { afterEach, beforeAll, afterAll, describe, expect, it } from 'vitest';
import type { Clock, Context } from '#kernel/driver.ts';
import { ManualClock, systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { publishOnce } from '#platform/mqtt/client.ts';
import { mosquitto, mosquittoProgram, type Mosquitto } from '../../../../tests/servers/mosquitto.ts';
import { until } from '../../../../tests/servers/process.ts';
import type { Announcement, ElectricitySignal, Values } from '../../model.ts';
import { config, example, makeTasmotaDriver } from './driver.ts';
import { TasmotaSim, type TasmotaSimOptions } from './sim.ts';

const users = { lares: 'secret-of-lares', plug: 'secret-of-plug' };
let server: Mosquitto | undefined;
beforeAll(async () => {
  if (mosquittoProgram !== undefined) server = await mosquitto({ users });
});
afterAll(() => server?.remove());

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const soon = () => AbortSignal.timeout(60_000);
const broker = (username: keyof typeof users) => ({ url: server!.url, username, password: users[username] });
let serial = 0;

/** A topic of its own, so that what one test leaves retained does not meet the next. */
async function plug(options: TasmotaSimOptions = {}) {
  serial += 1;
  const sim = new TasmotaSim({ mac: `0200000${(0x1000 + serial).toString(16).toUpperCase()}A`, ...options });
  closing.push(() => sim.close());
  return sim;
}

interface House {
  readonly signals: ElectricitySignal[];
  /** What is known about a device, by id. */
  device(id: string): Announcement | undefined;
  values(id: string): Values;
  readonly ended: Promise<unknown>;
  connected(): Promise<void>;
  stop(): Promise<unknown>;
}

function run(settings: object = {}, where = broker('lares'), clock: Clock = systemClock): House {
  const signals: ElectricitySignal[] = [];
  const stop = new AbortController();
  const context: Context<ElectricitySignal> = {
    clock,
    log: new Logger({ write: () => {}, now: () => 0, level: 'error' }),
    signal: stop.signal,
    random: Math.random,
    emit: (signal) => signals.push(signal),
    alive: () => (lively = true),
  };
  let lively = false;
  const ended = makeTasmotaDriver({ broker: where })
    .run(config.parse(settings), context)
    .catch((error: unknown) => error);
  const house: House = {
    signals,
    device: (id) =>
      signals.findLast((s) => s.kind === 'device' && s.device.id === id) as Announcement | undefined,
    values: (id) =>
      Object.assign(
        {},
        ...signals.flatMap((s) => (s.kind === 'measured' && s.id === id ? [s.values] : [])),
      ) as Values,
    ended,
    connected: () => until(() => lively),
    stop: () => (stop.abort(), ended),
  };
  closing.push(() => house.stop());
  return house;
}

const idOf = (sim: TasmotaSim) => `tasmota:${sim.topic.toLowerCase()}`;
/** Everything has been said: who it is, what it measures, what it switches. */
const complete = (house: House, id: string) => {
  const { switches, device } = house.device(id) ?? {};
  const { power_watts: watts, is_on: on } = house.values(id);
  return switches !== undefined && device?.mac !== undefined && watts !== undefined && on !== undefined;
};
const troubles = (house: House, id: string) =>
  house.signals.flatMap((s) => (s.kind === 'trouble' && s.id === id ? [s.error.code] : []));

it('accepts its example, refuses unknown keys, and says that it needs a broker', async () => {
  expect(config.parse(example).devices).toEqual([{ topic: 'tasmota_0A1B2C', name: 'Freezer' }]);
  expect(() => config.parse({ topics: [] })).toThrow('topics');
  expect(() => config.parse({ full_topics: ['tele/%topic%/'] })).toThrow('pattern');
  const context = { signal: soon() } as unknown as Context<ElectricitySignal>;
  await expect(makeTasmotaDriver({}).run(config.parse({}), context)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
  });
});

describe.skipIf(mosquittoProgram === undefined)('over a real Mosquitto', () => {
  it('reads a plug that was there before, and one that comes later', async () => {
    const early = await (await plug({ power: () => 60, name: 'Lamp' })).connect(broker('plug'));
    const house = run();
    const late = await (await plug({ power: () => 2000, name: 'Kettle' })).connect(broker('plug'));
    for (const sim of [early, late]) await until(() => complete(house, idOf(sim)));
    expect(house.device(idOf(early))?.device).toEqual({
      id: idOf(early),
      source: 'tasmota',
      name: 'Lamp',
      model: 'Simulated plug',
      firmware: '14.4.1',
      mac: early.mac.toLowerCase().match(/../g)?.join(':'),
      address: early.topic,
    });
    expect([house.values(idOf(early)), house.values(idOf(late))]).toMatchObject([
      { power_watts: 60, voltage_volts: 231, is_on: 1 },
      { power_watts: 2000, current_amps: 8.658, is_on: 1 },
    ]);
  });

  it('asks for readings far more often than a device sends them unasked', async () => {
    let watts = 5;
    const sim = await (await plug({ power: () => watts })).connect(broker('plug'));
    const house = run({ poll_interval_seconds: 1 });
    await until(() => house.values(idOf(sim)).power_watts === 5);
    watts = 7;
    await until(() => house.values(idOf(sim)).power_watts === 7);
  });

  it('makes a strip of several channels several devices', async () => {
    const sim = await plug({
      power: [() => 10, () => 20],
      relays: 2,
      name: 'Strip',
      friendly: ['TV', 'Amp'],
    });
    await sim.connect(broker('plug'));
    const house = run();
    const ids = [idOf(sim), `${idOf(sim)}/1`, `${idOf(sim)}/2`];
    await until(() => complete(house, ids[1]!) && complete(house, ids[2]!));
    expect(ids.map((id) => [house.device(id)?.device.name, house.device(id)?.device.parent])).toEqual([
      ['Strip', undefined],
      ['TV', idOf(sim)],
      ['Amp', idOf(sim)],
    ]);
    expect(ids.map((id) => house.values(id).power_watts)).toEqual([30, 10, 20]);
    expect(ids.map((id) => house.device(id)?.switches !== undefined)).toEqual([false, true, true]);
  });

  it('switches, and resolves with what the device says', async () => {
    const sim = await (await plug()).connect(broker('plug'));
    const house = run();
    await until(() => house.device(idOf(sim))?.switches !== undefined);
    const { switches } = house.device(idOf(sim))!;
    expect([await switches?.turn(false, soon()), sim.isOn()]).toEqual([false, false]);
    expect([await switches?.turn(false, soon()), sim.isOn()]).toEqual([false, false]);
    expect([await switches?.turn(true, soon()), sim.isOn()]).toEqual([true, true]);
    await sim.press();
    await until(() => house.values(idOf(sim)).is_on === 0);
  });

  it('asks a device that answers each question with another switch only once in a while', async () => {
    const topic = `restless_${process.pid}`;
    const heard: string[] = [];
    const device = await connectAsync(broker('plug').url, broker('plug'));
    closing.push(() => device.endAsync());
    const say = (word: string, text: string) => device.publishAsync(`stat/${topic}/${word}`, text);
    let on = false;
    const tell = () => say('POWER', on ? 'ON' : 'OFF');
    const toggle = () => {
      on = !on;
      return tell();
    };
    device.on('message', (to, payload) => {
      heard.push(`${to.split('/').at(-1)} ${payload.toString()}`);
      if (to.endsWith('/STATUS') && payload.toString() === '8') void toggle();
      if (!to.endsWith('/POWER')) return;
      if (payload.length > 0) on = payload.toString() === 'ON';
      void tell();
    });
    await device.subscribeAsync(`cmnd/${topic}/#`);
    const clock = new ManualClock(Date.now());
    const house = run({ poll_interval_seconds: 3600 }, broker('lares'), clock);
    await house.connected();
    const id = `tasmota:${topic}`;
    const asked = () => heard.filter((text) => text === 'STATUS 8').length;
    await say('STATUS11', '{"StatusSTS":{"POWER":"OFF"}}');
    await say('STATUS8', '{"StatusSNS":{"ENERGY":{"Power":1}}}');
    await until(() => house.values(id).power_watts === 1 && asked() > 0);
    for (let i = 0; i < 50; i += 1) await toggle();
    await say('STATUS8', '{"StatusSNS":{"ENERGY":{"Power":2}}}');
    await until(() => house.values(id).power_watts === 2);
    // Questions come in the order in which they were asked, so that none is under way any more.
    const settled = async () => {
      await house.device(id)?.switches?.turn(true, soon());
      return asked();
    };
    const before = await settled();
    expect(before).toBeLessThanOrEqual(2);
    await clock.advance(2_000);
    expect(await settled()).toBe(before + 1);
    await clock.advance(2_000);
    expect(await settled()).toBe(before + 2);
  });

  it('does not believe that a device switched which says nothing', async () => {
    const sim = await (await plug()).connect(broker('plug'));
    const house = run();
    await until(() => house.device(idOf(sim))?.switches !== undefined);
    sim.fault('hang');
    await expect(
      house.device(idOf(sim))?.switches?.turn(false, AbortSignal.timeout(200)),
    ).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
  });

  it('says that a device is gone as soon as the broker knows, and takes it back', async () => {
    const sim = await (await plug({ power: () => 60 })).connect(broker('plug'));
    const house = run();
    await until(() => house.values(idOf(sim)).power_watts === 60);
    sim.fault('drop');
    await until(() => troubles(house, idOf(sim)).length > 0);
    expect(troubles(house, idOf(sim))).toEqual(['UNREACHABLE']);
    const before = house.signals.length;
    sim.heal('drop');
    await until(() => house.signals.slice(before).some((s) => s.kind === 'measured' && s.id === idOf(sim)));
  });

  it('never takes what the broker kept for a measurement', async () => {
    const topic = `kept_${process.pid}`;
    await publishOnce(broker('plug'), `tele/${topic}/SENSOR`, '{"ENERGY":{"Power":9999,"Total":1}}', {
      retain: true,
    });
    await publishOnce(broker('plug'), `tele/${topic}/STATE`, '{"POWER":"ON"}', { retain: true });
    const sim = await (await plug({ power: () => 60 })).connect(broker('plug'));
    const house = run();
    await until(() => house.values(idOf(sim)).power_watts === 60);
    expect(house.signals.filter((s) => s.kind === 'measured' && s.id === `tasmota:${topic}`)).toEqual([]);
  });

  it('names a device that sends garbage, and the others go on', async () => {
    const bad = await (await plug({ power: () => 1 })).connect(broker('plug'));
    const good = await (await plug({ power: () => 2 })).connect(broker('plug'));
    const house = run({ poll_interval_seconds: 1 });
    await until(
      () => house.values(idOf(bad)).power_watts === 1 && house.values(idOf(good)).power_watts === 2,
    );
    bad.fault('garbage');
    await until(() => troubles(house, idOf(bad)).length > 0);
    expect([troubles(house, idOf(bad))[0], troubles(house, idOf(good))]).toEqual(['BAD_REPLY', []]);
    const before = house.signals.length;
    await until(() => house.signals.slice(before).some((s) => s.kind === 'measured' && s.id === idOf(good)));
  });

  it('leaves out numbers that are none', async () => {
    const sim = await plug({ power: () => 60 });
    sim.fault('nan');
    await sim.connect(broker('plug'));
    const house = run();
    await until(() => house.values(idOf(sim)).current_amps !== undefined);
    expect(house.values(idOf(sim))).not.toHaveProperty('power_watts');
    expect(house.values(idOf(sim))).not.toHaveProperty('voltage_volts');
  });

  it('hears devices under a topic pattern of their own, and commands them there', async () => {
    const fullTopic = 'house/%topic%/%prefix%/';
    const sim = await (await plug({ fullTopic, power: () => 60 })).connect(broker('plug'));
    const house = run({
      full_topics: ['%prefix%/%topic%/', fullTopic],
      devices: [{ topic: sim.topic, name: 'Fridge' }],
    });
    await until(() => complete(house, idOf(sim)));
    expect(house.device(idOf(sim))?.device.name).toBe('Fridge');
    expect(await house.device(idOf(sim))?.switches?.turn(false, soon())).toBe(false);
  });

  it('ends when the broker goes away, so that it is started again', async () => {
    const own = await mosquitto({ users });
    closing.push(() => own.remove());
    const house = run({}, { ...broker('lares'), url: own.url });
    const sim = await (await plug({ power: () => 60 })).connect({ ...broker('plug'), url: own.url });
    await until(() => house.values(idOf(sim)).power_watts === 60);
    await own.stop('SIGKILL');
    expect(await house.ended).toMatchObject({ code: 'UNREACHABLE' });
  });

  it('stops when it is told to', async () => {
    const house = run();
    await house.connected();
    expect(await house.stop()).toBeUndefined();
  });
});
