import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serve, type RunningServer } from '#http/index.ts';
import { simCamera } from '#http/sim-cctv.ts';
import type { SimHouse } from '#http/sim.ts';
import { until } from '../servers/process.ts';
import { chromiumPath, openBrowser } from './browser.ts';
import { household } from './household.ts';

const at = Date.parse('2026-01-31T18:20:00Z');
const reason = chromiumPath === undefined ? ' (needs the Debian package chromium)' : '';

describe.skipIf(chromiumPath === undefined)(`a page whose answers come late${reason}`, () => {
  let browser: Awaited<ReturnType<typeof openBrowser>>;
  let server: RunningServer;
  let house: SimHouse;

  beforeAll(async () => {
    browser = await openBrowser();
    house = household(at);
    server = await serve(house, { host: '127.0.0.1', port: 0 });
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  const happened = (text: string) =>
    house.happened({
      at,
      kind: 'electricity.anomaly',
      subject: 'device:freezer',
      cause: 'insight',
      evidence: [],
      data: { text },
    });

  async function open(): Promise<Page> {
    const page = await browser.context.newPage();
    await page.goto(server.url);
    await page.locator('#strips rect').first().waitFor();
    return page;
  }

  /** Holds the next answer to `path`: resolves when the server has given it; `release` lets it reach the page. */
  function hold(page: Page, path: string) {
    const given = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const taken = page
      .route(
        (url) => url.pathname === path,
        async (route) => {
          const response = await route.fetch();
          given.resolve();
          await gate.promise;
          await route.fulfill({ response });
        },
        { times: 1 },
      )
      .then(() => given.promise);
    const release = async () => {
      const arrived = page.waitForResponse((response) => new URL(response.url()).pathname === path);
      gate.resolve();
      await (await arrived).finished();
      await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 50)));
    };
    return { given: taken, release };
  }

  test('keeps what it was told meanwhile of what works', async () => {
    const page = await open();
    const held = hold(page, '/health/detailed');
    happened('The freezer does not run');
    await held.given;
    house.health.set('wifi', 'down', 'no interface has an address');
    const told = page.locator('#attention-list li', { hasText: 'no interface has an address' });
    await told.waitFor();
    await held.release();
    expect(await told.count()).toBe(1);
    house.health.set('wifi', 'ok');
    await page.close();
  });

  test('keeps what happened meanwhile', async () => {
    const page = await open();
    const held = hold(page, '/api/events');
    happened('The freezer runs again');
    await held.given;
    const later = page.waitForResponse((response) => response.url().endsWith('/api/events?limit=10'));
    happened('The freezer has been open');
    await (await later).finished();
    await held.release();
    expect(await page.locator('#events .what', { hasText: 'The freezer has been open' }).count()).toBe(1);
    await page.close();
  });

  test('calls a camera by its new name, and asks for video of one that nobody else watches', async () => {
    const page = await open();
    const { cause: _cause, detail: _detail, ...yard } = simCamera('yard', 'Yard');
    house.cctv.cameras = [yard];
    house.cctv.changed();
    const tile = page.locator('.camera[data-camera="yard"]');
    await tile.locator('h3', { hasText: 'Yard' }).waitFor();
    const asked: string[] = [];
    page.on('websocket', (socket) => asked.push(new URL(socket.url()).pathname));
    house.cctv.cameras = [{ ...yard, name: 'Back yard', state: 'off' }];
    house.cctv.changed();
    await tile.locator('h3', { hasText: 'Back yard' }).waitFor();
    await tile.scrollIntoViewIfNeeded();
    await until(() => asked.length > 0);
    expect(asked[0]).toBe('/api/cctv/cameras/yard/live');
    house.cctv.cameras = [{ ...yard, state: 'connecting' }];
    house.cctv.changed();
    await page
      .locator('.camera[data-camera="yard"][data-state="connecting"] video')
      .waitFor({ state: 'attached' });
    house.cctv.cameras = [{ ...yard, enabled: false, state: 'off' }];
    house.cctv.changed();
    await page.locator('.camera[data-camera="yard"][data-state="off"] video').waitFor({ state: 'detached' });
    house.cctv.cameras = [];
    house.cctv.changed();
    await page.close();
  });
});
