import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Logger, silent } from '#platform/log.ts';
import { installed, scratch, systemPath, until } from '../../tests/servers/process.ts';
import { serviceManagerMissing, startServiceManager } from '../../tests/servers/service-manager.ts';
import { address, openNotifier, pingMs } from './notify.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

async function manager(socket: string): Promise<readonly string[]> {
  const systemd = await startServiceManager(socket);
  cleanups.push(() => systemd[Symbol.asyncDispose]());
  return systemd.heard;
}

function folder(): string {
  const { dir, remove } = scratch('notify');
  cleanups.push(remove);
  return dir;
}

describe.skipIf(serviceManagerMissing !== undefined)(
  `sd_notify${serviceManagerMissing === undefined ? '' : ` (${serviceManagerMissing})`}`,
  () => {
    test.each([
      ['a path', () => path.join(folder(), 'notify.sock')],
      ['an abstract name', () => `@lares-test-${process.pid}-${Math.random()}`],
    ])('reaches a service manager at %s', async (_kind, where) => {
      const socket = where();
      const heard = await manager(socket);
      const notifier = await openNotifier({ NOTIFY_SOCKET: socket }, silent);
      await notifier.ready();
      await notifier.status('3 of 6 people home\nREADY=0');
      await notifier.reloading();
      await notifier.stopping();
      await until(() => heard.length === 4);
      expect(heard.map((line) => line.replace(/\d{4,}/, 'N'))).toEqual([
        'READY=1',
        'STATUS=3 of 6 people home READY=0',
        'RELOADING=1|MONOTONIC_USEC=N',
        'STOPPING=1',
      ]);
    });

    test('pings only while the house is healthy, and no more after the signal', async () => {
      const socket = path.join(folder(), 'notify.sock');
      const heard = await manager(socket);
      const life = new AbortController();
      const env = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '60000', WATCHDOG_PID: String(process.pid) };
      const notifier = await openNotifier(env, silent);
      let healthy = true;
      let asked = 0;
      notifier.watch(() => ((asked += 1), healthy), life.signal);
      await until(() => heard.filter((line) => line === 'WATCHDOG=1').length >= 3);
      healthy = false;
      const askedThen = asked;
      await until(() => asked >= askedThen + 5);
      // Datagrams arrive in order: all pings that were sent came before this.
      await notifier.status('sick');
      await until(() => heard.at(-1) === 'STATUS=sick');
      expect(heard.filter((line) => line === 'WATCHDOG=1').length).toBe(askedThen);
      life.abort();
      const askedLast = asked;
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(asked).toBe(askedLast);
    });

    const program = installed('/usr/bin/systemd-notify');
    test.skipIf(program === undefined)(
      `a socket that cannot be spoken to directly goes through systemd-notify${program === undefined ? ' (needs systemd)' : ''}`,
      async () => {
        const socket = path.join(folder(), 'notify.sock');
        const heard = await manager(socket);
        const notifier = await openNotifier({ NOTIFY_SOCKET: socket, PATH: systemPath }, silent, async () => {
          throw new Error('koffi has no binary for this machine');
        });
        await notifier.ready();
        await until(() => heard.length >= 1);
        expect(heard[0]).toBe('READY=1');
      },
    );
  },
);

test('without a service manager nothing happens', async () => {
  const notifier = await openNotifier({}, silent);
  await expect(notifier.ready()).resolves.toBeUndefined();
});

test('a service manager that went away is told in the log once', async () => {
  const lines: string[] = [];
  const log = new Logger({ write: (line) => lines.push(line) });
  const notifier = await openNotifier({ NOTIFY_SOCKET: path.join(folder(), 'gone.sock') }, log);
  await notifier.ready();
  await notifier.ready();
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('systemd cannot be told how the service is: sendto failed (errno 2)');
});

test('addresses have the bytes of unix(7)', () => {
  expect([...address('/a')]).toEqual([1, 0, 0x2f, 0x61, 0]);
  expect([...address('@a')]).toEqual([1, 0, 0, 0x61]);
  expect(() => address('vsock:2:1')).toThrow('neither a path nor @name');
  expect(() => address(`/${'x'.repeat(120)}`)).toThrow('longer than 108 bytes');
});

test('the ping interval is a third of the limit, and only for this process', () => {
  expect(pingMs({ WATCHDOG_USEC: '30000000' })).toBe(10_000);
  expect(pingMs({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '1' }, 2)).toBeUndefined();
  expect(pingMs({})).toBeUndefined();
  expect(pingMs({ WATCHDOG_USEC: 'soon' })).toBeUndefined();
});
