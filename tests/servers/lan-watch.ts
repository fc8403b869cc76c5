/** Runs the real LAN driver under the real supervisor inside a test LAN and prints what it emits: `lan-watch.ts '{settings of wifi}' '[tracked]'`. */
import { wifiConfig } from '#devices/config.ts';
import { chooseScanner } from '#devices/lan/choose.ts';
import { makeLanDriver } from '#devices/lan/driver.ts';
import type { Target } from '#devices/model.ts';
import { systemClock } from '#platform/clock.ts';
import { Health } from '#platform/health.ts';
import { Logger } from '#platform/log.ts';
import { Supervisor } from '#platform/supervisor.ts';

const [settings = '{}', tracked = '[]'] = process.argv.slice(2);
const say = (value: object) => console.log(JSON.stringify(value));
const log = new Logger({ write: (line) => say({ line }) });
const health = new Health(systemClock);
const supervisor = new Supervisor({ clock: systemClock, log, health, random: Math.random });
const driver = makeLanDriver(chooseScanner, { tracked: () => JSON.parse(tracked) as Target[] });
supervisor.start('wifi', driver, wifiConfig.parse(JSON.parse(settings)), (signal) => say({ signal }));
process.on('SIGTERM', () => {
  void supervisor.stopAll().then(() => {
    say({ stopped: health.get('wifi')?.state });
    process.exit(0);
  });
});
