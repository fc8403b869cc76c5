import { Decoder, Demuxer, Scaler } from 'node-av/api';
import { Log } from 'node-av/lib';
import { AV_LOG_QUIET } from 'node-av/constants';
import { LaresError, reason } from '#kernel/errors.ts';
import type { Frame } from '../detect/model.ts';

const scaler = new Scaler();
// Larger pictures would cost gigabytes; no camera sends them.
const mostPixels = 50_000_000;

/** The pixels of a JPEG or PNG file in memory. Throws USAGE for what is no picture. Only for processes that may die. */
export async function readPicture(file: Uint8Array): Promise<Frame> {
  Log.setLevel(AV_LOG_QUIET);
  try {
    await using demuxer = await Demuxer.open(Buffer.from(file.buffer, file.byteOffset, file.byteLength), {
      skipStreamInfo: true,
    });
    const stream = demuxer.video();
    if (stream !== undefined) {
      using decoder = await Decoder.create(stream, { threadCount: 1 });
      for await (const packet of demuxer.packets(stream.index)) {
        const found = decoder.decodeAllSync(packet);
        packet?.free();
        const [frame] = found;
        if (frame === undefined) continue;
        try {
          const { width, height } = frame;
          if (width * height > mostPixels) throw new RangeError(`it is ${width}x${height}`);
          const data = scaler.toBufferSync(frame, { resize: { width, height }, format: 'rgb' });
          return { width, height, data: Uint8Array.from(data) };
        } finally {
          for (const one of found) one.free();
        }
      }
    }
  } catch (error) {
    throw new LaresError('USAGE', `the picture cannot be read (${reason(error)}); give a JPEG or PNG file`, {
      cause: error,
    });
  }
  throw new LaresError('USAGE', 'the picture is empty or of an unknown kind; give a JPEG or PNG file');
}
