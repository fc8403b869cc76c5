import { FrameReader, xorFrame } from './codec.ts';
import { parseObject } from '../shared/json.codec.ts';
import type { Link } from './model.ts';
import { Peer } from './peer.ts';

class XorPeer extends Peer<string> {
  readonly #reader = new FrameReader(this.shown);

  protected override take(segment: Buffer): string | undefined {
    this.#reader.push(segment);
    return this.#reader.take();
  }

  protected override finish(): undefined {
    return undefined;
  }

  protected override clear(): boolean {
    const pending = this.#reader.pending;
    this.#reader.clear();
    return pending;
  }

  protected override keeps(): boolean {
    return true;
  }
}

/** Port 9999 of older Kasa firmware: no login, the text only scrambled. */
export class XorLink implements Link {
  readonly way = 'xor';
  readonly #peer: XorPeer;

  constructor(host: string, port: number) {
    this.#peer = new XorPeer(host, port);
  }

  async ask(request: string, signal: AbortSignal): Promise<unknown> {
    const text = await this.#peer.exchange(xorFrame(request), signal);
    return parseObject(text, this.#peer.shown);
  }

  close(): void {
    this.#peer.close();
  }
}
