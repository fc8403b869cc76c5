import type { Command } from 'commander';
import { LaresError } from '#kernel/errors.ts';
import type { CliHouse } from '#platform/command.ts';
import { localTime, table } from '#platform/table.ts';
import { iso, isoOrNull } from '#platform/wire.ts';
import type { StateStore } from '#store/model.ts';
import {
  calendar,
  isTask,
  tasks,
  type Done,
  type MaintenanceArea,
  type MaintenanceItem,
} from './maintenance.rules.ts';

const stateKey = 'ops.maintenance';

/** The areas that this house has work in: cameras want theirs where there are some. */
export const areasOf = ({ cameras }: { readonly cameras: readonly unknown[] }): MaintenanceArea[] =>
  cameras.length > 0 ? ['presence', 'cctv'] : ['presence'];

/** Every task with when it was done and when it is due again; `now` is epoch ms. Throws STORE_UNAVAILABLE. */
export async function maintenance(
  state: Pick<StateStore, 'get'>,
  now: number,
  areas: readonly MaintenanceArea[],
): Promise<MaintenanceItem[]> {
  return calendar((await state.get<Done>(stateKey)) ?? {}, now, areas);
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
  return calendar(done, now, ['presence', 'cctv']).find((item) => item.id === id)!;
}

/** An item as JSON: instants in ISO 8601. */
export const toMaintenanceBody = ({
  id,
  area,
  cadence,
  title,
  how,
  minutes,
  doneAt,
  dueAt,
  due,
}: MaintenanceItem) => ({
  id,
  area,
  cadence,
  title,
  how,
  minutes: minutes ?? null,
  done_at: isoOrNull(doneAt),
  due_at: isoOrNull(dueAt),
  due,
});

type Settings = {
  readonly home: { readonly time_zone?: string | undefined };
  readonly cameras: readonly unknown[];
};

/** `lares maintenance`, `lares maintenance done <task>`. */
export function maintenanceCommand(program: Command, house: CliHouse<Settings>): void {
  const command = program
    .command('maintenance')
    .description('what wants doing every day, week, month, quarter and year')
    .action(async () => {
      const config = house.configFile() === undefined ? undefined : await house.config();
      const areas = areasOf(config ?? { cameras: [] });
      const items = await withState(house, (state) => maintenance(state, Date.now(), areas));
      const timeZone = config?.home.time_zone;
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

function render(items: readonly MaintenanceItem[], timeZone: string | undefined): string {
  const rows = items.map(({ id, cadence, title, how, minutes, doneAt, dueAt, due }) => [
    cadence,
    minutes === undefined ? '' : `${minutes} min`,
    due ? 'due' : localTime(dueAt, timeZone).slice(0, 10),
    doneAt === undefined ? 'never' : localTime(doneAt, timeZone).slice(0, 10),
    id,
    title,
    how,
  ]);
  const due = items.filter((item) => item.due).length;
  return [
    table(['EVERY', 'TAKES', 'DUE', 'DONE', 'TASK', 'WHAT', 'HOW'], rows),
    '',
    due === 0 ? 'Nothing is due.' : `${due} due. When one is done: lares maintenance done TASK`,
  ].join('\n');
}
