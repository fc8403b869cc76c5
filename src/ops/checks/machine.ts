import { constants } from 'node:fs';
import { access, mkdtemp, rm, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { reason } from '#kernel/errors.ts';
import { worldReadable } from '#config/secrets.ts';
import type { Check, DoctorIo, Finding } from '../doctor.ts';

const mib = 2 ** 20;

export const config: Check = async (io) => {
  if (io.configFile === undefined)
    return [
      {
        check: 'config',
        state: 'warn',
        text: 'there is no lares.yaml; only the demo house can run',
        fix: 'lares init',
      },
    ];
  try {
    const { presence, wifi } = await io.settings();
    const people = presence.people.length;
    const networks = wifi?.networks ?? [];
    const text = `${io.configFile} is valid: ${people} people, networks ${networks.join(', ') || 'none'}`;
    return people > 0
      ? [{ check: 'config', state: 'ok', text }]
      : [{ check: 'config', state: 'warn', text, fix: 'add somebody under presence.people' }];
  } catch (error) {
    return [
      {
        check: 'config',
        state: 'fail',
        text: reason(error),
        fix: `edit ${io.configFile}, then: lares check`,
      },
    ];
  }
};

/** The directory itself, or the nearest one above it that exists. */
async function nearest(dir: string): Promise<string> {
  const there = await stat(dir).catch(() => undefined);
  return there !== undefined || dir === path.dirname(dir) ? dir : nearest(path.dirname(dir));
}

async function dataDirectory(dir: string): Promise<Finding> {
  const check = 'permissions';
  const there = await stat(dir).catch(() => undefined);
  const place = await nearest(dir);
  try {
    await access(place, constants.W_OK | constants.X_OK);
    // access() passes for root on a read-only mount; only writing proves that writing works.
    await rm(await mkdtemp(path.join(place, '.doctor-')), { recursive: true });
  } catch (error) {
    return {
      check,
      state: 'fail',
      text: `${dir} cannot be written: ${reason(error)}`,
      fix: `mkdir -p ${dir} && chown "$(id -un)" ${dir}, or name another directory with --data`,
    };
  }
  if (there === undefined) return { check, state: 'ok', text: `${dir} does not exist yet and can be made` };
  if (!there.isDirectory())
    return { check, state: 'fail', text: `${dir} is not a directory`, fix: `move ${dir} away` };
  const mode = there.mode & 0o777;
  return (mode & 0o077) === 0
    ? { check, state: 'ok', text: `${dir} is writable and private` }
    : {
        check,
        state: 'warn',
        text: `${dir} has mode ${mode.toString(8).padStart(4, '0')}: others on this machine may read who is home`,
        fix: `chmod 700 ${dir}`,
      };
}

export const permissions: Check = async (io) => {
  const open = io.secretFiles.flatMap((file): Finding[] => {
    const trouble = worldReadable(file);
    return trouble === undefined
      ? []
      : [
          {
            check: 'permissions',
            state: 'warn',
            text: trouble.message,
            fix: trouble.fix ?? `chmod 600 ${file}`,
          },
        ];
  });
  return [...open, await dataDirectory(io.dataDir)];
};

const oldestNode = [24, 11] as const;

/** True for a version at least as new as package.json asks for. */
export function newEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
}

export const dependencies: Check = async (io) => {
  const node = process.versions.node;
  const native = await io.loadNative().then(
    () => undefined,
    (error: unknown) => reason(error),
  );
  return [
    newEnough(node)
      ? { check: 'node', state: 'ok', text: `Node ${node}` }
      : {
          check: 'node',
          state: 'fail',
          text: `Node ${node} is older than ${oldestNode.join('.')}`,
          fix: 'start Lares with bin/lares or node_modules/.bin/node, which npm installed beside it',
        },
    native === undefined
      ? { check: 'native', state: 'ok', text: 'koffi loads' }
      : {
          check: 'native',
          state: 'fail',
          text: `koffi does not load, so there are no raw sockets: ${native}`,
          fix: 'run npm install again on this machine; copies from another kind of machine do not work',
        },
  ];
};

export const capability: Check = async (io) =>
  io.mayUseRaw()
    ? [{ check: 'capability', state: 'ok', text: 'this process has CAP_NET_RAW: fast sweeps and listening' }]
    : [
        {
          check: 'capability',
          state: 'warn',
          text: 'no CAP_NET_RAW: sweeps go through the kernel, and arrivals are seen by sweeps only',
          fix: 'use deploy/systemd/presence-monitoring.service (AmbientCapabilities=CAP_NET_RAW), or run as root',
        },
      ];

/** What the machine says about its time synchronisation; undefined when it does not say. */
async function synchronised(io: DoctorIo): Promise<boolean | undefined> {
  const said = (await io.program('timedatectl', ['show', '-p', 'NTPSynchronized', '--value']))?.trim();
  if (said === 'yes' || said === 'no') return said === 'yes';
  const flag = await stat('/run/systemd/timesync/synchronized').catch(() => undefined);
  return flag === undefined ? undefined : true;
}

export const clock: Check = async (io) => {
  const now = io.now();
  const time = new Date(now).toISOString();
  // A day of grace: archives carry local times.
  if (now < io.installedAt - 86_400_000)
    return [
      {
        check: 'clock',
        state: 'fail',
        text: `it is ${time}, before Lares was made; readings would land in the past`,
        fix: 'set the clock: timedatectl set-ntp true',
      },
    ];
  const synced = await synchronised(io);
  if (synced === false)
    return [
      {
        check: 'clock',
        state: 'warn',
        text: `it is ${time}, but no time server confirms it`,
        fix: 'timedatectl set-ntp true, or install chrony',
      },
    ];
  const how =
    synced === undefined ? 'this machine does not say whether a time server confirms it' : 'synchronised';
  return [{ check: 'clock', state: 'ok', text: `it is ${time}; ${how}` }];
};

/** Judges the free space of a file system, in bytes. */
export function judgeSpace(place: string, free: number): Finding {
  const text = `${Math.floor(free / mib).toLocaleString('en')} MiB free for ${place}`;
  const fix = 'delete something, or move the data directory with --data';
  if (free < 100 * mib) return { check: 'disk', state: 'fail', text, fix };
  return free < 1024 * mib
    ? { check: 'disk', state: 'warn', text, fix }
    : { check: 'disk', state: 'ok', text };
}

export const disk: Check = async (io) => {
  const { bavail, bsize } = await statfs(await nearest(io.dataDir));
  return [judgeSpace(io.dataDir, bavail * bsize)];
};
