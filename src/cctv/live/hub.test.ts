import { beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import { until } from '../../../tests/servers/process.ts';
import type { Signal } from '../ingest/messages.ts';
import { headBytes, LiveHub, type Viewer } from './hub.ts';

type LiveSignal = Extract<Signal, { kind: 'live' }>;

describe('the hub', () => {
  const watched: [string, boolean][] = [];
  let pictures: number;
  let clock: ManualClock;
  let hub: LiveHub;
  beforeEach(() => {
    watched.length = 0;
    pictures = 0;
    clock = new ManualClock(0);
    hub = new LiveHub(
      {
        has: () => true,
        watch: (camera, on) => watched.push([camera, on]),
        picture: async () => {
          pictures += 1;
          return Uint8Array.of(pictures);
        },
      },
      clock,
    );
  });

  class Watcher implements Viewer {
    waiting = 0;
    readonly got: (string | number)[] = [];
    stream(mime: string): void {
      this.got.push(mime);
    }
    send(message: Uint8Array): void {
      this.got.push(message[headBytes]!);
    }
    state(state: string): void {
      this.got.push(state);
    }
    drop(): void {
      this.got.push('dropped');
    }
  }
  const signal = (part: 'init' | 'fragment', key: boolean, value: number): LiveSignal => ({
    kind: 'live',
    camera: 'yard',
    part,
    key,
    at: 0,
    mime: 'avc1',
    data: Uint8Array.of(value),
  });

  test('asks for a stream once however many watch, and lets it go with the last', () => {
    const leave = [1, 2, 3].map(() => hub.join('yard', new Watcher()));
    expect([watched, hub.viewers('yard'), hub.watched()]).toEqual([[['yard', true]], 3, ['yard']]);
    for (const go of leave) go();
    for (const go of leave) go();
    expect([watched, hub.watched()]).toEqual([
      [
        ['yard', true],
        ['yard', false],
      ],
      [],
    ]);
  });

  test('gives a newcomer the head and all since the last keyframe', () => {
    hub.join('yard', new Watcher());
    hub.take(signal('init', true, 1));
    for (const [key, value] of [
      [true, 2],
      [false, 3],
      [true, 4],
      [false, 5],
    ] as const)
      hub.take(signal('fragment', key, value));
    const late = new Watcher();
    hub.join('yard', late);
    hub.take(signal('fragment', false, 6));
    expect(late.got).toEqual(['avc1', 1, 4, 5, 6]);
  });

  test('lets a slow one miss pictures up to the next keyframe, gives up on it in the end, and harms no other', async () => {
    const [slow, quick] = [new Watcher(), new Watcher()];
    hub.join('yard', slow);
    hub.join('yard', quick);
    hub.take(signal('init', true, 1));
    hub.take(signal('fragment', true, 2));
    slow.waiting = 5e6;
    hub.take(signal('fragment', false, 3));
    hub.take(signal('fragment', true, 4));
    slow.waiting = 0;
    hub.take(signal('fragment', false, 5));
    hub.take(signal('fragment', true, 6));
    expect(slow.got).toEqual(['avc1', 1, 2, 6]);
    slow.waiting = 5e6;
    hub.take(signal('fragment', false, 7));
    await clock.advance(30_000);
    hub.take(signal('fragment', true, 8));
    expect(slow.got.at(-1)).toBe('dropped');
    expect(quick.got).toEqual(['avc1', 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test('shares one picture among those who ask at the same time', async () => {
    const both = await Promise.all([hub.picture('yard'), hub.picture('yard'), hub.picture('yard', 640)]);
    expect(both.map((bytes) => bytes[0])).toEqual([1, 1, 2]);
    await until(async () => (await hub.picture('yard'))[0] === 3);
  });
});
