import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { installed, stop, until } from './process.ts';

const python = installed('/usr/bin/python3');

/** Why systemd cannot be played here; undefined when it can. */
export const serviceManagerMissing: string | undefined = python === undefined ? 'needs python3' : undefined;

// Node cannot receive on a datagram socket of the file system, so Python plays systemd.
const listener = `
import socket, sys, time
name = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('\\0' + name[1:] if name[0] == '@' else name)
print('listening', flush=True)
while True: print(s.recv(4096).decode().replace('\\n', '|'), int(time.time() * 1000), flush=True)
`;

export interface ServiceManager extends AsyncDisposable {
  /** Messages so far, oldest first; the lines of one are joined by `|`. */
  readonly heard: readonly string[];
  /** When it first heard a message, epoch ms. */
  firstAt(message: string): number;
}

/** A service manager that hears on `socket`: a path, or after `@` an abstract name. */
export async function startServiceManager(socket: string): Promise<ServiceManager> {
  const child = spawn(python ?? 'python3', ['-c', listener, socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const heard: string[] = [];
  const times: number[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (lines.push(line) === 1) return;
    const end = line.lastIndexOf(' ');
    heard.push(line.slice(0, end));
    times.push(Number(line.slice(end)));
  });
  await until(() => lines.length > 0);
  const firstAt = (message: string) => times[heard.indexOf(message)] ?? Number.NaN;
  return { heard, firstAt, [Symbol.asyncDispose]: () => stop(child, 'SIGKILL') };
}
