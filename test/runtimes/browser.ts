// examples/browser in Chromium.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { built } from './build.ts';
import { openChromium } from './chromium.ts';
import { serveFolder } from './static-server.ts';

const here = import.meta.dirname;

/** @returns what is wrong, if anything */
export async function browserProblems(): Promise<string[]> {
  const folder = join(built, 'browser');
  execFileSync(process.execPath, [join(here, '../../examples/browser/build.ts'), folder], {
    cwd: here,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await using server = await serveFolder(folder);
  const browser = await openChromium();
  try {
    const page = await browser.newPage();
    await page.goto(server.url);
    await page.waitForFunction('document.body.hasAttribute("data-done")');
    const said = async (id: string): Promise<string> =>
      String(await page.evaluate(`document.getElementById("${id}").textContent`));
    const [workers, bits, rows] = await Promise.all(['workers', 'bits', 'rows'].map(said));
    console.log(`examples/browser: ${workers} workers, bits ${bits}, ${rows}`);
    const right = bits === 'identical' && Number(workers) > 0 && Number.parseFloat(rows) > 0;
    return right ? [] : [`the page says ${workers}, ${bits}, ${rows}`];
  } finally {
    await browser.close();
  }
}
