import { randomBytes } from 'node:crypto';
import type { Driver } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import { complainer } from '#platform/complain.ts';
import { listenAgain } from '#platform/mqtt/again.ts';
import type { DriverParts, ElectricityContext } from '../../driver.ts';
import type { ElectricitySignal } from '../../model.ts';
import { config, example, type PulseConfig } from './config.ts';
import { PulseHub } from './hub.ts';
import { pulseIngress, type IngressReply, type IngressRequest } from './ingress.ts';
import { topicRoutes, type TopicRoute } from './mqtt.codec.ts';
import { serve, type IngressServer } from './server.ts';

export { config, example };
export { ingressPaths, type IngressReply, type IngressRequest } from './ingress.ts';

const tickMs = 5_000;

export interface PulseDriver extends Driver<'pulse', PulseConfig, ElectricitySignal> {
  /** Takes a message that came to another HTTP server of ours, at one of `ingressPaths`. 503 while it does not run. */
  ingest(request: IngressRequest): IngressReply;
  /** Port of its own HTTP listener while it runs. */
  readonly port: number | undefined;
}

const notRunning: IngressReply = {
  status: 503,
  type: 'application/json; charset=utf-8',
  body: JSON.stringify({ code: 'UNREACHABLE', message: 'no pulse meter is set up, or it is starting' }),
};

/** Meters that send what they counted: by HTTP in four formats, by MQTT in three. */
export function makePulseDriver(parts: DriverParts): PulseDriver {
  let ingest: (request: IngressRequest) => IngressReply = () => notRunning;
  let server: IngressServer | undefined;
  return {
    kind: 'pulse',
    title: 'Pulse meters',
    config,
    example,
    traits: { cadence: 'push', needs: ['network'] },
    get port() {
      return server?.port;
    },
    ingest: (request) => ingest(request),
    async run(settings, given) {
      const over = new AbortController();
      const context = { ...given, signal: AbortSignal.any([given.signal, over.signal]) };
      const { clock, log, emit } = context;
      const hub = new PulseHub(settings, { state: parts.state, clock, log, emit });
      await hub.open();
      const complain = complainer(log, clock);
      const handler = pulseIngress(settings, {
        complain,
        monotonic: () => clock.monotonic(),
        deliver: (meter, reports) => {
          const outcomes = hub.deliver(meter, reports);
          context.alive(`heard ${meter.name}`);
          return outcomes;
        },
      });
      // Not the one above: complaints about strangers must not hide a mistake of ours.
      const mistake = complainer(log, clock);
      if (settings.http !== undefined)
        server = await serve(settings.http, handler, (error) =>
          mistake(`pulse error: a message could not be taken: ${reason(error)}`),
        );
      ingest = handler;
      try {
        await Promise.all([tell(hub, context), listenAlways(settings, parts, hub, context)]);
      } finally {
        over.abort();
        ingest = () => notRunning;
        await server?.close();
        server = undefined;
        await hub.keep();
      }
    },
  };
}

async function tell(hub: PulseHub, { clock, signal }: ElectricityContext): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(tickMs, signal);
    await hub.tick();
  }
}

/** Listens to the broker again and again: while it is away, HTTP goes on. */
async function listenAlways(
  settings: PulseConfig,
  parts: DriverParts,
  hub: PulseHub,
  context: ElectricityContext,
): Promise<void> {
  const { clock, signal, random, emit } = context;
  const routes = topicRoutes(settings);
  if (routes.size === 0) return;
  const broker = settings.mqtt?.broker ?? parts.broker;
  if (broker === undefined)
    throw new LaresError(
      'CONFIG_INVALID',
      'meters that speak MQTT need a broker: set up the section mqtt, or pulse.mqtt.broker',
    );
  await listenAgain(
    broker,
    [...routes.keys()],
    (topic, payload, { retain }) => take(topic, payload, retain),
    {
      signal,
      clock,
      random,
      clientId: await sessionName(parts),
      onConnected: () => context.alive('connected to the broker'),
      onTrouble: (error) => emit({ kind: 'trouble', id: undefined, address: broker.url, error }),
    },
  );

  function take(topic: string, payload: Buffer, retain: boolean): void {
    const route = routes.get(topic);
    if (route !== undefined && (!retain || route.retained)) read(route, topic, payload.toString('utf8'));
  }

  function read({ meter, read: parse }: TopicRoute, topic: string, text: string): void {
    try {
      const said = parse(text);
      if ('online' in said) return hub.online(meter, said.online);
      hub.deliver(meter, said);
      context.alive(`heard ${meter.name}`);
    } catch (error) {
      if (!(error instanceof LaresError)) throw error;
      hub.trouble(meter, topic, error);
    }
  }
}

/** The broker keeps messages for this name while we are away; two houses on one broker must not share it. */
async function sessionName({ state }: DriverParts): Promise<string> {
  const key = 'electricity.pulse.mqtt';
  const kept = await state.get<string>(key);
  if (kept !== undefined) return kept;
  const name = `lares-pulse-${randomBytes(6).toString('hex')}`;
  await state.set(key, name);
  return name;
}
