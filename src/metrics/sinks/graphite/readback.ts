import { LaresError, reason } from '#kernel/errors.ts';
import type { Rendered } from './audit.rules.ts';

const targetsPerRequest = 100;
const longestReply = 64 * 1024 * 1024;

/** What graphite-web shows of these series between two instants (epoch ms). Throws UNREACHABLE, TIMEOUT or BAD_REPLY. */
export async function render(
  renderUrl: string,
  series: readonly string[],
  from: number,
  until: number,
  signal: AbortSignal,
): Promise<Rendered[]> {
  const shown: Rendered[] = [];
  for (let i = 0; i < series.length; i += targetsPerRequest) {
    const form = new URLSearchParams();
    for (const name of series.slice(i, i + targetsPerRequest)) form.append('target', name);
    // graphite-web treats `from` as exclusive.
    form.append('from', String(Math.floor(from / 1000) - 1));
    form.append('until', String(Math.ceil(until / 1000)));
    form.append('format', 'json');
    shown.push(...(await ask(new URL('render', withSlash(renderUrl)), form, signal)));
  }
  return shown;
}

const withSlash = (url: string) => (url.endsWith('/') ? url : `${url}/`);

async function ask(url: URL, body: URLSearchParams, signal: AbortSignal): Promise<Rendered[]> {
  const response = await fetch(url, {
    method: 'POST',
    body,
    signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
  }).catch((error: unknown) => {
    throw new LaresError('UNREACHABLE', `graphite-web at ${url.origin} did not answer: ${reason(error)}`, {
      cause: error,
    });
  });
  const text = await response.text();
  if (!response.ok || text.length > longestReply)
    throw new LaresError('BAD_REPLY', `${url.href} answered ${response.status}; is this graphite-web?`);
  try {
    return JSON.parse(text) as Rendered[];
  } catch (error) {
    throw new LaresError('BAD_REPLY', `${url.href} did not answer with JSON; is this graphite-web?`, {
      cause: error,
    });
  }
}
