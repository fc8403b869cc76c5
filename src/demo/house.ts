import type { Clock, Log } from '#kernel/driver.ts';
import type { OpenScanner } from '#devices/lan/choose.ts';
import { seeded } from '#devices/lan/phone-model.ts';
import { HomeAssistantSim } from '#platform/homeassistant/sim.ts';
import { appliances } from './appliances.ts';
import { openCameras, type CamerasOptions } from './cameras.ts';
import { inject, type Faulty } from './faults.ts';
import { openFleet, type Fleet } from './fleet/fleet.ts';
import type { StartBroker } from './fleet/pushed.ts';
import type { Measuring } from './fleet/site.ts';
import { demoScanner, phoneOf } from './lan.ts';
import { household, whereabouts, type Calendar } from './schedule.ts';

export interface DemoHouseOptions {
  readonly people: number;
  readonly seed: string;
  readonly clock: Clock;
  /** How many times as fast as real time the clock runs. */
  readonly speed: number;
  /** Plugs, meters and appliances too. */
  readonly electricity: boolean;
  /** Panels on the roof. */
  readonly solar: boolean;
  /** Undefined: no cameras. They see by real time only. */
  readonly cameras?: Pick<CamerasOptions, 'video' | 'folder'> | undefined;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface DemoHouse {
  /** The settings of the demo house, as somebody would write them into lares.yaml. */
  readonly settings: object;
  readonly openScanner: OpenScanner;
  /** Undefined without electricity. */
  readonly startBroker: StartBroker | undefined;
  /** What measures, and what it would measure if nobody switched anything. */
  readonly devices: readonly Measuring[];
  /** Id of the device that measures the whole house; undefined without electricity. */
  readonly mainMeter: string | undefined;
  /** What can be made to misbehave. */
  readonly faulty: readonly Faulty[];
  /** Makes something misbehave for `ms` of real time. Throws NOT_FOUND or USAGE. */
  fault(device: string, fault: string, ms: number): { readonly paths: readonly string[] };
  close(): Promise<void>;
}

/** Documentation addresses (RFC 5737): no real network can be meant. */
export const demoNetwork = '192.0.2.0/24';
const token = 'demo-house-token';
// Phones report their position some minutes late, each at its own pace.
const lagMs = { least: 40_000, most: 360_000 } as const;
const lookEveryMs = 5_000;

/**
 * The simulated edges of the demo house: phones on a LAN, plugs and meters, and a Home Assistant, which speak their
 * real protocols on loopback.
 */
export async function openDemoHouse(options: DemoHouseOptions): Promise<DemoHouse> {
  const { clock, log, seed, speed, solar } = options;
  const names = household(options.people);
  const calendar: Calendar = { seed, offsetMs: -new Date(clock.now()).getTimezoneOffset() * 60_000 };
  const ending = new AbortController();
  const signal = AbortSignal.any([options.signal, ending.signal]);
  const fleet = options.electricity
    ? await openFleet({ appliances: appliances(names, calendar, { solar }), clock, speed, solar, signal })
    : undefined;
  const homeAssistant =
    fleet?.homeAssistant.house ?? (await new HomeAssistantSim({ token, now: () => clock.now() }).listen());
  const telling = tellPositions(names, calendar, homeAssistant, clock, signal);
  log.debug(`simulated Home Assistant at ${homeAssistant.url}`);
  const cameras = await openCamerasOf(options).catch(async (error: unknown) => {
    ending.abort();
    await telling;
    await closeAll(fleet, homeAssistant);
    throw error;
  });
  const faulty = [...(fleet?.faulty ?? []), ...(cameras?.faulty ?? [])];
  return {
    settings: {
      home: { name: 'Demo house' },
      wifi: { networks: [demoNetwork] },
      homeassistant: { url: homeAssistant.url, token: homeAssistant.token },
      presence: {
        people: names.map((person) => ({
          person,
          homeassistant_entity: `person.${person}`,
          wifi_macs: [phoneOf(person, seed).mac],
        })),
      },
      ...fleet?.settings,
      ...cameras?.settings,
    },
    openScanner: demoScanner(demoNetwork, names, calendar, clock),
    startBroker: fleet?.startBroker,
    devices: fleet?.devices ?? [],
    mainMeter: fleet?.mainMeter,
    faulty,
    fault: (device, fault, ms) => {
      const hit = inject(faulty, device, fault, ms);
      log.info(`${hit.paths.join(', ')}: ${fault} for ${ms / 1000} s, as asked`);
      return hit;
    },
    close: async () => {
      ending.abort();
      await telling;
      await cameras?.close();
      await closeAll(fleet, homeAssistant);
    },
  };
}

const openCamerasOf = async ({ cameras, clock }: DemoHouseOptions) =>
  cameras === undefined ? undefined : openCameras({ ...cameras, now: clock.now() });

async function closeAll(fleet: Fleet | undefined, homeAssistant: HomeAssistantSim): Promise<void> {
  if (fleet === undefined) await homeAssistant.close();
  else await fleet.close();
}

/** Says to Home Assistant where everybody is, some minutes late, until the signal aborts. */
async function tellPositions(
  names: readonly string[],
  calendar: Calendar,
  homeAssistant: HomeAssistantSim,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const { seed } = calendar;
  const isHome = (person: string, at: number) => whereabouts(person, at, calendar).place !== 'away';
  const lag = new Map(
    names.map((n) => [n, lagMs.least + seeded(`${seed}:lag:${n}`)() * (lagMs.most - lagMs.least)]),
  );
  const lastSaid = new Map<string, string>();
  while (!signal.aborted) {
    for (const person of names) {
      const state = isHome(person, clock.now() - (lag.get(person) ?? 0)) ? 'home' : 'not_home';
      if (lastSaid.get(person) === state) continue;
      lastSaid.set(person, state);
      const source = { source_type: 'gps', gps_accuracy: 20 };
      homeAssistant.setState(`device_tracker.${person}_phone`, state, source);
      homeAssistant.setState(`person.${person}`, state, { source: `device_tracker.${person}_phone` });
    }
    await clock.sleep(lookEveryMs, signal);
  }
}
