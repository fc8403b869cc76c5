import type { Clock, Log } from '#kernel/driver.ts';
import type { OpenScanner } from '#devices/lan/choose.ts';
import { seeded } from '#devices/lan/phone-model.ts';
import { HomeAssistantSim } from '#platform/homeassistant/sim.ts';
import { household, whereabouts, type Calendar } from './schedule.ts';
import { demoScanner, phoneOf } from './lan.ts';

export interface DemoHouseOptions {
  readonly people: number;
  readonly seed: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface DemoHouse {
  /** The settings of the demo house, as somebody would write them into lares.yaml. */
  readonly settings: object;
  readonly openScanner: OpenScanner;
  close(): Promise<void>;
}

/** Documentation addresses (RFC 5737): no real network can be meant. */
export const demoNetwork = '192.0.2.0/24';
const token = 'demo-house-token';
// Phones report their position some minutes late, each at its own pace.
const lagMs = { least: 40_000, most: 360_000 } as const;
const lookEveryMs = 5_000;

/** The simulated edges of the demo house: phones on a LAN, and a Home Assistant that speaks its real protocol on loopback. */
export async function openDemoHouse(options: DemoHouseOptions): Promise<DemoHouse> {
  const { clock, log, seed, signal } = options;
  const names = household(options.people);
  const calendar: Calendar = { seed, offsetMs: -new Date(clock.now()).getTimezoneOffset() * 60_000 };
  const homeAssistant = await new HomeAssistantSim({ token, now: () => clock.now() }).listen();
  const isHome = (person: string, at: number) => whereabouts(person, at, calendar).place !== 'away';
  const lag = new Map(
    names.map((n) => [n, lagMs.least + seeded(`${seed}:lag:${n}`)() * (lagMs.most - lagMs.least)]),
  );
  const lastSaid = new Map<string, string>();
  const speak = () => {
    for (const person of names) {
      const state = isHome(person, clock.now() - (lag.get(person) ?? 0)) ? 'home' : 'not_home';
      if (lastSaid.get(person) === state) continue;
      lastSaid.set(person, state);
      const source = { source_type: 'gps', gps_accuracy: 20 };
      homeAssistant.setState(`device_tracker.${person}_phone`, state, source);
      homeAssistant.setState(`person.${person}`, state, { source: `device_tracker.${person}_phone` });
    }
  };
  speak();
  const telling = (async () => {
    while (!signal.aborted) {
      await clock.sleep(lookEveryMs, signal);
      speak();
    }
  })();
  log.debug(`simulated Home Assistant at ${homeAssistant.url}`);
  return {
    settings: {
      home: { name: 'Demo house' },
      wifi: { networks: [demoNetwork] },
      homeassistant: { url: homeAssistant.url, token },
      presence: {
        people: names.map((person) => ({
          person,
          homeassistant_entity: `person.${person}`,
          wifi_macs: [phoneOf(person, seed).mac],
        })),
      },
    },
    openScanner: demoScanner(demoNetwork, names, calendar, clock),
    close: async () => {
      await telling;
      await homeAssistant.close();
    },
  };
}
