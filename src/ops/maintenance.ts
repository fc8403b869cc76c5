import type { Command } from 'commander';
import { LaresError } from '#kernel/errors.ts';
import type { CliHouse } from '#platform/command.ts';
import { localTime, table } from '#platform/table.ts';
import { iso, isoOrNull } from '#platform/wire.ts';
import type { StateStore } from '#store/model.ts';
import { calendar, isTask, tasks, type Done, type MaintenanceItem } from './maintenance.rules.ts';

const stateKey = 'ops.maintenance';

/** Every task with when it was done and when it is due again; `now` is epoch ms. Throws STORE_UNAVAILABLE. */
export async function maintenance(state: Pick<StateStore, 'get'>, now: number): Promise<MaintenanceItem[]> {
  return calendar((await state.get<Done>(stateKey)) ?? {}, now);
}

/** Remembers that a task was done at `now` (epoch ms). @throws LaresError NOT_FOUND for an unknown task. */
export async function markDone(
  state: Pick<StateStore, 'get' | 'set'>,
  id: string,
  now: number,
): Promise<MaintenanceItem> {
  if (!isTask(id))
    throw new LaresError('NOT_FOUND', `there is no task ${id}; known: ${Object.keys(tasks).join(', ')}`);
  const done: Done = { ...(await state.get<Done>(stateKey)), [id]: now };
  await state.set(stateKey, done);
  return calendar(done, now).find((item) => item.id === id)!;
}

/** An item as JSON: instants in ISO 8601. */
export const toMaintenanceBody = ({ id, cadence, title, how, doneAt, dueAt, due }: MaintenanceItem) => ({
  id,
  cadence,
  title,
  how,
  done_at: isoOrNull(doneAt),
  due_at: isoOrNull(dueAt),
  due,
});

type Settings = { readonly home: { readonly time_zone?: string | undefined } };

/** `lares maintenance`, `lares maintenance done <task>`. */
export function maintenanceCommand(program: Command, house: CliHouse<Settings>): void {
  const command = program
    .command('maintenance')
    .description('what wants doing every week, month and quarter')
    .action(async () => {
      const items = await withState(house, (state) => maintenance(state, Date.now()));
      const timeZone = await timeZoneOf(house);
      house.print({ items: items.map(toMaintenanceBody) }, () => render(items, timeZone));
    });
  command
    .command('done <task>')
    .description('remember that a task was done now')
    .action(async (id: string) => {
      const item = await withState(house, (state) => markDone(state, id, Date.now()));
      house.print(
        toMaintenanceBody(item),
        () => `${id} is done; due again on ${iso(item.dueAt!).slice(0, 10)}`,
      );
    });
}

async function withState<T>(
  house: Pick<CliHouse<unknown>, 'store'>,
  work: (state: StateStore) => Promise<T>,
): Promise<T> {
  const store = await house.store();
  try {
    return await work(store.state);
  } finally {
    await store.close();
  }
}

const timeZoneOf = async (house: CliHouse<Settings>) =>
  house.configFile() === undefined ? undefined : (await house.config()).home.time_zone;

function render(items: readonly MaintenanceItem[], timeZone: string | undefined): string {
  const rows = items.map(({ id, cadence, title, how, doneAt, dueAt, due }) => [
    cadence,
    due ? 'due' : localTime(dueAt, timeZone).slice(0, 10),
    doneAt === undefined ? 'never' : localTime(doneAt, timeZone).slice(0, 10),
    id,
    title,
    how,
  ]);
  const due = items.filter((item) => item.due).length;
  return [
    table(['EVERY', 'DUE', 'DONE', 'TASK', 'WHAT', 'HOW'], rows),
    '',
    due === 0 ? 'Nothing is due.' : `${due} due. When one is done: lares maintenance done TASK`,
  ].join('\n');
}
