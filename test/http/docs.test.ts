import { existsSync, readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { startHttp } from './start.ts';

const CHROMIUM = '/usr/bin/chromium';
/** The real document where it stands already, for what a small one does not show. */
const documentJson = existsSync('asyncapi.yaml')
  ? JSON.stringify(parse(readFileSync('asyncapi.yaml', 'utf8')))
  : undefined;
const screenshots = process.env['SCREENSHOTS'];

describe('/docs', () => {
  test.skipIf(!existsSync(CHROMIUM))(
    'shows every operation, wide and narrow, and fetches nothing from elsewhere',
    { timeout: 150_000 },
    async () => {
      const { url } = await startHttp(documentJson === undefined ? {} : { document: { yaml: '', json: documentJson } });
      const served = (await (await fetch(`${url}/asyncapi.json`)).json()) as { operations: object };
      const operationCount = Object.keys(served.operations).length;
      const browser = await chromium.launch({
        executablePath: CHROMIUM,
        args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
      });
      try {
        const page = await browser.newPage();
        const elsewhere: string[] = [];
        const errors: string[] = [];
        await page.route('**', (route) => {
          if (route.request().url().startsWith(url)) return route.continue();
          elsewhere.push(route.request().url());
          return route.abort();
        });
        page.on('pageerror', (error) => errors.push(error.message));
        page.on('console', (message) => {
          if (message.type() === 'error') errors.push(message.text());
        });
        await page.goto(`${url}/docs`);
        for (const width of [1280, 390]) {
          await page.setViewportSize({ width, height: 900 });
          // The viewer parses and checks the whole document first, which takes seconds on a slow machine.
          await page.locator('li[id^="operation-"]').first().waitFor({ timeout: 60_000 });
          expect(await page.locator('li[id^="operation-"]').count()).toBe(operationCount);
          expect(await page.locator('body').innerText()).toContain('message:send');
          expect(await page.locator('#note').count()).toBe(0);
          if (screenshots !== undefined) {
            await page.screenshot({ path: `${screenshots}/docs-${String(width)}.png` });
          }
          const overflow = await page.evaluate(
            'document.documentElement.scrollWidth - document.documentElement.clientWidth',
          );
          expect(overflow).toBeLessThanOrEqual(0);
        }
        expect(elsewhere).toEqual([]);
        expect(errors).toEqual([]);
      } finally {
        await browser.close();
      }
    },
  );
});
