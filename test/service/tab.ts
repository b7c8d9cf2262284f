// A tab of Chromium that shows the page of a ranker, and what the browser complains about.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Browser, Media, Page } from '../runtimes/chromium.ts';

const require = createRequire(join(import.meta.dirname, '../runtimes/package.json'));

/** Reports violations of the content security policy in the console. */
const watchPolicy = `addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
  console.error('policy', violatedDirective, blockedURI);
});`;

/** What the browser itself says in the console if nothing listens, or if the token is missing. */
const expected = [
  'Failed to load resource: net::ERR_CONNECTION_REFUSED',
  'Failed to load resource: the server responded with a status of 401 (Unauthorized)',
];

export interface Look extends Media {
  readonly width?: number;
}

export class Tab {
  readonly page: Page;
  /** Errors and warnings, also those of the content security policy. */
  readonly complaints: string[] = [];
  /** What was asked for, except the page and its files. */
  readonly asked: string[] = [];

  static async open(browser: Browser, url: string, { width = 1_280, ...media }: Look = {}): Promise<Tab> {
    const page = await browser.newPage({ viewport: { width, height: 900 }, ...media });
    const tab: Tab = new Tab(page, url);
    await page.addInitScript({ content: watchPolicy });
    await page.goto(url);
    return tab;
  }

  private constructor(page: Page, url: string) {
    this.page = page;
    page.on('console', (message) => {
      const loud = ['error', 'warning'].includes(message.type()) && !expected.includes(message.text());
      if (loud) this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(String(error)));
    page.on('request', (request) => {
      if (request.url() !== url && !request.url().startsWith(`${url}page/`)) this.asked.push(request.url());
    });
  }

  /** The value of an expression about `it`, the first element that matches. */
  async of<T>(selector: string, expression: string): Promise<T> {
    const it = `document.querySelector(${JSON.stringify(selector)})`;
    return (await this.page.evaluate(`((it) => ${expression})(${it})`)) as T;
  }

  /** Its text as it is shown, with plain spaces. */
  text(selector: string): Promise<string> {
    return this.of(selector, String.raw`it.innerText.replaceAll('\u00a0', ' ')`);
  }

  visible(selector: string): Promise<boolean> {
    return this.of(selector, 'it.checkVisibility()');
  }

  /** The texts of a table, row by row. */
  table(body: string): Promise<string[][]> {
    const cells = String.raw`[...cells].map((cell) => cell.innerText.replaceAll('\u00a0', ' '))`;
    return this.of(`#${body}`, `[...it.rows].map(({ cells }) => ${cells})`);
  }

  /** How the row of a node looks. */
  async row(node: string): Promise<{ readonly state: string; readonly red: boolean }> {
    const cell = `[...it.rows].find(({ cells }) => cells[0].innerText === ${JSON.stringify(node)}).cells[1]`;
    const state = await this.of<string>('#rows', `${cell}.innerText`);
    const colour = await this.of<string>('#rows', `getComputedStyle(${cell}).color`);
    const [red = 0, green = 0, blue = 0] = (colour.match(/\d+/g) ?? []).map(Number);
    return { state, red: red > green + 80 && red > blue + 80 };
  }

  /** Whether the first chart has pixels that are nearly of the colour of its line. */
  drawn(): Promise<boolean> {
    return this.of(
      '#charts canvas',
      String.raw`{
        const wanted = getComputedStyle(document.querySelector('#charts line')).stroke.match(/\d+/g);
        const copy = new OffscreenCanvas(it.width, it.height).getContext('2d', { willReadFrequently: true });
        copy.drawImage(it, 0, 0);
        const { data } = copy.getImageData(0, 0, it.width, it.height);
        for (let i = 0; i < data.length; i += 4)
          if (data[i + 3] > 200 && Math.hypot(...wanted.map((value, j) => value - data[i + j])) < 40) return true;
        return false;
      }`,
    );
  }

  /** What axe finds, a line each. */
  async violations(): Promise<string[]> {
    await this.page.evaluate(readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'));
    const found = await this.page.evaluate(
      `axe.run().then(({ violations }) => violations.flatMap(({ id, nodes }) =>
        nodes.map(({ target, failureSummary }) => id + ': ' + target + ' ' + failureSummary)))`,
    );
    return found as string[];
  }
}
