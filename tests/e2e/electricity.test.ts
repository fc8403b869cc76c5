import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { serve, type RunningServer } from '#http/index.ts';
import type { SimHouse } from '#http/sim.ts';
import { chromiumPath, openBrowser, phone } from './browser.ts';
import { household } from './household.ts';

const at = Date.parse('2026-01-31T18:20:00Z');
const reason = chromiumPath === undefined ? ' (needs the Debian package chromium)' : '';

describe.skipIf(chromiumPath === undefined)(`electricity on the status page${reason}`, () => {
  let browser: Awaited<ReturnType<typeof openBrowser>>;
  let server: RunningServer;
  let house: SimHouse;

  beforeAll(async () => {
    browser = await openBrowser();
  });
  // A house for each: one test that fails in the middle leaves nothing to the next.
  beforeEach(async () => {
    house = household(at);
    house.electricity.furnish();
    house.electricity.points = [3, 2, 1].map((hours) => ({
      at: at - hours * 3_600_000,
      mean: hours * 500,
      min: 0,
      max: hours * 600,
    }));
    server = await serve(house, { host: '127.0.0.1', port: 0 });
  });
  afterEach(async () => {
    for (const page of browser.context.pages().slice(1)) await page.close();
    await server.close();
  });
  afterAll(() => browser.close());

  async function open(size?: { width: number; height: number }) {
    const page = await browser.context.newPage();
    if (size !== undefined) await page.setViewportSize(size);
    const trouble: string[] = [];
    page.on('pageerror', (error) => trouble.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') trouble.push(message.text());
    });
    await page.goto(server.url);
    await page.locator('#curve path').first().waitFor();
    return { page, trouble };
  }

  test('shows what the house draws now, its day, and the devices with the thirstiest first', async () => {
    const { page, trouble } = await open();
    if (process.env['SHOT'] !== undefined)
      await page.screenshot({ path: process.env['SHOT'], fullPage: true });
    expect(await page.locator('#power-now').textContent()).toBe('2500 W');
    expect(await page.locator('#power-facts').textContent()).toBe('420 W unexplained');
    expect(
      await page.locator('.load').evaluateAll((all) => all.map((row) => row.getAttribute('data-device'))),
    ).toEqual(['kasa.kettle', 'kasa.freezer']);
    expect(await page.locator('.load').first().textContent()).toBe('Kettle2000 Won');
    expect(
      await page.getByRole('img', { name: /^Power in the last 24 hours: at most 1800 W at / }).count(),
    ).toBe(1);
    const bars = page.locator('.load .gauge i');
    expect(await bars.evaluateAll((all) => all.map((bar) => bar.getBoundingClientRect().width > 0))).toEqual([
      true,
      true,
    ]);
    expect(trouble).toEqual([]);
  });

  test('follows a change without reloading, and says why a device is silent', async () => {
    const { page } = await open();
    const [kettle, ...others] = house.electricity.devices;
    house.electricity.devices = [
      { ...kettle!, state: 'down', values: {}, problem: 'did not answer within 5 s' },
      ...others,
    ];
    await house.electricity.turn('kasa.kettle', false, 'user:test', 'test').catch(() => {});
    await page.locator('.load[data-state="down"]', { hasText: 'did not answer within 5 s' }).waitFor();
  });

  test('a hostile name is shown as it is and never runs', async () => {
    const hostile = '<img src=x onerror="globalThis.__hacked=1">';
    const [kettle, ...others] = house.electricity.devices;
    house.electricity.devices = [{ ...kettle!, device: { ...kettle!.device, name: hostile } }, ...others];
    const { page, trouble } = await open();
    expect(await page.locator('.load .name').first().textContent()).toBe(hostile);
    expect(await page.evaluate(() => (globalThis as { __hacked?: number }).__hacked)).toBeUndefined();
    expect(trouble).toEqual([]);
  });

  test('fits a phone without scrolling sideways', async () => {
    const { page } = await open(phone);
    const overflow = await page.evaluate(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    );
    expect(overflow).toBe(0);
  });
});
