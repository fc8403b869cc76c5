/**
 * A house that only tells alerts, to be killed: `node alert-child.ts <data dir> <webhook url> <first> <count>`. Without
 * new ones (`0 0`) it ends by itself once nothing waits.
 */
import { EventBook } from '#cctv/book/book.ts';
import { someAlert, someIo, someSettings } from '#guard/channels/fixture.ts';
import { AlertQueue } from '#guard/channels/queue.ts';
import { channels } from '#guard/channels/registry.ts';
import { systemClock } from '#platform/clock.ts';
import { Health } from '#platform/health.ts';
import { silent } from '#platform/log.ts';

const [dataDir = '', url = '', first = '0', count = '0'] = process.argv.slice(2);
const book = await EventBook.open({ dataDir, clock: systemClock, log: silent });
const queue = new AlertQueue({
  clock: systemClock,
  log: silent,
  random: Math.random,
  health: new Health(systemClock),
  store: book,
  find: (id) =>
    book.findAlert(id) === undefined ? undefined : someAlert({ id, at: book.findAlert(id)!.at }),
  channels,
});
const stop = new AbortController();
await queue.use(someSettings({ monitoring: { webhooks: [{ id: 'phone', url }] } }), someIo());
const ended = queue.run(stop.signal);
for (let n = Number(first); n < Number(first) + Number(count); n += 1) {
  const at = Date.now();
  const id = `alert-${n}`;
  const { rule, camera, label, text: message, severity } = someAlert();
  await book.alert({ id, at, rule, camera, label, message, severity, event: 'event-1', why: {} }, [
    {
      id: `delivery-${n}`,
      alert: id,
      channel: 'webhook',
      action: { type: 'webhook', to: 'phone' },
      state: 'waiting',
      attempts: 0,
      dueAt: at,
    },
  ]);
  // Whoever reads this line may rely on the alert: it is on the disk.
  process.stdout.write(`${id}\n`);
  queue.wake();
}
while (count === '0' && book.waiting() > 0) await systemClock.sleep(20);
if (count === '0') stop.abort();
await ended;
await book.close();
