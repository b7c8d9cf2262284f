// The page of a real service: its figures are those of its clients and memory nodes.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Browser, chromiumMissing, openChromium } from '../runtimes/chromium.ts';
import { openLiveService } from './live-service.ts';
import type { ServiceUnderTest } from './service-under-test.ts';
import { Tab } from './tab.ts';

if (chromiumMissing) throw new Error(`the page is tested in Chromium: ${chromiumMissing}`);

const folder = mkdtempSync(join(tmpdir(), 'flexemr-page-'));
let browser: Browser;
let service: ServiceUnderTest;
beforeAll(async () => {
  browser = await openChromium();
  service = await openLiveService(folder);
});
afterAll(async () => {
  await service?.close();
  await browser?.close();
  rmSync(folder, { recursive: true });
});

test('figures move, and a node that is killed turns red and comes back', async () => {
  const tab = await Tab.open(browser, service.url);
  const total = (): Promise<number> =>
    tab.text('#requests-note').then((text) => Number(text.replace(/\D/g, '')));
  await expect.poll(total).toBeGreaterThan(0);
  const before = await total();
  await expect.poll(total).toBeGreaterThan(before);
  await expect.poll(() => tab.text('#charts')).not.toContain('–');
  expect(await tab.violations()).toEqual([]);
  const node = await service.killNode();
  await expect.poll(() => tab.row(node)).toEqual({ state: 'down', red: true });
  await expect.poll(() => tab.text('#errors')).not.toBe('0');
  await service.restartNode();
  await expect.poll(() => tab.row(node)).toEqual({ state: 'up', red: false });
  expect(tab.complaints).toEqual([]);
  await tab.page.close();
});
