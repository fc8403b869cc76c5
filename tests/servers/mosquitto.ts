import { execFileSync } from 'node:child_process';
import { chownSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort, gid, installed, isRoot, launch, scratch, stop, uid, untilListening } from './process.ts';

export const mosquittoProgram = installed('/usr/sbin/mosquitto', '/usr/bin/mosquitto');
const user = 'mosquitto';

export interface Mosquitto {
  /** `mqtt://127.0.0.1:…` */
  readonly url: string;
  /** `mqtts://localhost:…`; only with `tls`. */
  readonly tlsUrl: string;
  /** PEM file of the authority that signed the certificate. */
  readonly caFile: string;
  start(): Promise<void>;
  /** `SIGKILL` for a crash. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Stops it and removes its files. */
  remove(): Promise<void>;
}

export interface MosquittoOptions {
  /** Passwords by user name. */
  readonly users: Readonly<Record<string, string>>;
  /** Lines of an ACL file; everybody may do everything without. */
  readonly acl?: readonly string[];
  readonly tls?: boolean;
}

/** Starts Debian's broker on free ports of loopback, with passwords and without anonymous access. */
export async function mosquitto(options: MosquittoOptions): Promise<Mosquitto> {
  if (mosquittoProgram === undefined) throw new Error('install the Debian package mosquitto');
  const { dir, remove } = scratch('mosquitto', user);
  const file = (name: string) => path.join(dir, name);
  const [port, tlsPort] = [await freePort(), await freePort()];
  writeFileSync(file('passwd'), '', { mode: 0o600 });
  for (const [name, password] of Object.entries(options.users))
    execFileSync('/usr/bin/mosquitto_passwd', ['-b', file('passwd'), name, password], { stdio: 'ignore' });
  if (options.acl !== undefined) writeFileSync(file('acl'), `${options.acl.join('\n')}\n`, { mode: 0o600 });
  if (options.tls === true) certificates(file);
  const lines = [
    'per_listener_settings false',
    'persistence true',
    `persistence_location ${dir}/`,
    'autosave_interval 1',
    'allow_anonymous false',
    `password_file ${file('passwd')}`,
    ...(options.acl === undefined ? [] : [`acl_file ${file('acl')}`]),
    `listener ${port} 127.0.0.1`,
    ...(options.tls === true
      ? [`listener ${tlsPort} 127.0.0.1`, `certfile ${file('srv.crt')}`, `keyfile ${file('srv.key')}`]
      : []),
  ];
  writeFileSync(file('mosquitto.conf'), `${lines.join('\n')}\n`);
  if (isRoot) for (const name of readdirSync(dir)) chownSync(file(name), uid(user), gid(user));

  let running: ReturnType<typeof launch> | undefined;
  const server: Mosquitto = {
    url: `mqtt://127.0.0.1:${port}`,
    tlsUrl: `mqtts://localhost:${tlsPort}`,
    caFile: file('ca.crt'),
    async start() {
      running = launch(mosquittoProgram, ['-c', file('mosquitto.conf')], { user });
      await untilListening(port, running.output);
    },
    async stop(signal) {
      if (running !== undefined) await stop(running.child, signal);
    },
    async remove() {
      await server.stop();
      remove();
    },
  };
  await server.start();
  return server;
}

function certificates(file: (name: string) => string): void {
  const openssl = (...words: string[]) => execFileSync('/usr/bin/openssl', words, { stdio: 'ignore' });
  const key = ['-newkey', 'rsa:2048', '-nodes', '-keyout'];
  openssl(
    'req',
    '-x509',
    ...key,
    file('ca.key'),
    '-days',
    '2',
    '-subj',
    '/CN=Test authority',
    '-out',
    file('ca.crt'),
  );
  openssl('req', ...key, file('srv.key'), '-subj', '/CN=localhost', '-out', file('srv.csr'));
  writeFileSync(file('ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1');
  const signed = ['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2'];
  openssl(
    'x509',
    '-req',
    '-in',
    file('srv.csr'),
    ...signed,
    '-out',
    file('srv.crt'),
    '-extfile',
    file('ext'),
  );
}
