/** Every version of the local protocol that devices speak. */
export const versions = ['3.1', '3.2', '3.3', '3.4', '3.5'] as const;
export type Version = (typeof versions)[number];

/** Command numbers of the local protocol. */
export const commands = {
  sessionStart: 3,
  sessionAnswer: 4,
  sessionFinish: 5,
  control: 7,
  status: 8,
  heartbeat: 9,
  query: 10,
  controlNew: 13,
  queryNew: 16,
  refresh: 18,
  announce: 19,
  devinfo: 0x25,
  extension: 0x40,
} as const;

/** The state of a device as it says it: data point number to its raw value. */
export type DataPoints = ReadonlyMap<number, DataValue>;
export type DataValue = boolean | number | string;

/** One frame of the local protocol, checked and decrypted. */
export interface Message {
  readonly sequence: number;
  readonly command: number;
  /** 0 is success; only devices send it, and not in every frame. */
  readonly retcode: number | undefined;
  readonly body: Buffer;
}

/** From 3.4 on a session key is agreed upon, and bodies have another shape. */
export const hasSession = (version: Version): boolean => version === '3.4' || version === '3.5';

/** The port on which devices listen. */
export const tuyaPort = 6668;

/** What a device says about itself in its UDP broadcast. */
export interface Beacon {
  readonly id: string;
  readonly ip: string;
  readonly version: Version | undefined;
  readonly productId: string | undefined;
}
