import { afterEach, describe, expect, test } from 'vitest';
import { ManualClock, systemClock } from '#platform/clock.ts';
import { publishOnce } from '#platform/mqtt/client.ts';
import { runDriver } from '../../../../tests/contract/run-driver.ts';
import { MemoryState } from '../../../../tests/servers/memory-store.ts';
import { mosquitto, mosquittoProgram } from '../../../../tests/servers/mosquitto.ts';
import { until } from '../../../../tests/servers/process.ts';
import { makePulseDriver } from './driver.ts';
import { closeAll, closers, start, token } from './fixture.ts';
import { PulseSim } from './sim.ts';

afterEach(closeAll);

describe.skipIf(mosquittoProgram === undefined)(
  'over MQTT, with Mosquitto (Debian package mosquitto)',
  () => {
    async function brokered() {
      const server = await mosquitto({ users: { alex: 'secret-of-alex' } });
      closers.push(() => server.remove());
      return { server, broker: { url: server.url, username: 'alex', password: 'secret-of-alex' } };
    }

    test('our own topic, ESPHome and Tasmota; what the broker kept is not taken for new', async () => {
      const { broker } = await brokered();
      const state = new MemoryState();
      const driver = makePulseDriver({ state, broker });
      await publishOnce(broker, 'esp/sensor/p/state', '99', { retain: true });
      await publishOnce(broker, 'lares/pulse/own', '{"id":"own","total_pulses":1,"uptime_ms":1}', {
        retain: true,
      });
      const clock = new ManualClock(start);
      const run = runDriver(
        driver,
        {
          meters: [
            { name: 'own', id: 'own' },
            { name: 'esp', id: 'esp', esphome: { prefix: 'esp', power: 'p', total: 't' } },
            { name: 'tas', id: 'tas', tasmota: { topic: 'tas' } },
          ],
          mqtt: {},
        },
        clock,
      );
      closers.push(() => run.stop());
      await until(() => run.details.includes('connected to the broker'));
      const heard = (name: string) => run.details.filter((d) => d === `heard ${name}`).length;
      const sim = new PulseSim({ now: () => clock.now(), power: () => 3_600, id: 'own', broker });
      await sim.step();
      await until(() => heard('own') === 1);
      await clock.advance(4_000);
      await sim.step();
      await publishOnce(broker, 'esp/sensor/p/state', '10');
      await publishOnce(broker, 'esp/sensor/t/state', '500');
      await publishOnce(broker, 'tele/tas/SENSOR', '{"Time":"2026-11-21T08:00:00","COUNTER":{"C1":7}}');
      await publishOnce(broker, 'tele/tas/SENSOR', '{"nothing":1}');
      await until(() => heard('own') === 2 && heard('esp') === 2 && heard('tas') === 1);
      await until(() => run.signals.some((s) => s.kind === 'trouble'));
      await clock.advance(1_000);
      const told = run.signals.flatMap((s) =>
        s.kind === 'measured' ? [[s.id, s.at - start, s.values]] : [],
      );
      expect(told).toEqual([
        ['pulse:own', 4_000, { power_watts: 3_600, energy_wh: 4 }],
        ['pulse:esp', 4_000, { power_watts: 600, energy_wh: 0 }],
        ['pulse:tas', 4_000, { energy_wh: 0 }],
      ]);
      expect(run.signals.filter((s) => s.kind === 'trouble')).toMatchObject([
        { id: 'pulse:tas', address: 'tele/tas/SENSOR', error: { code: 'BAD_REPLY' } },
      ]);
    });

    test('a broker that goes and comes back costs nothing: HTTP goes on, and what was published meanwhile arrives', async () => {
      const { server, broker } = await brokered();
      const driver = makePulseDriver({ state: new MemoryState(), broker });
      const run = runDriver(
        driver,
        {
          meters: [
            { name: 'a', id: 'a', token },
            { name: 'b', id: 'b' },
          ],
          http: { port: 0 },
          mqtt: {},
        },
        systemClock,
      );
      closers.push(() => run.stop());
      await until(() => run.details.includes('connected to the broker'));
      await server.stop('SIGKILL');
      await until(() => run.signals.some((s) => s.kind === 'trouble' && s.error.code === 'UNREACHABLE'));
      const sim = new PulseSim({
        id: 'a',
        token,
        url: `http://127.0.0.1:${driver.port}/api/electricity/pulse`,
      });
      await sim.step();
      expect(sim.replies).toEqual([200]);
      const before = run.details.filter((d) => d === 'connected to the broker').length;
      await server.start();
      await until(() => run.details.filter((d) => d === 'connected to the broker').length > before);
      await new PulseSim({ id: 'b', broker }).step();
      await until(() => run.details.includes('heard b'));
    });
  },
);
