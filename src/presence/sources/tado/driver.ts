import { z } from 'zod';
import { defineDriver, type Context, type Driver } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import type { StateStore } from '#store/model.ts';
import type { Report } from '../../model.ts';
import { TadoClient } from './cloud.ts';
import { tadoCloud, type Phone, type TadoCloud } from './model.ts';
import { findPhone, nextPollMs, toReport } from './rules.ts';

// Shorter than the staleness that the cadence allows, so that waiting for the quota is not taken for silence.
const signOfLifeMs = 600_000;

const config = z
  .strictObject({
    poll_interval_seconds: z.int().min(900).default(900).meta({
      title: 'Poll interval',
      description: 'The free quota is 100 requests a day; 900 s uses 96',
      unit: 's',
      reload: 'live',
    }),
    devices: z
      .array(
        z
          .strictObject({
            person: z.string().min(1).meta({ title: 'Person', description: 'The slug of the person' }),
            device: z
              .string()
              .min(1)
              .meta({ title: 'Device', description: 'Name or id of their phone in the Tado app' }),
          })
          .meta({ title: 'Watched phone', description: 'A phone that tells where a person is' }),
      )
      .meta({ title: 'Devices', description: 'Which phone of the Tado account tells about which person' }),
  })
  .meta({ title: 'Tado', description: 'Home or away from the Tado app' });

export type TadoSourceConfig = z.infer<typeof config>;

/** Where people are according to the Tado app. The tokens live in `state`; a person puts them there with `lares tado login`. */
export function makeTadoDriver(
  state: StateStore,
  cloud: TadoCloud = tadoCloud,
): Driver<'tado', TadoSourceConfig, Report> {
  return defineDriver({
    kind: 'tado',
    title: 'Tado',
    config,
    example: { poll_interval_seconds: 900, devices: [{ person: 'alex', device: 'Alex phone' }] },
    traits: { cadence: { everyMs: 900_000 }, needs: ['cloud'] },
    run: (settings, context) =>
      poll(settings, context, new TadoClient({ state, cloud, clock: context.clock })),
  });
}

async function poll(settings: TadoSourceConfig, context: Context<Report>, client: TadoClient): Promise<void> {
  const { clock, signal } = context;
  const strangers = new Set<string>();
  let works = false;
  try {
    while (!signal.aborted) {
      await waitUntil((await client.account()).nextPollAt, works, context);
      if (signal.aborted) return;
      const phones = await askAll(client, settings, context);
      for (const { person, device } of settings.devices) {
        const phone = findPhone(phones, device);
        if (phone === undefined && !strangers.has(device))
          context.log.warn(
            `tado error: the account has no phone ${JSON.stringify(device)}; it has ${phones.map((p) => p.name).join(', ')}`,
          );
        if (phone === undefined) strangers.add(device);
        context.emit(toReport(person, device, phone, clock.now()));
      }
      context.alive(`${phones.length} phones, quota ${client.quota.remaining ?? 'not said'} left`);
      works = true;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** One poll; its price is booked before it is known whether it works, because a refused request counts as well. */
async function askAll(
  client: TadoClient,
  settings: TadoSourceConfig,
  { clock, signal }: Context<Report>,
): Promise<Phone[]> {
  const everyMs = settings.poll_interval_seconds * 1000;
  const homes = await client.homes(signal);
  await client.keep({ nextPollAt: clock.now() + everyMs });
  const phones: Phone[] = [];
  try {
    for (const home of homes) phones.push(...(await client.phones(home, signal)));
  } catch (error) {
    if (error instanceof LaresError && error.code === 'RATE_LIMITED')
      await client.keep({ nextPollAt: clock.now() + Math.max(everyMs, error.retryAfterMs ?? 0) });
    throw error;
  }
  await client.keep({ nextPollAt: clock.now() + nextPollMs(everyMs, homes.length, client.quota) });
  return phones;
}

/** Waits for the quota; says that all is well meanwhile only where the last poll was. */
async function waitUntil(
  at: number,
  works: boolean,
  { clock, signal, alive }: Context<Report>,
): Promise<void> {
  // A wall clock that was set back must not hold us for longer than a day.
  for (let left = Math.min(at - clock.now(), 86_400_000); left > 0 && !signal.aborted;) {
    const step = Math.min(left, signOfLifeMs);
    await clock.sleep(step, signal);
    left -= step;
    if (left > 0 && works) alive(`waits ${Math.round(left / 60_000)} min for the quota of Tado`);
  }
}
