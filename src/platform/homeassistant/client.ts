import { LaresError } from '#kernel/errors.ts';
import { systemClock } from '../clock.ts';
import { shown, webRequest, type WebReply } from '../http-client.ts';
import { parseJson, parseState } from './codec.ts';
import type { Access, EntityAnswer, EntityState } from './model.ts';
import { refusal } from './refusal.ts';
import { watchEntities } from './socket.ts';

const oneState = 2 ** 20;
const allStates = 8 * 2 ** 20;

/** A path below the configured address, which may itself have a path (a reverse proxy). */
const at = (access: Access, path: string) => `${access.url.replace(/\/+$/, '')}${path}`;

/** Reads a Home Assistant. Holds no connection of its own; each method is one bounded exchange. */
export class HomeAssistant {
  readonly #access: Access;

  constructor(access: Access) {
    this.#access = access;
  }

  /** `GET /api/`: the sentence of a working Home Assistant, `API running.` */
  async greeting(signal?: AbortSignal): Promise<string> {
    const body = await this.#get('/api/', oneState, signal);
    const message = (parseJson(body.text, this.#access.url) as { message?: unknown } | null)?.message;
    if (typeof message === 'string') return message;
    throw new LaresError('BAD_REPLY', `this is not Home Assistant: ${shown(body.url)} sent no message`);
  }

  /** One entity; `missing` when Home Assistant does not know it (404). */
  async state(entity: string, signal?: AbortSignal): Promise<EntityAnswer> {
    const reply = await this.#get(`/api/states/${encodeURIComponent(entity)}`, oneState, signal);
    return reply.status === 404
      ? { entity, missing: true }
      : parseState(parseJson(reply.text, this.#access.url));
  }

  /** Every entity of the house in one reply of at most 8 MiB. */
  async states(signal?: AbortSignal): Promise<EntityState[]> {
    const reply = await this.#get('/api/states', allStates, signal);
    const list = parseJson(reply.text, this.#access.url);
    if (!Array.isArray(list)) throw new LaresError('BAD_REPLY', 'Home Assistant sent no list of states');
    return list.map(parseState);
  }

  /** Hears changes of these entities until the signal aborts; see `watchEntities`. */
  watch(
    entities: readonly string[],
    onChange: (states: readonly EntityAnswer[]) => void,
    onAlive: () => void,
    signal: AbortSignal,
  ): Promise<void> {
    return watchEntities({ access: this.#access, entities, onChange, onAlive, signal });
  }

  async #get(path: string, maxBytes: number, signal?: AbortSignal): Promise<WebReply> {
    const { token, verifyTls, deadlineMs } = this.#access;
    const reply = await webRequest({
      url: at(this.#access, path),
      headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
      maxBytes,
      verifyTls,
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
      ...(signal === undefined ? {} : { signal }),
    });
    const refused = refusal(reply.status, reply.url, reply.headers['retry-after'], systemClock.now());
    if (refused !== undefined) throw refused;
    const type = reply.headers['content-type'] ?? 'no content type';
    // Home Assistant answers "Entity not found." as JSON; any other 404 comes from somebody else.
    if (!/^application\/json\b/i.test(type))
      throw new LaresError(
        'BAD_REPLY',
        `this is not Home Assistant: got ${type.split(';')[0]} with status ${reply.status} from ${shown(reply.url)}; check homeassistant.url`,
      );
    const known = reply.status === 200 || (reply.status === 404 && path.startsWith('/api/states/'));
    if (!known)
      throw new LaresError('UNREACHABLE', `Home Assistant answered ${reply.status} for ${shown(reply.url)}`);
    return reply;
  }
}
