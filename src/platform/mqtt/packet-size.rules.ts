/**
 * Follows the fixed headers of a stream of MQTT packets (MQTT 3.1.1, 2.2) and says how long each one claims to be,
 * before anybody keeps its bytes. Neither aedes nor mqtt-packet bounds a packet: one header may announce 256 MiB.
 */
export class PacketSizes {
  readonly #most: number;
  /** Bytes of the current packet that are still to come. */
  #left = 0;
  /** The bytes of the remaining length read so far; undefined while inside a packet or before a header. */
  #length: { value: number; bytes: number } | undefined;

  constructor(most: number) {
    this.#most = most;
  }

  /** Takes the next bytes; false when a packet is longer than allowed or its length is malformed. */
  accept(chunk: Uint8Array): boolean {
    for (let i = 0; i < chunk.length;) {
      if (this.#left > 0) {
        const step = Math.min(this.#left, chunk.length - i);
        this.#left -= step;
        i += step;
      } else if (this.#length === undefined) {
        this.#length = { value: 0, bytes: 0 };
        i += 1;
      } else {
        const byte = chunk[i]!;
        this.#length.value += (byte & 0x7f) * 128 ** this.#length.bytes;
        this.#length.bytes += 1;
        i += 1;
        if (this.#length.value > this.#most || (byte >= 0x80 && this.#length.bytes === 4)) return false;
        if (byte < 0x80) {
          this.#left = this.#length.value;
          this.#length = undefined;
        }
      }
    }
    return true;
  }
}
