import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CameraView, StoredAlert, StoredEvent } from '#cctv/index.ts';
import { startCameras, type SimulatedCameras } from '#cctv/sim/cameras.ts';
import { serve, type RunningServer } from '#http/index.ts';
import type { SimHouse } from '#http/sim.ts';
import { cameraFolder, drive, square, whole } from '../servers/camera-house.ts';
import { startLares, writeSettings, type LaresProcess } from '../servers/house.ts';
import { freePort, until } from '../servers/process.ts';
import { chromiumPath, openBrowser, phone } from './browser.ts';
import { household } from './household.ts';

const reason = chromiumPath === undefined ? ' (needs the Debian package chromium)' : '';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Opens the page and collects everything that the browser complains about. */
async function openPage(
  browser: Awaited<ReturnType<typeof openBrowser>>,
  url: string,
  size?: Size,
): Promise<{ page: Page; trouble: string[] }> {
  const page = await browser.context.newPage();
  if (size !== undefined) await page.setViewportSize(size);
  const trouble: string[] = [];
  page.on('pageerror', (error) => trouble.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') trouble.push(message.text());
  });
  await page.goto(url);
  await page.locator('#cameras:not([hidden]) .camera').first().waitFor();
  return { page, trouble };
}

const overflow = (page: Page) =>
  page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');
const card = (page: Page, id: string) => page.locator(`.camera[data-camera="${id}"]`);
const playsAt = (page: Page, id: string) =>
  card(page, id)
    .locator('video')
    .evaluate((video) => (video as unknown as { currentTime: number }).currentTime);
const plays = (page: Page, id: string) =>
  until(
    async () => (await playsAt(page, id)) > 0,
    () => `there is no video of ${id}`,
    60_000,
  );

describe.skipIf(chromiumPath === undefined)(`cameras on the status page${reason}`, () => {
  const life = new AsyncDisposableStack();
  let browser: Awaited<ReturnType<typeof openBrowser>>;
  let sim: SimulatedCameras;
  let house: LaresProcess;
  let url: string;

  beforeAll(async () => {
    browser = await openBrowser();
    life.defer(() => browser.close());
    const { dir, remove } = await cameraFolder(['front']);
    life.defer(remove);
    sim = await startCameras([drive('/front', 4), square('/yard')]);
    life.defer(() => sim.close());
    writeSettings(dir, {
      http: { port: await freePort() },
      metrics: { interval_seconds: 1 },
      cameras: [
        { id: 'front', name: 'Front gate', url: sim.url('/front') },
        { id: 'yard', url: sim.url('/yard'), motion_masks: [whole], record: 'off' },
      ],
      processing: { detection: { classes: ['person'] } },
      alert_rules: [{ id: 'person', cameras: ['front'], actions: [] }],
    });
    house = startLares({ dir });
    life.defer(async () => void (await house.stop('SIGKILL')));
    url = await house.url();
    await until(
      () => [/camera front is live/, /camera yard is live/].every((line) => house.count(line) > 0),
      () => house.lines.slice(-20).join('\n'),
      120_000,
    );
  });
  afterAll(() => life.disposeAsync());

  test('show live video that goes on, what is seen in it with boxes and words, and what was seen and told', async () => {
    const { page, trouble } = await openPage(browser, url);
    for (const id of ['front', 'yard']) {
      await card(page, id).locator('video').waitFor();
      await plays(page, id);
      const from = await playsAt(page, id);
      await until(async () => (await playsAt(page, id)) > from + 1, undefined, 60_000);
    }
    await card(page, 'front')
      .locator('.seen', { hasText: /person, \d+(\.\d)? m from gate/ })
      .waitFor();
    const rect = card(page, 'front').locator('.boxes rect').first();
    await rect.waitFor();
    const [frame, box] = [
      await card(page, 'front').locator('.frame').boundingBox(),
      await rect.boundingBox(),
    ];
    expect(box!.x).toBeGreaterThanOrEqual(frame!.x - 2);
    expect(box!.x + box!.width).toBeLessThanOrEqual(frame!.x + frame!.width + 2);
    expect(box!.height).toBeGreaterThan(5);
    await page
      .locator('#told .told', { hasText: /^.*A person, .* from the gate/ })
      .first()
      .waitFor();
    const shown = page
      .locator('#sightings .sighting', { hasText: 'person, front' })
      .filter({ has: page.locator('img.thumb') })
      .first();
    await shown.waitFor();
    // The same one from now on, although somebody else may come, and its film as soon as there is one.
    const event = (await shown.getAttribute('data-event'))!;
    await until(
      async () => (await fetch(`${url}/api/cctv/events/${event}/clip.mp4`)).ok,
      () => `there is no film of ${event}`,
      60_000,
    );
    const thumb = page.locator(`#sightings .sighting[data-event="${event}"] img.thumb`);
    await thumb.scrollIntoViewIfNeeded();
    await until(
      () => thumb.evaluate((img) => (img as unknown as { naturalWidth: number }).naturalWidth > 0),
      undefined,
      60_000,
    );
    await thumb.click();
    const film = page.locator('#event-view[open] video');
    await film.waitFor();
    await until(
      () => film.evaluate((video) => (video as unknown as { currentTime: number }).currentTime > 0),
      undefined,
      60_000,
    );
    expect(await page.locator('#event-title').textContent()).toMatch(/^person, front/i);
    await page.locator('#event-close').click();
    // The browser tells the page of a dialog that closed a moment after it did.
    await until(async () => (await page.locator('#event-show *').count()) === 0);
    await page.locator('#camera-facts', { hasText: /[1-9]\d* events? and [1-9]\d* alerts? today/ }).waitFor();
    expect(await overflow(page)).toBe(0);
    expect(trouble).toEqual([]);
    await page.close();
  });

  test('a camera that goes away says why, and plays again when it is back', async () => {
    const { page, trouble } = await openPage(browser, url);
    await card(page, 'yard').locator('video').waitFor();
    // What was never shown cannot stay.
    await plays(page, 'yard');
    sim.fault('/yard', { hang: true });
    sim.cut('/yard', 'fin');
    const yard = page.locator('.camera[data-camera="yard"][data-state="down"]');
    await yard.waitFor();
    await yard.locator('.camera-state', { hasText: 'no picture' }).waitFor();
    await yard.locator('.veil', { hasText: /^No picture since \d\d:\d\d$/ }).waitFor();
    // What came last stays to be seen behind these words.
    await yard.locator('canvas.last').waitFor();
    await until(async () => ((await yard.locator('.seen').textContent()) ?? '').length > 10);
    await until(async () => (await yard.locator('video').count()) === 0);
    await page.locator('#attention-list li', { hasText: 'yard' }).waitFor();
    sim.heal('/yard');
    await page.locator('.camera[data-camera="yard"][data-state="live"] video').waitFor();
    await until(async () => (await card(page, 'yard').locator('canvas, .veil:visible').count()) === 0);
    expect(await card(page, 'front').getAttribute('data-state')).toBe('live');
    expect(trouble).toEqual([]);
    await page.close();
  });

  test('a phone shows them without scrolling sideways', async () => {
    const { page, trouble } = await openPage(browser, url, phone);
    await card(page, 'front').locator('video').waitFor();
    expect(await overflow(page)).toBe(0);
    const width = (await card(page, 'front').boundingBox())!.width;
    expect(width).toBeGreaterThan(phone.width * 0.7);
    expect(trouble).toEqual([]);
    await page.close();
  });
});

const at = Date.parse('2026-01-31T18:20:00Z');
const hostile = '<img src=x onerror="globalThis.__hacked=1"><script>globalThis.__hacked=1</script>';
const box = { left: 0.1, top: 0.2, width: 0.1, height: 0.3 };

const camera: CameraView = {
  id: 'gate',
  name: hostile,
  enabled: true,
  address: 'rtsp://192.0.2.20/s',
  state: 'down',
  since: at - 60_000,
  cause: 'RTSP_SILENT',
  detail: hostile,
  streams: { detect: { codec: 'h264', width: 640, height: 360 } },
  calibrated: true,
  record: 'events',
  recording: false,
  objects: [],
};
const event: StoredEvent = {
  id: 'e1',
  at,
  camera: hostile,
  label: hostile,
  confidence: 0.9,
  box,
  seenAt: at,
  closed: true,
  identity: { kind: 'plate', name: hostile, confidence: 0.9 },
  snapshotGone: false,
  data: { zones: [hostile], nearest: { [hostile]: 4 } },
};
const alert: StoredAlert = {
  id: 'a1',
  at,
  rule: hostile,
  camera: hostile,
  event: 'e1',
  label: 'person',
  message: hostile,
  severity: 'warning',
  falsePositive: false,
  why: {},
};

describe.skipIf(chromiumPath === undefined)(`what cameras and their owners wrote${reason}`, () => {
  let browser: Awaited<ReturnType<typeof openBrowser>>;
  let server: RunningServer;
  let house: SimHouse;

  beforeAll(async () => {
    browser = await openBrowser();
    house = household(at);
    house.cctv.cameras = [
      camera,
      {
        ...camera,
        id: 'live',
        state: 'live',
        objects: [
          {
            event: 'e2',
            label: hostile,
            score: 0.9,
            box,
            since: at,
            stationary: false,
            distances: { [hostile]: { metres: 4, sigma: 0.2 } },
            zones: [hostile],
          },
        ],
      },
    ];
    house.cctv.eventRows = [event];
    house.cctv.alertRows = [alert];
    server = await serve(house, { host: '127.0.0.1', port: 0 });
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  test('stays text, whatever it is, also on a phone', async () => {
    const { page } = await openPage(browser, server.url, phone);
    await page.locator('#told .told').waitFor();
    expect(await card(page, 'gate').locator('h3').textContent()).toBe(hostile);
    expect(await card(page, 'gate').locator('.seen').textContent()).toBe(hostile);
    expect(await card(page, 'live').locator('.seen').textContent()).toContain(hostile);
    expect(await page.locator('#told .what').textContent()).toBe(hostile);
    expect(await page.locator('#sightings .what').textContent()).toContain(hostile);
    // Nothing was kept of that event.
    await page.locator('#sightings button').click();
    await page.locator('#event-view .empty', { hasText: 'Neither picture nor video was kept' }).waitFor();
    expect(await page.locator('#event-title').textContent()).toContain(hostile);
    await page.locator('#event-close').click();
    expect(await page.locator('#cameras script, #cameras img[src="x"]').count()).toBe(0);
    expect(await page.evaluate(() => (globalThis as { __hacked?: number }).__hacked)).toBeUndefined();
    expect(await overflow(page)).toBe(0);
    await page.close();
  });
});
