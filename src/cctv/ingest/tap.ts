import type { Packet, Stream } from 'node-av';

/**
 * Something that takes the compressed packets of one stream as they come: recording and live view. Lives in the child
 * that reads the camera. Packets belong to the reader and are freed after the call: a tap that keeps one clones it.
 */
export interface Tap {
  /** A connection began, or the stream changed its size or codec: what follows does not continue what was. */
  open(stream: Stream, size: { readonly width: number; readonly height: number }): void;
  /** `at` is the epoch millisecond at which it came in. Never throws; trouble is told over its own log. */
  packet(packet: Packet, at: number, key: boolean): void;
  /** The connection ended. May be opened again. */
  close(): void;
}
