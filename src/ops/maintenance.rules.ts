/** How often something wants doing, in days. */
export const cadences = { daily: 1, weekly: 7, monthly: 30, quarterly: 91, annually: 365 } as const;
export type Cadence = keyof typeof cadences;

/** What the work is for; that of the cameras is shown where there are some. */
export type MaintenanceArea = 'presence' | 'cctv';

interface Task {
  readonly cadence: Cadence;
  readonly title: string;
  /** The command, or the page, that helps. */
  readonly how: string;
  /** How long it takes, where the original says. */
  readonly minutes?: number;
}

const cctvPage = 'docs/operations/cctv.md';

/** What a household does to keep presence right; docs/operations/presence.md explains each. */
const presenceTasks = {
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

/** The schedule of the original for its cameras, row by row; docs/operations/cctv.md explains each. */
const cctvTasks = {
  'cctv-check-logs': {
    cadence: 'daily',
    title: 'Check logs',
    how: 'tail -50 logs/errors.log in the data directory',
    minutes: 5,
  },
  'cctv-verify-cameras': { cadence: 'daily', title: 'Verify cameras', how: 'lares cctv test', minutes: 2 },
  'cctv-review-alerts': { cadence: 'daily', title: 'Review alerts', how: 'lares cctv alerts', minutes: 5 },
  'cctv-analyse-logs': {
    cadence: 'weekly',
    title: 'Log analysis',
    how: `${cctvPage}, Every week`,
    minutes: 15,
  },
  'cctv-vacuum': {
    cadence: 'weekly',
    title: 'Database vacuum',
    how: `done by itself; ${cctvPage}, Every week`,
    minutes: 5,
  },
  'cctv-disk': {
    cadence: 'weekly',
    title: 'Disk cleanup',
    how: 'done by itself; lares cctv capacity',
    minutes: 5,
  },
  'cctv-updates': {
    cadence: 'monthly',
    title: 'System updates',
    how: `${cctvPage}, Every month`,
    minutes: 30,
  },
  'cctv-clean-cameras': {
    cadence: 'monthly',
    title: 'Camera maintenance',
    how: `lares cctv list; ${cctvPage}, Every month`,
    minutes: 20,
  },
  'cctv-backup': { cadence: 'monthly', title: 'Backup system', how: `${cctvPage}, Back up`, minutes: 10 },
  'cctv-performance': {
    cadence: 'monthly',
    title: 'Performance review',
    how: 'lares cctv benchmark; lares cctv analyze --days 30',
    minutes: 30,
  },
  'cctv-security': {
    cadence: 'quarterly',
    title: 'Security audit',
    how: `${cctvPage}, Every quarter`,
    minutes: 60,
  },
  'cctv-full-test': {
    cadence: 'quarterly',
    title: 'Full system test',
    how: 'lares cctv e2e; lares cctv stress',
    minutes: 90,
  },
  'cctv-hardware': {
    cadence: 'quarterly',
    title: 'Hardware inspection',
    how: `lares audio list; ${cctvPage}, Every quarter`,
    minutes: 30,
  },
  'cctv-review': {
    cadence: 'annually',
    title: 'Complete review',
    how: `${cctvPage}, Every year`,
    minutes: 240,
  },
} as const satisfies Readonly<Record<string, Task>>;

export const tasks = { ...presenceTasks, ...cctvTasks };

export type TaskId = keyof typeof tasks;

/** When each task was last done, epoch ms. */
export type Done = Readonly<Partial<Record<TaskId, number>>>;

export interface MaintenanceItem extends Task {
  readonly id: TaskId;
  readonly area: MaintenanceArea;
  /** Epoch ms; undefined when it was never marked as done. */
  readonly doneAt: number | undefined;
  /** Epoch ms; undefined when it was never done, and is therefore due at once. */
  readonly dueAt: number | undefined;
  readonly due: boolean;
}

const dayMs = 86_400_000;

export const isTask = (id: string): id is TaskId => Object.hasOwn(tasks, id);

const areaOf = (id: TaskId): MaintenanceArea => (Object.hasOwn(cctvTasks, id) ? 'cctv' : 'presence');

/** Every task of these areas with its state at `now` (epoch ms), by cadence, what is due first. */
export function calendar(done: Done, now: number, areas: readonly MaintenanceArea[]): MaintenanceItem[] {
  const wanted = (Object.keys(tasks) as TaskId[]).filter((id) => areas.includes(areaOf(id)));
  const items = wanted.map((id): MaintenanceItem => {
    const doneAt = done[id];
    const dueAt = doneAt === undefined ? undefined : doneAt + cadences[tasks[id].cadence] * dayMs;
    const area = areaOf(id);
    return { id, area, ...tasks[id], doneAt, dueAt, due: dueAt === undefined || now >= dueAt };
  });
  return items.toSorted((a, b) => cadences[a.cadence] - cadences[b.cadence] || Number(b.due) - Number(a.due));
}
