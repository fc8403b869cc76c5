import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { installed, scratch, systemPath, until } from '../servers/process.ts';

const root = path.join(import.meta.dirname, '../..');
const token = 'correct-horse-battery-77';

let folder: ReturnType<typeof scratch>;
const file = (name: string) => path.join(folder.dir, name);
const put = (name: string, text: string | Uint8Array, mode = 0o600) => {
  mkdirSync(path.dirname(file(name)), { recursive: true, mode: 0o700 });
  writeFileSync(file(name), text, { mode });
};

/** An installation of its own: the scripts, a registry that answers, settings, secrets, and a service that hides. */
beforeEach(() => {
  folder = scratch('scan');
  mkdirSync(file('scripts'));
  for (const name of ['places.sh', 'security-scan.sh'])
    copyFileSync(path.join(root, 'scripts', name), file(`scripts/${name}`));
  mkdirSync(file('node_modules/.bin'), { recursive: true });
  symlinkSync(process.execPath, file('node_modules/.bin/node'));
  npm('{"metadata":{"vulnerabilities":{"critical":0,"high":0}}}');
  put('src/program.ts', 'export const answer = 42;\n', 0o644);
  put('lares.yaml', 'homeassistant: { url: http://192.0.2.1, token: !secret ha_token }\n', 0o644);
  put('lares.env', `HA_TOKEN=${token}\n`);
  put('data/logs/app.log', '2026-01-31T12:00:00Z|INFO|lares|-|config: settings applied: a: [secret] -> 5\n');
  put('data/lock.pid', `${process.pid}`);
});
afterEach(() => folder.remove());

const npm = (audit: string, code = 0) =>
  put('fakes/npm', `#!/bin/bash\n[ "$2" = signatures ] || echo '${audit}'\nexit ${code}\n`, 0o755);

interface Scan {
  readonly status: number | null;
  /** What was found, area and words. */
  readonly found: readonly string[];
  readonly all: string;
}
function read({ status, stdout, stderr }: { status: number | null; stdout: string; stderr: string }): Scan {
  const lines = stdout.replaceAll(`${folder.dir}/`, '').split('\n');
  const found = lines.filter((l) => l.startsWith('FOUND')).map((l) => l.replace(/^FOUND +(\S+) +/, '$1: '));
  return { status, found, all: stdout + stderr };
}
const scan = (...words: string[]) =>
  read(
    spawnSync(file('scripts/security-scan.sh'), words, {
      encoding: 'utf8',
      env: { PATH: `${file('fakes')}:${systemPath}` },
    }),
  );

test('a tidy installation has nothing to be found', () => {
  const { status, found, all } = scan();
  expect([status, found], all).toEqual([0, []]);
});

test('a planted secret is found in the program and in the logs, also in old ones, and is not shown', () => {
  put('docs/notes.md', `\nthe token is ${token}\n`, 0o644);
  put('src/key.ts', `const key = '-----BEGIN RSA ${'PRIVATE'} KEY-----';\n`, 0o644);
  put('data/logs/app-2026-01-01.log.gz', gzipSync(`first\nsecond ${token}\n`));
  put('data/logs/errors.log', 'x|ERROR|cctv|RTSP_AUTH|rtsp://admin:sunflower@192.0.2.20/s refuses\n');
  const { status, found, all } = scan();
  expect(status).toBe(1);
  expect(found.toSorted()).toEqual([
    'logs: data/logs/app-2026-01-01.log.gz:2 holds a secret of this house',
    'logs: data/logs/errors.log:1 looks like a secret',
    'program: docs/notes.md:2 holds a secret of this house',
    'program: src/key.ts:1 looks like a secret',
  ]);
  expect(all).not.toMatch(/correct-horse|sunflower/);
});

test('passwords that stand in the settings themselves are looked for as well', () => {
  put(
    'lares.yaml',
    "cameras:\n  - { id: front, url: 'rtsp://admin:sun-flower-55@192.0.2.20/s' }\nmonitoring:\n  smtp_password: rose-garden-66\n",
  );
  put('data/logs/app.log', 'a|INFO|x|-|login sun-flower-55\nb|INFO|x|-|rose-garden-66\n');
  expect(scan().found).toEqual([
    'logs: data/logs/app.log:1 holds a secret of this house',
    'logs: data/logs/app.log:2 holds a secret of this house',
    'permissions: lares.yaml has mode 644: it holds secrets and others than its owner can read it; chmod 600 lares.yaml',
  ]);
});

test('what a log says without secrets is no finding', () => {
  put(
    'data/logs/app.log',
    'a|INFO|x|-|cameras[yard].password: [secret] -> [another secret]\nb|WARN|x|-|rtsp://192.0.2.20:554/s and http://127.0.0.1:8000/a@b\n',
  );
  expect(scan().found).toEqual([]);
});

test('a secret that is an everyday word is told of once, instead of every place where it stands', () => {
  put('lares.env', 'CAMERA_PASSWORD=password\n');
  for (let i = 0; i < 9; i += 1) put(`src/a${i}.ts`, 'const password = 1;\n', 0o644);
  expect(scan().found).toEqual(['secrets: a password of this house is an everyday word; take a better one']);
});

test('files that others may read or change are found with the command that closes them', () => {
  chmodSync(file('lares.env'), 0o640);
  chmodSync(file('data'), 0o755);
  chmodSync(file('src'), 0o777);
  chmodSync(file('lares.yaml'), 0o664);
  const { found } = scan();
  expect(found.map((f) => f.replace(/^(.*?) has mode.*; /, '$1; '))).toEqual([
    'permissions: lares.env; chmod 600 lares.env',
    'permissions: lares.yaml; chmod go-w lares.yaml',
    'permissions: data; chmod 700 data',
    'permissions: src; chmod o-w src',
  ]);
});

test.each([
  [
    'known holes are a finding',
    '{"metadata":{"vulnerabilities":{"critical":1,"high":2,"low":0}}}',
    1,
    1,
    ['packages: known holes: 1 critical, 2 high; see: npm audit'],
  ],
  [
    'a registry that does not answer leaves the rest to be judged, and is said',
    '{"error":{"code":"ENOTFOUND"}}',
    1,
    3,
    [],
  ],
])('%s', (_what, audit, code, status, found) => {
  npm(audit, code);
  const done = scan();
  expect([done.status, done.found]).toEqual([status, found]);
});

test('without the registry and without a running service that is said, and is no finding', () => {
  put('data/lock.pid', '999999999');
  const { status, found, all } = scan('--offline');
  expect([status, found]).toEqual([3, []]);
  expect(all).toMatch(/SKIPPED +packages[^]*SKIPPED +listening[^]*Nothing found; 2 not looked at/);
});

test('a service that listens to this machine only is well, and a wrong call says how to call', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  expect(scan().all).toMatch(/ok +listening/);
  server.close();
  expect([scan('--loud').status, scan('--help').status, scan('--offline', 'x').status]).toEqual([2, 0, 2]);
});

const unshare = installed('/usr/bin/unshare') ?? '';
const own = unshare !== '' && spawnSync(unshare, ['-rn', 'true']).status === 0;

test.skipIf(!own)(
  'a service that the network reaches is found with its port, also through one of its processes',
  async () => {
    const listen = `require('net').createServer().listen(4711, '0.0.0.0', () => console.log('up'))`;
    put('listen.js', listen);
    put('parent.js', `require('child_process').spawn(process.execPath, ['listen.js'], { stdio: 'inherit' })`);
    // In a network of its own, which nobody else is in.
    const inside =
      'node_modules/.bin/node parent.js & echo $! > data/lock.pid; read -r _; scripts/security-scan.sh --offline; echo end';
    const child = spawn(unshare, ['-rn', 'bash', '-c', inside], {
      cwd: folder.dir,
      env: { PATH: systemPath },
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
    });
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      if (stdout === 'up\n') child.stdin.end('\n');
    });
    try {
      await until(
        () => stdout.endsWith('end\n'),
        () => stdout,
        60_000,
      );
    } finally {
      process.kill(-child.pid!, 'SIGKILL');
    }
    expect(read({ status: 0, stdout, stderr: '' }).found).toEqual([
      'listening: TCP port 4711 of the service answers to the network: is that meant (electricity.pulse, broker)?',
    ]);
  },
);
