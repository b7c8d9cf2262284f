// Debian's Chromium, driven by Playwright.
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { built } from './build.ts';
import { type Runtime, readRun } from './runtime.ts';

const require = createRequire(join(import.meta.dirname, 'package.json'));
export const chromiumPath = '/usr/bin/chromium';

/** Without these it looks for hosts that are not there. */
const chromiumArgs: readonly string[] = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** As far as they are used here: their types are there once Playwright is installed. */
export interface Page {
  goto(url: string): Promise<unknown>;
  waitForFunction(condition: string): Promise<unknown>;
  evaluate(expression: string): Promise<unknown>;
}

export interface Browser {
  newPage(): Promise<Page>;
  close(): Promise<void>;
}

export async function openChromium(): Promise<Browser> {
  const { chromium } = require('playwright-core') as {
    readonly chromium: { launch(options: object): Promise<Browser> };
  };
  return await chromium.launch({ executablePath: chromiumPath, args: chromiumArgs });
}

export async function chromium(): Promise<Runtime> {
  const name = 'Chromium';
  const none = {
    name,
    missing: 'apt-get install chromium',
    run: () => Promise.reject(new Error('no Chromium')),
  };
  if (!existsSync(chromiumPath)) return none;
  let input: Uint8Array = new Uint8Array();
  const server = createServer(({ url }, response) => {
    if (url === '/')
      response.setHeader('content-type', 'text/html').end('<script type=module src=/page.js></script>');
    else if (url === '/input') response.end(input);
    else if (url === '/page.js' || url?.endsWith('.wasm')) {
      const type = url.endsWith('.wasm') ? 'application/wasm' : 'text/javascript';
      response.setHeader('content-type', type).end(readFileSync(join(built, url)));
    } else response.writeHead(404).end();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const browser = await openChromium();
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
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
      server.close();
    },
  };
}
