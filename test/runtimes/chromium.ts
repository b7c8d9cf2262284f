// Debian's Chromium, controlled by Playwright.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { built } from './build.ts';
import { type Runtime, readRun } from './runtime.ts';
import { serveFolder } from './static-server.ts';

const require = createRequire(join(import.meta.dirname, 'package.json'));
const executablePath = '/usr/bin/chromium';

/** Without these arguments, Chromium tries to reach hosts on the network. */
const args: readonly string[] = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The used part of Playwright, whose own types exist only if it is installed. */
export interface Page {
  goto(url: string): Promise<unknown>;
  reload(): Promise<unknown>;
  close(): Promise<void>;
  waitForFunction(condition: string): Promise<unknown>;
  evaluate(expression: string): Promise<unknown>;
  addInitScript(script: { readonly content: string }): Promise<unknown>;
  fill(selector: string, value: string): Promise<void>;
  hover(selector: string): Promise<void>;
  emulateMedia(media: Media): Promise<void>;
  setViewportSize(size: Size): Promise<void>;
  screenshot(options: { readonly fullPage: boolean }): Promise<Buffer>;
  on(event: 'console', listener: (message: { type(): string; text(): string }) => void): void;
  on(event: 'pageerror', listener: (error: Error) => void): void;
  on(event: 'request', listener: (request: { url(): string }) => void): void;
  readonly keyboard: { press(key: string): Promise<void> };
  readonly clock: { pauseAt(time: Date): Promise<void>; runFor(ms: number): Promise<void> };
}

export interface Media {
  readonly colorScheme?: 'light' | 'dark';
  readonly reducedMotion?: 'reduce' | 'no-preference';
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Browser {
  newPage(options?: Media & { readonly viewport?: Size }): Promise<Page>;
  close(): Promise<void>;
}

/** The missing dependencies on this machine, or undefined. */
export const chromiumMissing: string | undefined = existsSync(executablePath)
  ? undefined
  : 'apt-get install chromium';

export async function openChromium(): Promise<Browser> {
  const { chromium } = require('playwright-core') as {
    readonly chromium: { launch(options: object): Promise<Browser> };
  };
  return await chromium.launch({ executablePath, args });
}

/** The conformance run in a page. */
export async function chromium(): Promise<Runtime> {
  const name = 'Chromium';
  const none = (): Promise<never> => Promise.reject(new Error(chromiumMissing));
  if (chromiumMissing !== undefined) return { name, missing: chromiumMissing, run: none };
  let input: Uint8Array = new Uint8Array();
  const html = new TextEncoder().encode('<!doctype html><script type=module src=/page.js></script>');
  const server = await serveFolder(
    built,
    new Map([
      ['/', () => html],
      ['/input', () => input],
    ]),
  );
  const browser = await openChromium();
  const page = await browser.newPage();
  await page.goto(server.url);
  await page.waitForFunction('typeof conform === "function"');
  return {
    name,
    missing: undefined,
    async run(bytes) {
      input = bytes;
      return readRun(String(await page.evaluate('conform()')));
    },
    async close() {
      await browser.close();
      await server[Symbol.asyncDispose]();
    },
  };
}
