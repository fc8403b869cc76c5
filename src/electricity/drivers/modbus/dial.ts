import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { LaresError, reason } from '#kernel/errors.ts';
import { explained } from '#platform/http-client.ts';
import type { BusSettings, SerialSettings } from './config.ts';

/** Opens the connection of a bus. Throws UNREACHABLE, TIMEOUT or CONFIG_INVALID. */
export type Dial = (timeoutMs: number, signal: AbortSignal) => Promise<Duplex>;

export function dialOf(bus: BusSettings): Dial {
  const { serial, host, port } = bus;
  return serial === undefined
    ? (timeoutMs, signal) => dialTcp(host ?? '', port, timeoutMs, signal)
    : (_timeoutMs, signal) => dialSerial(serial, signal);
}

function dialTcp(host: string, port: number, timeoutMs: number, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = connect({ host, port, noDelay: true, keepAlive: true });
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.removeAllListeners();
    };
    const fail = (error: unknown) => {
      done();
      socket.on('error', () => {}).destroy();
      reject(error as Error);
    };
    const onAbort = () => fail(signal.reason);
    const timer = setTimeout(
      () =>
        fail(
          new LaresError(
            'TIMEOUT',
            `timeout: ${host}:${port} did not take the connection within ${timeoutMs / 1000} s`,
          ),
        ),
      timeoutMs,
    );
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => {
      done();
      resolve(socket);
    });
    socket.once('error', (cause) =>
      fail(new LaresError('UNREACHABLE', `${host}:${port}: ${explained(cause)}`, { cause })),
    );
  });
}

async function dialSerial(serial: SerialSettings, signal: AbortSignal): Promise<Duplex> {
  const { path, baud, parity, stop_bits } = serial;
  const { SerialPort } = await import('serialport').catch((cause: unknown) => {
    throw new LaresError(
      'CONFIG_INVALID',
      `${path} needs the package serialport, which is not installed; run npm install serialport, or use a gateway by host`,
      { cause },
    );
  });
  signal.throwIfAborted();
  const port = new SerialPort({
    path,
    baudRate: baud,
    parity,
    stopBits: stop_bits,
    dataBits: 8,
    autoOpen: false,
  });
  await new Promise<void>((resolve, reject) => {
    port.open((cause) =>
      cause
        ? reject(
            new LaresError(
              'UNREACHABLE',
              `the serial port ${path} cannot be opened: ${reason(cause)}; is the adapter plugged in, and may this user use it (group dialout)?`,
              { cause },
            ),
          )
        : resolve(),
    );
  });
  // Left to itself the package ends the stream on destroy() and keeps the port open and locked.
  port._destroy = (error, done) => (port.isOpen ? port.close(() => done(error)) : done(error));
  return port;
}

/** Milliseconds that a serial line must be silent between two frames: 3.5 characters of 11 bits, 1.75 ms from 19,200 Bd on ("Modbus over serial line" V1.02 §2.5.1.1). */
export function quietMs(bus: BusSettings): number {
  if (bus.serial === undefined) return 0;
  return Math.max(1.75, (3.5 * 11 * 1000) / bus.serial.baud);
}
