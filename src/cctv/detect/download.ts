import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { request as plain, type IncomingMessage } from 'node:http';
import { request as secure } from 'node:https';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { LaresError } from '#kernel/errors.ts';
import { explained, shown } from '#platform/http-client.ts';

export interface Download {
  readonly url: string;
  /** Where the bytes go; what a run before left there is continued. */
  readonly file: string;
  /** Subresource integrity (`sha512-<base64>`), or `sha256-<hex>`. */
  readonly integrity: string;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly progress?: (bytes: number, total: number | undefined) => void;
}

const mostRedirects = 5;
const silenceMs = 30_000;

/**
 * Fetches a large file. Goes on where a run before was ended, and hands out nothing whose checksum differs: such a
 * file is removed. Throws UNREACHABLE, TIMEOUT or BAD_REPLY with what to do.
 */
export async function download(options: Download): Promise<void> {
  const { url, file, integrity, maxBytes, signal } = options;
  await mkdir(path.dirname(file), { recursive: true });
  const have = await sizeOf(file);
  if (have === 0 || !(await matches(file, integrity))) await fetchInto(options, have);
  if (await matches(file, integrity)) return;
  signal.throwIfAborted();
  await rm(file, { force: true });
  throw new LaresError(
    'BAD_REPLY',
    `${shown(url)}: its checksum is not the one that is known; it was thrown away (at most ${maxBytes} bytes are taken). Try again, or ask why the publisher changed it`,
  );
}

async function fetchInto(options: Download, have: number): Promise<void> {
  const { url, file, maxBytes, signal, progress } = options;
  const reply = await open(new URL(url), have, signal);
  try {
    const continues = reply.statusCode === 206;
    // 416 says that there is nothing more: the checksum decides whether what we have is all of it.
    if (reply.statusCode === 416) return void reply.resume();
    if (reply.statusCode !== 200 && !continues)
      throw new LaresError(
        reply.statusCode === 404 ? 'NOT_FOUND' : 'UNREACHABLE',
        `${shown(url)} answered ${reply.statusCode}; try again later`,
      );
    const from = continues ? have : 0;
    const length = Number(reply.headers['content-length'] ?? Number.NaN);
    const total = Number.isFinite(length) ? from + length : undefined;
    let bytes = from;
    await pipeline(
      reply,
      async function* (source: AsyncIterable<Buffer>) {
        for await (const chunk of source) {
          bytes += chunk.length;
          if (bytes > maxBytes)
            throw new LaresError(
              'BAD_REPLY',
              `${shown(url)} is larger than ${maxBytes} bytes; it was refused`,
            );
          progress?.(bytes, total);
          yield chunk;
        }
      },
      createWriteStream(file, { flags: continues ? 'a' : 'w' }),
      { signal },
    );
  } catch (error) {
    if (error instanceof LaresError || signal.aborted) throw error;
    throw new LaresError(
      'UNREACHABLE',
      `${shown(url)}: ${explained(error)}; run it again to go on from there`,
      {
        cause: error,
      },
    );
  }
}

async function open(url: URL, have: number, signal: AbortSignal, hop = 0): Promise<IncomingMessage> {
  const reply = await new Promise<IncomingMessage>((resolve, reject) => {
    const send = url.protocol === 'https:' ? secure : plain;
    const request = send(url, {
      headers: have > 0 ? { range: `bytes=${have}-` } : {},
      signal,
      timeout: silenceMs,
    });
    request.on('timeout', () =>
      request.destroy(new LaresError('TIMEOUT', `${shown(url)} was silent for ${silenceMs / 1000} s`)),
    );
    request.on('response', resolve);
    request.on('error', (error) =>
      reject(
        signal.aborted || error instanceof LaresError
          ? error
          : new LaresError(
              'UNREACHABLE',
              `${shown(url)}: ${explained(error)}; models are downloaded once, so this machine needs the internet for a moment, or bring the file from another one`,
              { cause: error },
            ),
      ),
    );
    request.end();
  });
  const { location } = reply.headers;
  if (location === undefined || ![301, 302, 303, 307, 308].includes(reply.statusCode ?? 0)) return reply;
  reply.resume();
  const next = URL.parse(location, url.href);
  // Nothing secret travels with this, so another host may give the file; the checksum says whether it is the right one.
  if (
    next === null ||
    !/^https?:$/.test(next.protocol) ||
    (url.protocol === 'https:' && next.protocol !== 'https:')
  )
    throw new LaresError('BAD_REPLY', `${shown(url)} redirects to something that is no secure web address`);
  if (hop === mostRedirects) throw new LaresError('BAD_REPLY', `${shown(url)} redirects in circles`);
  return open(next, have, signal, hop + 1);
}

const sizeOf = async (file: string) => (await stat(file).catch(() => undefined))?.size ?? 0;

/** Whether a file has the checksum; false where there is no file. */
async function matches(file: string, integrity: string): Promise<boolean> {
  const [algorithm, wanted] = [
    integrity.slice(0, integrity.indexOf('-')),
    integrity.slice(integrity.indexOf('-') + 1),
  ];
  if ((await sizeOf(file)) === 0) return false;
  const hash = createHash(algorithm);
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  const sum = hash.digest();
  return sum.toString('base64') === wanted || sum.toString('hex') === wanted;
}
