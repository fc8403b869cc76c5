import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { holdsSecrets, inspectCctv, type CctvBody } from '#cctv/index.ts';
import { worldReadable } from '#config/secrets.ts';
import { programsOf } from '#guard/index.ts';
import type { Check, DoctorIo, DoctorSettings, Finding } from '../doctor.ts';

const check = 'cameras';

/** All that cameras and speakers need on this machine. Whether a camera answers is asked by `lares cctv test`. */
export const cameras: Check = async (io) => {
  const { configFile, dataDir } = io;
  const off: Finding = { check, state: 'ok', text: 'not configured; no camera is read' };
  if (configFile === undefined) return [off];
  let settings: DoctorSettings;
  try {
    settings = await io.settings();
  } catch {
    return [{ check, state: 'warn', text: 'not looked at, because the settings are not valid' }];
  }
  const { cameras: list = [], cctv, performance, processing, speakers = [] } = settings;
  if (list.length === 0 || cctv === undefined || performance === undefined || processing === undefined)
    return [off];
  const places = {
    dataDir,
    settingsFolder: path.dirname(path.resolve(configFile)),
    machine: io.machine,
    streams: await streamsNow(io),
  };
  const found = await inspectCctv({ cameras: list, cctv, performance, processing }, places);
  return [
    ...found.map((finding) => ({ check, ...finding })),
    ...(await programs(speakers, io)),
    ...(await credentials(configFile, list)),
  ];
};

/** What the cameras send, as the running service says; nothing where none runs. */
async function streamsNow(io: DoctorIo) {
  const body = (await io.get('/api/cctv').catch(() => undefined)) as CctvBody | undefined;
  const known = (body?.cameras ?? []).flatMap(({ id, streams: { detect } }) =>
    detect === undefined || detect.width === 0
      ? []
      : [[id, { ...detect, fps: detect.fps ?? undefined }] as const],
  );
  return new Map(known);
}

async function programs(
  speakers: NonNullable<DoctorSettings['speakers']>,
  { env }: DoctorIo,
): Promise<Finding[]> {
  const needed = await programsOf(speakers, env);
  const missing = needed.filter(({ there }) => !there);
  if (needed.length > 0 && missing.length === 0)
    return [{ check, state: 'ok', text: `the programs of the speakers are there: ${names(needed)}` }];
  return missing.map(({ program, speakers: users, package: debian }) => ({
    check,
    state: 'fail',
    text: `${program} is not installed, and ${users.join(', ')} cannot speak without it`,
    fix: `sudo apt install ${debian}`,
  }));
}

const names = (needed: readonly { readonly program: string }[]) => needed.map((n) => n.program).join(', ');

/** Passwords that stand in the settings themselves are for nobody else's eyes. */
async function credentials(file: string, list: NonNullable<DoctorSettings['cameras']>): Promise<Finding[]> {
  const open = worldReadable(file);
  if (open === undefined || !(await holdsSecrets(await readFile(file, 'utf8'), list))) return [];
  return [
    {
      check,
      state: 'warn',
      text: `${file} holds passwords of cameras and everybody on this machine can read it`,
      fix: `chmod 600 ${file}, or write !secret references`,
    },
  ];
}
