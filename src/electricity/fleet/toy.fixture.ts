import { createServer, connect, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { z } from 'zod';
import { LaresError } from '#kernel/errors.ts';
import { pollSettings, type Protocol, type Station, type Target } from '../driver.ts';

/** A protocol as small as one can be, on real sockets: one line of JSON for every line asked. */
export class ToyPlug {
  readonly id: string;
  polls = 0;
  hangs = false;
  on = true;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();
  host = '';
  /** What a person must do first. */
  needs: string | undefined;

  constructor(id: string) {
    this.id = id;
  }

  async listen(port = 0): Promise<this> {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
      socket.on('data', (data) => {
        const word = data.toString().trim();
        if (word === 'poll') this.polls += 1;
        if (word === 'on' || word === 'off') this.on = word === 'on';
        if (!this.hangs) socket.write(`${JSON.stringify({ id: this.id, on: this.on })}\n`);
      });
    }).listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.host = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server?.close(resolve));
  }
}

export const toyConfig = z.strictObject({
  ...pollSettings,
  hosts: z.array(z.string()).default([]),
});
export type ToyConfig = z.infer<typeof toyConfig>;

class ToyStation implements Station {
  readonly #target: Target;
  #socket: Socket | undefined;

  constructor(target: Target) {
    this.#target = target;
  }

  async #say(word: string, signal: AbortSignal): Promise<{ id: string; on: boolean }> {
    const [host = '', port] = this.#target.host.split(':');
    if (this.#socket?.destroyed === true) this.#socket = undefined;
    const socket = (this.#socket ??= connect({ host, port: Number(port) }));
    const cut = new AbortController();
    const onClose = () => cut.abort();
    socket.once('close', onClose);
    try {
      socket.write(`${word}\n`);
      // A plug that went away is no silent one: it is known at once.
      const limit = AbortSignal.any([signal, cut.signal]);
      const [line] = (await once(socket, 'data', { signal: limit })) as [Buffer];
      return JSON.parse(line.toString()) as { id: string; on: boolean };
    } catch (error) {
      this.close();
      throw new LaresError('UNREACHABLE', 'no answer', { cause: error });
    } finally {
      socket.off('close', onClose);
    }
  }

  async poll(signal: AbortSignal) {
    const { id, on } = await this.#say('poll', signal);
    const switches = {
      turn: async (state: boolean, limit: AbortSignal) => (await this.#say(state ? 'on' : 'off', limit)).on,
    };
    const device = { id: `toy:${id}`, source: 'toy', name: this.#target.name ?? id };
    return {
      station: id,
      mac: `02:00:00:00:00:${id}`,
      answers: [{ device, switches, values: { is_on: on ? 1 : 0 } }],
    };
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }
}

/** `network` is what a search finds at that moment. */
export function toyProtocol(network: () => readonly ToyPlug[]): Protocol<ToyConfig> {
  return {
    kind: 'toy',
    configured: (config) => config.hosts.map((host) => ({ host })),
    discover: async function* () {
      for (const { id, host, needs } of network())
        yield { target: { id, host, needs }, found: { kind: 'toy', id, host } };
    },
    open: (target) => new ToyStation(target),
  };
}
