import type { Packet, Stream } from 'node-av/lib';
import type { Tap } from './tap.ts';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Hands the packets of one connection to those who take them; each begins at a keyframe. */
export class Taps {
  readonly #open = new Map<Tap, boolean>();

  get size(): number {
    return this.#open.size;
  }

  add(tap: Tap): void {
    if (!this.#open.has(tap)) this.#open.set(tap, false);
  }

  remove(tap: Tap): void {
    if (this.#open.get(tap) === true) tap.close();
    this.#open.delete(tap);
  }

  /** `size` is absent while the size of the picture is unknown: nothing can begin yet. */
  packet(packet: Packet, at: number, key: boolean, stream: Stream, size: Size | undefined): void {
    for (const [tap, open] of this.#open) {
      if (!open) {
        if (!key || size === undefined) continue;
        tap.open(stream, size);
        this.#open.set(tap, true);
      }
      tap.packet(packet, at, key);
    }
  }

  /** What follows does not continue what was. */
  cut(): void {
    for (const [tap, open] of this.#open) {
      if (open) tap.close();
      this.#open.set(tap, false);
    }
  }
}
