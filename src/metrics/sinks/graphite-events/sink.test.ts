import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { Bus } from '#kernel/bus.ts';
import { systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { openStore } from '#store/index.ts';
import { graphiteMissing, startGraphite } from '../../../../tests/servers/graphite.ts';
import { freePort, scratch, until } from '../../../../tests/servers/process.ts';
import { toGraphiteEvent } from './codec.ts';
import { GraphiteEvents } from './sink.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

async function open() {
  const { dir, remove } = scratch('events');
  const lines: string[] = [];
  const log = new Logger({ write: (line) => line.includes('graphite') && lines.push(line) });
  const bus = new Bus(() => {});
  const store = await openStore({ dataDir: dir, clock: systemClock, log, bus, migrations: [] });
  cleanups.push(async () => {
    await store.close();
    remove();
  });
  // What is posted hangs on instants, so the house says what time it is.
  return { bus, store, log, lines, now: Date.now() };
}

type House = Awaited<ReturnType<typeof open>>;

function run(house: House, renderUrl: string): () => Promise<void> {
  const stop = new AbortController();
  const { bus, log, store } = house;
  const events = new GraphiteEvents(renderUrl, {
    clock: { ...systemClock, now: () => house.now },
    log,
    bus,
    journal: store.journal,
    state: store.state,
    pauseMs: 50,
  });
  const done = events.run(stop.signal);
  const end = async () => {
    stop.abort();
    await done;
  };
  cleanups.push(end);
  return end;
}

const happened = ({ store, now }: House, kind: string, person: string, afterMs: number) =>
  store.journal.append({
    at: now + afterMs,
    kind,
    subject: `person:${person}`,
    cause: 'fusion',
    evidence: [{ at: now, source: 'wifi', text: 'answered ARP' }],
    data: {},
  });

/** Keeps every body; answers with `status`. */
async function listener(
  port = 0,
  status = 200,
): Promise<{ server: Server; url: string; bodies: { what: string }[] }> {
  const bodies: { what: string }[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      if (status === 200) bodies.push(JSON.parse(text) as { what: string });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  cleanups.push(() => server.close());
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies };
}

test('an event names who, what and when, and carries its evidence', () => {
  const event = {
    id: '1',
    at: 1_767_225_600_900,
    kind: 'presence.left',
    subject: 'person:sam',
    cause: 'fusion',
    evidence: [
      { at: 0, source: 'wifi', text: 'silent for 5 min' },
      { at: 0, source: 'homeassistant', text: 'person.sam is away' },
    ],
    data: {},
  };
  expect(toGraphiteEvent(event)).toEqual({
    what: 'sam left',
    tags: ['presence', 'left', 'sam'],
    when: 1_767_225_600,
    data: 'silent for 5 min; person.sam is away',
  });
  expect(toGraphiteEvent({ ...event, kind: 'presence.away' })).toBeUndefined();
});

test('what happened before the first start is not posted, what comes after is, once and in order', async () => {
  const house = await open();
  const web = await listener();
  await happened(house, 'presence.arrived', 'old', -60_000);
  const end = run(house, web.url);
  await happened(house, 'presence.arrived', 'alex', 5);
  await happened(house, 'device.discovered', 'x', 6);
  const last = await happened(house, 'presence.left', 'sam', 7);
  await until(
    () => web.bodies.length === 2,
    () => JSON.stringify(web.bodies),
  );
  // Ended before it has noted the answer, it would post this one again.
  await until(async () => (await house.store.state.get<{ id: string }>('graphite.events'))?.id === last.id);
  await end();
  expect(web.bodies.map((b) => b.what)).toEqual(['alex came home', 'sam left']);
  house.now += 1_000;
  run(house, web.url);
  await happened(house, 'presence.left', 'jo', 8);
  await until(
    () => web.bodies.length > 2,
    () => JSON.stringify(web.bodies),
  );
  expect(web.bodies.map((b) => b.what)).toEqual(['alex came home', 'sam left', 'jo left']);
});

test('while graphite-web is away or refuses, one line says so and nothing is lost', async () => {
  const house = await open();
  const port = await freePort();
  const refusing = await listener(port, 500);
  run(house, `http://127.0.0.1:${port}/`);
  await happened(house, 'presence.arrived', 'alex', 5);
  await until(
    () => house.lines.length > 0,
    () => 'no line',
  );
  await new Promise((resolve) => refusing.server.close(resolve));
  await happened(house, 'presence.left', 'alex', 10);
  const web = await listener(port);
  await until(
    () => web.bodies.length === 2,
    () => house.lines.join('\n'),
  );
  expect(web.bodies.map((b) => b.what)).toEqual(['alex came home', 'alex left']);
  await until(
    () => house.lines.length === 2,
    () => house.lines.join('\n'),
  );
  expect(house.lines[0]).toMatch(/\|WARN\|lares\|BAD_REPLY\|graphite events error: .* answered 500; /);
  expect(house.lines[1]).toContain('graphite events are posted again');
});

describe.skipIf(graphiteMissing !== undefined)(
  `a real graphite-web${graphiteMissing === undefined ? '' : ` (needs ${graphiteMissing})`}`,
  () => {
    test('gives the arrival back for the tags that a dashboard asks for', async () => {
      const graphite = await startGraphite({});
      cleanups.push(() => graphite.stop());
      const house = await open();
      run(house, graphite.renderUrl);
      const at = Math.floor(house.now / 1000) * 1000 + 1_000;
      await happened(house, 'presence.arrived', 'alex', at - house.now);
      const ask = async () => {
        const reply = await fetch(
          `${graphite.renderUrl}/events/get_data?tags=presence%20arrived&from=${at / 1000 - 60}&until=${at / 1000 + 60}`,
        );
        return (await reply.json()) as { what: string; tags: string[]; when: number; data: string }[];
      };
      await until(async () => (await ask()).length > 0);
      const shown = await ask();
      expect(
        shown.map(({ what, tags, when, data }) => ({ what, tags: tags.toSorted(), when, data })),
      ).toEqual([
        {
          what: 'alex came home',
          tags: ['alex', 'arrived', 'presence'],
          when: at / 1000,
          data: 'answered ARP',
        },
      ]);
    });
  },
);
