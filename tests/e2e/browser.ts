import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium, type BrowserContext } from 'playwright-core';

import { installed } from '../servers/process.ts';

/** Debian's Chromium; undefined where it is not installed. */
export const chromiumPath = installed('/usr/bin/chromium', '/usr/bin/chromium-browser');

export const desktop = { width: 1280, height: 900 };
export const phone = { width: 390, height: 844 };

/** A browser with an empty profile that asks nobody but us. */
export async function openBrowser(
  options: { size?: { width: number; height: number }; dark?: boolean; scale?: number } = {},
): Promise<{ context: BrowserContext; close: () => Promise<void> }> {
  const profile = mkdtempSync(path.join(tmpdir(), 'lares-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumPath ?? 'chromium',
    headless: true,
    viewport: options.size ?? desktop,
    deviceScaleFactor: options.scale ?? 1,
    colorScheme: options.dark === true ? 'dark' : 'light',
    locale: 'en-GB',
    timezoneId: 'UTC',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  // Only ends what hangs.
  context.setDefaultTimeout(120_000);
  return {
    context,
    close: async () => {
      await context.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}
