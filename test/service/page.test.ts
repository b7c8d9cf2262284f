// The page of a ranker in Chromium: figures, nodes, failures, the token, and that everybody can use it.
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Browser, chromiumMissing, openChromium } from '../runtimes/chromium.ts';
import { releases } from './fake-cluster.ts';
import { openFakeService } from './fake-service.ts';
import type { OpenOptions, ServiceUnderTest } from './service-under-test.ts';
import { type Look, Tab } from './tab.ts';

if (chromiumMissing) throw new Error(`the page is tested in Chromium: ${chromiumMissing}`);

let browser: Browser;
beforeAll(async () => {
  browser = await openChromium();
});
afterAll(() => browser.close());

const tabs: Tab[] = [];
afterEach(async () => {
  for (const { complaints, asked, page } of tabs.splice(0)) {
    await page.close();
    expect(complaints).toEqual([]);
    expect(asked.filter((url) => !/\/(metrics|v1\/cluster)$/.test(url))).toEqual([]);
  }
});

async function show({ url }: ServiceUnderTest, look: Look = {}): Promise<Tab> {
  const tab = await Tab.open(browser, url, look);
  tabs.push(tab);
  return tab;
}

/** Waits for rates, which need two scrapes. */
async function untilLive(tab: Tab): Promise<void> {
  await expect.poll(() => tab.text('#requests')).toMatch(/^[\d,.]+$/);
}

const services: readonly (readonly [string, (options?: OpenOptions) => Promise<ServiceUnderTest>])[] = [
  ['a fake ranker', openFakeService],
];

describe.each(services)('the page of %s', (_, openService) => {
  async function open(options: OpenOptions = {}): Promise<ServiceUnderTest> {
    const service = await openService(options);
    onTestFinished(() => service.close());
    return service;
  }

  async function live(options: OpenOptions = {}, look: Look = {}): Promise<readonly [Tab, ServiceUnderTest]> {
    const service = await open(options);
    const tab = await show(service, look);
    await untilLive(tab);
    return [tab, service];
  }

  test('has figures that move, in the headline, beside each chart and in the table', async () => {
    const [tab] = await live();
    const places = ['#requests', '#requests-note', '#p99', '#charts dd', '#rows td:nth-child(4)'];
    const read = (): Promise<string[]> => Promise.all(places.map((place) => tab.text(place)));
    const before = await read();
    expect(before.filter((text) => !/\d/.test(text))).toEqual([]);
    const moved = new Set<string>();
    await expect
      .poll(async () => {
        for (const [i, text] of (await read()).entries()) if (text !== before[i]) moved.add(places[i]);
        return moved;
      })
      .toEqual(new Set(places));
    expect(await tab.text('#since')).toMatch(/^up .+, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    expect(await tab.text('#charts')).not.toContain('–');
    expect(await tab.page.evaluate('document.title')).toBe('flexemr ranker');
  });

  test('shows a node that is killed in red, with the word, and that it comes back', async () => {
    const [tab, service] = await live();
    const node = await service.killNode();
    await expect.poll(() => tab.row(node)).toEqual({ state: 'down', red: true });
    expect(await tab.text('#nodes-up')).toContain(`down: ${node}`);
    expect(await tab.text('#news')).toBe(`Memory nodes down: ${node}`);
    expect(await tab.page.evaluate('document.title')).toBe('1 down · flexemr ranker');
    await service.restartNode();
    await expect.poll(() => tab.row(node)).toEqual({ state: 'up', red: false });
    expect(await tab.text('#news')).toBe(`Memory nodes up again: ${node}`);
    expect(await tab.text('#nodes-up')).not.toContain('down');
  });

  test('shows releases, who has loaded them and who uses them, and what went wrong', async () => {
    const [tab] = await live();
    const [serving, next] = [releases.serving.plan, releases.next?.plan];
    expect(await tab.text('#source')).toBe('nats://nats.example/flexemr, revision 41 1764500000');
    await expect
      .poll(() => tab.table('releases'))
      .toEqual([
        ['serving', serving, '/tables/2026-11-28.safetensors', '28', '3', '12', '4 of 4 ready', '2'],
        [
          'next',
          next,
          '/tables/2026-11-29.safetensors',
          '29',
          '3',
          '12',
          '2 of 4 ready, 1 loading, 1 failed',
          '0',
        ],
      ]);
    const holders = await tab.table('holders');
    expect(holders[0].slice(0, 3)).toEqual([
      'memory-0:7000',
      'serving ready, next ready',
      '6.00 GB of 16.0 GB',
    ]);
    expect(holders[3][1]).toBe('serving ready, next failed: no such file');
    const users = (await tab.table('followers')).map((cells) => cells.slice(0, 2));
    expect(users).toEqual(['r-8d21', 'r-f07a'].map((ranker) => [ranker, 'serving']));
    expect(await tab.visible('#cluster-problem')).toBe(false);
  });

  test('says that there are no memory nodes', async () => {
    const [tab] = await live({ inProcess: true });
    expect(await tab.visible('#local')).toBe(true);
    expect(await tab.text('#local')).toContain('There are no memory nodes');
    for (const place of ['#table', '#nodes-up', '#cluster', '[aria-label^="Nodes, bytes"]'])
      expect(await tab.visible(place), place).toBe(false);
  });

  test('says since when there are no figures, and recovers', async () => {
    const [tab, service] = await live();
    await service.close();
    const says = /^No figures since \d\d:\d\d:\d\d \(.+\): the ranker cannot be reached/;
    await expect.poll(() => tab.text('#problem')).toMatch(says);
    expect(await tab.visible('#problem')).toBe(true);
    expect(await tab.text('#state')).toBe('no figures');
    expect(await tab.violations()).toEqual([]);
    await open({ port: Number(new URL(service.url).port) });
    await expect.poll(() => tab.visible('#problem')).toBe(false);
    expect(await tab.text('#news')).toBe('The figures are back.');
    await untilLive(tab);
  });

  test('asks for the token, and keeps it as long as the tab', async () => {
    const service = await open({ token: 'correct horse' });
    const tab = await show(service);
    await expect.poll(() => tab.visible('#ask')).toBe(true);
    expect(await tab.visible('#figures')).toBe(false);
    expect(await tab.page.evaluate('document.activeElement.id')).toBe('token');
    expect(await tab.violations()).toEqual([]);
    await tab.page.fill('#token', 'wrong');
    await tab.page.keyboard.press('Enter');
    await expect.poll(() => tab.text('#refused')).toBe('The ranker refused this token.');
    await tab.page.fill('#token', 'correct horse');
    await tab.page.keyboard.press('Enter');
    await untilLive(tab);
    expect(await tab.visible('#ask')).toBe(false);
    await tab.page.reload();
    await untilLive(tab);
    const another = await show(service);
    await expect.poll(() => another.visible('#ask')).toBe(true);
  });

  test.for([
    { colorScheme: 'light', width: 1_280 },
    { colorScheme: 'dark', width: 2_560 },
    { colorScheme: 'light', width: 360 },
  ] as const)('has no fault that axe finds, and nothing is cut off: %j', async (look) => {
    const [tab, service] = await live({}, look);
    const node = await service.killNode();
    await expect.poll(() => tab.row(node)).toMatchObject({ state: 'down' });
    expect(await tab.violations()).toEqual([]);
    expect(await tab.of('html', 'it.scrollWidth - it.clientWidth')).toBe(0);
  });

  test('has charts that follow the theme and the width', async () => {
    const [tab] = await live({}, { colorScheme: 'light' });
    await expect.poll(() => tab.drawn()).toBe(true);
    // New figures would draw it again.
    await tab.of('#pause', 'it.click()');
    await tab.page.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(() => tab.drawn()).toBe(true);
    const beside = `it.clientWidth - it.querySelector('canvas').clientWidth`;
    for (const width of [360, 1_000, 1_920]) {
      await tab.page.setViewportSize({ width, height: 900 });
      await expect.poll(() => tab.of('#charts .plot', beside)).toBe(0);
    }
  });

  test('is used by keyboard: the focus reaches everything and is seen', async () => {
    const [tab] = await live();
    const all = `[...document.querySelectorAll('a, button, input, [tabindex="0"]')].filter((it) => it.checkVisibility())`;
    const ids = (await tab.page.evaluate(`${all}.map(({ id }) => id)`)) as string[];
    expect(ids).toContain('pause');
    for (const id of ids) {
      await tab.page.keyboard.press('Tab');
      expect(await tab.page.evaluate('document.activeElement.id')).toBe(id);
      expect(await tab.of(`#${id}`, 'getComputedStyle(it).outlineStyle')).toBe('solid');
    }
  });

  test('shows the values of an earlier time, by keyboard and by pointer', async () => {
    const [tab] = await live();
    await tab.of('#ago', 'it.focus()');
    await tab.page.keyboard.press('ArrowLeft');
    expect(await tab.text('#shown')).toMatch(/^\d\d:\d\d:\d\d$/);
    expect(await tab.of('#ago', 'it.ariaValueText')).toMatch(/^\d\d:\d\d:\d\d$/);
    await tab.page.keyboard.press('End');
    expect(await tab.text('#shown')).toBe('now');
    await tab.page.hover('#charts .u-over');
    expect(await tab.text('#shown')).toMatch(/^\d\d:\d\d:\d\d$/);
    await tab.page.hover('h1');
    expect(await tab.text('#shown')).toBe('now');
  });

  test('asks for nothing while it is paused or hidden', async () => {
    const [tab] = await live();
    const pause = `document.getElementById('pause').click()`;
    const hide = `Object.defineProperty(document, 'hidden', { value: !document.hidden, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'))`;
    for (const toggle of [pause, hide]) {
      await tab.page.evaluate(toggle);
      const asked = tab.asked.length;
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      expect(tab.asked.length).toBe(asked);
      await tab.page.evaluate(toggle);
      await expect.poll(() => tab.asked.length).toBeGreaterThan(asked);
    }
  });

  test.for([
    ['no-preference', false],
    ['reduce', true],
  ] as const)('moves its charts if that is wanted: %s', async ([reducedMotion, stands]) => {
    const [tab] = await live({}, { reducedMotion });
    const picture = (): Promise<string> => tab.of('#charts canvas', 'it.toDataURL()');
    const stood = async (): Promise<boolean> => {
      const [before, value] = [await picture(), await tab.text('#charts dd')];
      await expect.poll(() => tab.text('#charts dd')).not.toBe(value);
      return (await picture()) === before;
    };
    await expect.poll(stood).toBe(stands);
  });
});
