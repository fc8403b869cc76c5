/** How often something wants doing, in days. */
export const cadences = { weekly: 7, monthly: 30, quarterly: 91 } as const;
export type Cadence = keyof typeof cadences;

interface Task {
  readonly cadence: Cadence;
  readonly title: string;
  /** The command, or the page, that helps. */
  readonly how: string;
}

/** What a household does to keep presence right; docs/operations/presence.md explains each. */
export const tasks = {
  'review-errors': {
    cadence: 'weekly',
    title: 'Review the errors of the week',
    how: 'lares presence report weekly',
  },
  'check-freshness': {
    cadence: 'weekly',
    title: 'Check that metrics arrive without gaps',
    how: 'lares graphite status',
  },
  'verify-occupancy': {
    cadence: 'weekly',
    title: 'Compare who was home with what you remember',
    how: 'lares presence history',
  },
  'review-addresses': {
    cadence: 'monthly',
    title: 'Review phones that were not seen for 30 days, and suggestions',
    how: 'lares presence report monthly; lares presence suggestions',
  },
  'check-token': {
    cadence: 'monthly',
    title: 'Check that Home Assistant still takes the token',
    how: 'lares doctor homeassistant',
  },
  'analyse-patterns': {
    cadence: 'monthly',
    title: 'Look at departures that were taken back within 15 minutes',
    how: 'lares presence report monthly',
  },
  'review-people': {
    cadence: 'quarterly',
    title: 'Add new people and devices, remove those who moved out',
    how: 'lares presence discover; edit presence.people',
  },
  'update-documentation': {
    cadence: 'quarterly',
    title: 'Write down what changed in your own procedures',
    how: 'docs/operations/presence.md',
  },
  'tune-performance': {
    cadence: 'quarterly',
    title: 'Look at scan times, memory and the size of the database',
    how: 'lares doctor; /health/detailed',
  },
} as const satisfies Readonly<Record<string, Task>>;

export type TaskId = keyof typeof tasks;

/** When each task was last done, epoch ms. */
export type Done = Readonly<Partial<Record<TaskId, number>>>;

export interface MaintenanceItem extends Task {
  readonly id: TaskId;
  /** Epoch ms; undefined when it was never marked as done. */
  readonly doneAt: number | undefined;
  /** Epoch ms; undefined when it was never done, and is therefore due at once. */
  readonly dueAt: number | undefined;
  readonly due: boolean;
}

const dayMs = 86_400_000;

export const isTask = (id: string): id is TaskId => Object.hasOwn(tasks, id);

/** Every task with its state at `now` (epoch ms), by cadence, what is due first. */
export function calendar(done: Done, now: number): MaintenanceItem[] {
  const items = (Object.keys(tasks) as TaskId[]).map((id): MaintenanceItem => {
    const doneAt = done[id];
    const dueAt = doneAt === undefined ? undefined : doneAt + cadences[tasks[id].cadence] * dayMs;
    return { id, ...tasks[id], doneAt, dueAt, due: dueAt === undefined || now >= dueAt };
  });
  return items.toSorted((a, b) => cadences[a.cadence] - cadences[b.cadence] || Number(b.due) - Number(a.due));
}
