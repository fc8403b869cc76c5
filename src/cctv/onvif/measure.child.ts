import {
  AV_CODEC_ID_H264,
  AV_CODEC_ID_HEVC,
  AV_CODEC_ID_MJPEG,
  AV_LOG_QUIET,
  Decoder,
  Demuxer,
  Log,
  type AVCodecID,
  type Stream,
} from 'node-av';
import type { Cause } from '../model.ts';
import type { Measured, MeasureOrder, MeasureReply } from './measure.model.ts';
import { paceOf, timesOf, type Sample } from './pace.rules.ts';

/** Looks at one stream for a few seconds, in a process of its own because native code may die of what it is sent. */

const codecs = new Map<AVCodecID, string>([
  [AV_CODEC_ID_H264, 'h264'],
  [AV_CODEC_ID_HEVC, 'h265'],
  [AV_CODEC_ID_MJPEG, 'mjpeg'],
]);
// Enough of a stream to tell its rate and interval from.
const enoughKeys = 3;
const leastMs = 1500;

async function measure({
  url,
  transport,
  forMs,
  keys: wanted = enoughKeys,
}: MeasureOrder): Promise<Measured> {
  const demuxer = await (/^https?:/i.test(url)
    ? Demuxer.open(url, {
        format: 'mpjpeg',
        skipStreamInfo: true,
        options: { strict_mime_boundary: false, rw_timeout: '5000000' },
      })
    : Demuxer.open(url, {
        skipStreamInfo: true,
        options: { rtsp_transport: transport, timeout: '5000000', allowed_media_types: 'video' },
      }));
  const stream = demuxer.video();
  if (stream === undefined) throw failure('CODEC_UNSUPPORTED', 'there is no video in it');
  const decoder = await Decoder.create(stream, { threadCount: 1 });
  const samples: Sample[] = [];
  let keys = 0;
  let size = { width: stream.codecpar.width, height: stream.codecpar.height };
  let seen = false;
  const startedAt = performance.now();
  const stop = setTimeout(() => demuxer.interrupt(), forMs);
  for await (const packet of demuxer.packets(stream.index)) {
    if (packet === null) break;
    const elapsed = performance.now() - startedAt;
    const time = secondsOf(packet.pts, stream);
    const key = packet.isKeyframe;
    samples.push({ key, cameAt: elapsed / 1000, ...(time !== undefined && { time }) });
    if (key) keys += 1;
    if (!seen && keys > 0)
      for (const frame of decoder.decodeAllSync(packet)) {
        size = { width: frame.width, height: frame.height };
        seen = true;
        frame.free();
      }
    packet.free();
    const enough = seen && keys >= wanted && elapsed >= leastMs;
    if (enough || elapsed >= forMs) break;
  }
  clearTimeout(stop);
  if (!seen && samples.length === 0) throw failure('RTSP_SILENT', 'no packet came');
  if (!seen && keys === 0) throw failure('NO_KEYFRAME', 'no keyframe came, so nothing can be shown');
  if (!seen) throw failure('RTSP_GARBAGE', 'no picture could be decoded');
  const { times, keys: keyTimes } = timesOf(samples);
  return { codec: codecs.get(stream.codecpar.codecId) ?? 'other', ...size, ...paceOf(times, keyTimes) };
}

const failure = (cause: Cause, text: string) => new Error(text, { cause });
const causeOf = (error: unknown) =>
  error instanceof Error && typeof error.cause === 'string' ? { cause: error.cause as Cause } : {};

// AV_NOPTS_VALUE: the packet tells no time.
const noTime = -(2n ** 63n);

function secondsOf(pts: bigint, stream: Stream): number | undefined {
  const { num, den } = stream.timeBase;
  return pts === noTime || den === 0 ? undefined : (Number(pts) * num) / den;
}

/** The library may quote the address, which holds the password. */
function detailOf(error: unknown, url: string): string {
  const text = error instanceof Error ? error.message : 'it cannot be read';
  return text
    .replaceAll(url, 'the stream')
    .replace(/^Failed to open input: /, '')
    .replace(/^Connection refused$/, 'nothing listens at this host and port')
    .replace(/\/\/[^/\s]*@/g, '//')
    .slice(0, 200);
}

function answer(reply: MeasureReply): void {
  // Without a clean end: closing a stream that hangs would wait for it.
  process.send?.(reply, () => process.exit(0));
}

process.once('message', (order: MeasureOrder) => {
  Log.setLevel(AV_LOG_QUIET);
  measure(order).then(
    (measured) => answer({ ok: true, measured }),
    (error: unknown) => answer({ ok: false, detail: detailOf(error, order.url), ...causeOf(error) }),
  );
});
process.once('disconnect', () => process.exit(0));
