import { LaresError } from '#kernel/errors.ts';
import { shown as address, webRequest } from '#platform/http-client.ts';
import type { Rendered } from './audit.rules.ts';

const targetsPerRequest = 100;
const longestReply = 64 * 2 ** 20;

/** What graphite-web shows of these series between two instants (epoch ms). Throws UNREACHABLE, TIMEOUT or BAD_REPLY. */
export async function render(
  renderUrl: string,
  series: readonly string[],
  from: number,
  until: number,
  signal?: AbortSignal,
): Promise<Rendered[]> {
  const shown: Rendered[] = [];
  for (let i = 0; i < series.length; i += targetsPerRequest) {
    const form = new URLSearchParams();
    for (const name of series.slice(i, i + targetsPerRequest)) form.append('target', name);
    // graphite-web leaves out the instant of `from` itself.
    form.append('from', String(Math.floor(from / 1000) - 1));
    form.append('until', String(Math.ceil(until / 1000)));
    form.append('format', 'json');
    shown.push(...(await ask(new URL('render', withSlash(renderUrl)).href, form, signal)));
  }
  return shown;
}

const withSlash = (url: string) => (url.endsWith('/') ? url : `${url}/`);

async function ask(url: string, form: URLSearchParams, signal: AbortSignal | undefined): Promise<Rendered[]> {
  const reply = await webRequest({
    url,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
    maxBytes: longestReply,
    ...(signal && { signal }),
  });
  const shown = reply.status === 200 ? parse(reply.text) : undefined;
  if (shown === undefined)
    throw new LaresError(
      'BAD_REPLY',
      `${address(url)} answered ${reply.status} without data; set graphite.render_url to the address of graphite-web`,
    );
  return shown;
}

function parse(text: string): Rendered[] | undefined {
  try {
    const shown: unknown = JSON.parse(text);
    return Array.isArray(shown) && shown.every(isRendered) ? shown : undefined;
  } catch {
    return undefined;
  }
}

function isRendered(one: unknown): one is Rendered {
  const { target, datapoints } = (one ?? {}) as Partial<Rendered>;
  return typeof target === 'string' && Array.isArray(datapoints) && datapoints.every(Array.isArray);
}
