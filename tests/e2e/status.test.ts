import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { serve, type RunningServer } from '#http/index.ts';
import { simCamera } from '#http/sim-cctv.ts';
import { simPerson, type SimHouse } from '#http/sim.ts';
import { freePort } from '../servers/process.ts';
import { chromiumPath, openBrowser, phone } from './browser.ts';
import { household } from './household.ts';

const at = Date.parse('2026-01-31T18:20:00Z');
const hostile = '<img src=x onerror="globalThis.__hacked=1"><script>globalThis.__hacked=1</script>';

const reason = chromiumPath === undefined ? ' (needs the Debian package chromium)' : '';

describe.skipIf(chromiumPath === undefined)(`the status page${reason}`, () => {
  let browser: Awaited<ReturnType<typeof openBrowser>>;
  let server: RunningServer;
  let house: SimHouse;

  beforeAll(async () => {
    browser = await openBrowser();
  });
  // A house for each: one test that fails in the middle leaves nothing to the next.
  beforeEach(async () => {
    house = household(at);
    server = await serve(house, { host: '127.0.0.1', port: 0 });
  });
  afterEach(async () => {
    for (const page of browser.context.pages().slice(1)) await page.close();
    await server.close();
  });
  afterAll(() => browser.close());

  /** Opens the page and collects everything that the browser complains about. */
  async function open(size?: { width: number; height: number }): Promise<{ page: Page; trouble: string[] }> {
    const page = await browser.context.newPage();
    if (size !== undefined) await page.setViewportSize(size);
    const trouble: string[] = [];
    page.on('pageerror', (error) => trouble.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') trouble.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(server.url)) trouble.push(`asked ${request.url()}`);
    });
    await page.goto(server.url);
    await page.locator('#strips rect').first().waitFor();
    return { page, trouble };
  }

  const card = (page: Page, person: string) => page.locator(`.person[data-person="${person}"]`);

  test('says who is home, since when, how sure it is, and on what evidence', async () => {
    const { page, trouble } = await open();
    expect(await page.title()).toBe('Alex, Jo and Robin are home · Lares');
    expect(await page.locator('#summary').textContent()).toBe(
      '3 of 6 people · 14 devices on the network · 1 guest',
    );
    expect(await card(page, 'alex').locator('.who p').textContent()).toBe('Home since 16:20');
    expect(await card(page, 'alex').getByRole('meter').getAttribute('aria-valuenow')).toBe('99');
    expect(await card(page, 'alex').locator('summary .text').textContent()).toBe(
      'Wi-Fi phone was on Wi-Fi 4 s ago',
    );
    expect(await card(page, 'alex').locator('details li').first().textContent()).toBe(
      'Wi-Fi 02:00:5e:10:00:01 was on Wi-Fi 4 s ago',
    );
    expect(await card(page, 'jo').locator('.conflict').textContent()).toMatch(/the phone probably sleeps$/);
    expect(
      await page.locator('.person').evaluateAll((all) => all.map((c) => c.getAttribute('data-person'))),
    ).toEqual(['alex', 'jo', 'robin', 'max', 'sam', 'kit']);
    expect(trouble).toEqual([]);
  });

  test('what needs a person comes with its remedy', async () => {
    const { page } = await open();
    expect(await page.locator('#attention-list').textContent()).toBe(
      'Tado waits for you: Tado refused the saved sign-in; run lares tado login once since 18:20',
    );
    expect(await page.locator('[data-part="graphite"]').textContent()).toContain(
      '466,560 readings delivered',
    );
  });

  test('the strip of a person tells their day, to screen readers too', async () => {
    const { page } = await open();
    const strip = page.getByRole('img', { name: /^Alex:/ });
    expect(await strip.getAttribute('aria-label')).toBe(
      'Alex: home Fri 18:20 to 08:20, away 08:20 to 16:20, home 16:20 to now',
    );
    const widths = await strip
      .locator('rect')
      .evaluateAll((rects) =>
        rects.map((r) => [r.getAttribute('class'), Math.round(Number(r.getAttribute('width')))]),
      );
    expect(widths).toEqual([
      ['stay-home', 840],
      ['stay-away', 480],
      ['stay-home', 120],
    ]);
  });

  test('an arrival appears without reloading, and a failing source too', async () => {
    const { page, trouble } = await open();
    await page.evaluate(() => Object.assign(globalThis, { __same: true }));
    house.change('sam', {
      state: 'home',
      probability: 0.95,
      since: at,
      evidence: [{ at, source: 'wifi', text: 'phone asked for an address' }],
    });
    house.at = at + 1_000;
    house.health.set('wifi', 'down', 'no interface has an address in 192.0.2.0/24');
    await page.locator('#headline', { hasText: 'Alex, Sam, Jo and Robin are home' }).waitFor();
    await page.locator('#events li', { hasText: 'Sam came home' }).waitFor();
    await page
      .locator('#attention-list li', { hasText: 'Wi-Fi down: no interface has an address' })
      .waitFor();
    await page.getByRole('img', { name: /^Sam: .*home 18:20 to now$/ }).waitFor();
    expect(await page.evaluate(() => (globalThis as { __same?: boolean }).__same)).toBe(true);
    expect(trouble).toEqual([]);
  });

  test('cameras and ways to tell people are called as people call them', async () => {
    const { page, trouble } = await open();
    house.health.set('camera.front', 'down', 'no answer from 192.0.2.21');
    house.health.set('camera.back_yard', 'degraded', 'the camera was moved');
    house.health.set('alerts.speak', 'down', 'the speaker is away');
    house.health.set('cctv.disk', 'down', 'the disk is not mounted');
    house.cctv.cameras = [simCamera('front', 'Front door')];
    house.cctv.changed();
    const told = page.locator('#attention-list li b');
    await told.filter({ hasText: 'Camera Front door' }).waitFor();
    await told.filter({ hasText: 'Disk' }).waitFor();
    await expect
      .poll(async () => (await told.allTextContents()).toSorted())
      .toEqual([
        'Camera Front door',
        'Camera back yard',
        'Disk for pictures and video',
        'Spoken alerts',
        'Tado',
      ]);
    expect(trouble).toEqual([]);
  });

  test('evidence that somebody opened stays open while the picture changes', async () => {
    const { page } = await open();
    await card(page, 'jo').locator('summary').click();
    house.change('jo', { probability: 0.81 });
    await card(page, 'jo').getByText('81 %').waitFor();
    expect(
      await card(page, 'jo')
        .locator('details')
        .evaluate((d) => (d as unknown as { open: boolean }).open),
    ).toBe(true);
    expect(await card(page, 'jo').locator('details li').count()).toBe(2);
  });

  test('a hostile name is shown as it is and never runs', async () => {
    house.people = [
      ...house.people,
      simPerson('zed', {
        name: hostile,
        state: 'home',
        conflict: hostile,
        evidence: [{ at, source: hostile, text: hostile }],
      }),
    ];
    house.happened({
      at,
      kind: 'device.discovered',
      subject: `device:${hostile}`,
      cause: 'scan',
      evidence: [],
      data: {},
    });
    house.health.set('mqtt', 'down', hostile);
    const { page, trouble } = await open();
    await page.locator('#events li', { hasText: hostile }).waitFor();
    expect(await card(page, 'zed').locator('h3').textContent()).toBe(hostile);
    expect(await page.locator('#main img, #main script').count()).toBe(0);
    expect(await page.evaluate(() => (globalThis as { __hacked?: number }).__hacked)).toBeUndefined();
    expect(trouble).toEqual([]);
  });

  test('a phone shows everything without scrolling sideways', async () => {
    const { page } = await open(phone);
    const { width, content } = await page.evaluate(() => {
      const root = (
        globalThis as unknown as {
          document: { documentElement: { clientWidth: number; scrollWidth: number } };
        }
      ).document.documentElement;
      return { width: root.clientWidth, content: root.scrollWidth };
    });
    expect([width, content]).toEqual([phone.width, phone.width]);
    const boxes = await page
      .locator('.person')
      .evaluateAll((cards) =>
        cards.map((c) =>
          Math.round(
            (c as unknown as { getBoundingClientRect(): { width: number } }).getBoundingClientRect().width,
          ),
        ),
      );
    expect(new Set(boxes)).toEqual(new Set([phone.width - 32]));
  });

  test('a lost connection is said, and mended by itself', async () => {
    const port = await freePort();
    const own = await serve(house, { host: '127.0.0.1', port });
    const page = await browser.context.newPage();
    await page.goto(own.url);
    await page.locator('#live[data-state="live"]').waitFor();
    await own.close();
    await page.locator('#live[data-state="lost"]', { hasText: 'Connection lost; as of 18:20' }).waitFor();
    const again = await serve(house, { host: '127.0.0.1', port });
    await page.locator('#live[data-state="live"]').waitFor();
    await page.close();
    await again.close();
  });
});
