// node test/service/picture.ts [FILE]: draws docs/page.png, the page after five minutes in which a memory node was lost.
import { writeFileSync } from 'node:fs';
import { openChromium } from '../runtimes/chromium.ts';
import { openFakeService } from './fake-service.ts';
import { palettePng } from './palette-png.ts';
import { Tab } from './tab.ts';

const [file = `${import.meta.dirname}/../../docs/page.png`] = process.argv.slice(2);
const width = 1_280;
const seconds = 300;
const lostAt = 250;
/** The page's own time, which passes as fast as figures come. */
const begins = new Date('2026-11-29T03:07:08');

const service = await openFakeService({ port: 8_080, started: new Date('2026-11-25T22:40:16') });
const browser = await openChromium();
const tab = await Tab.open(browser, 'about:blank', { colorScheme: 'light', width });
await tab.page.clock.pauseAt(begins);
await tab.page.goto(service.url);
let shown = 'connecting';
for (let second = 0; second < seconds; second++) {
  if (second === lostAt) await service.killNode();
  while ((await tab.text('#state')) === shown) await new Promise((resolve) => setTimeout(resolve, 2));
  shown = await tab.text('#state');
  await tab.page.clock.runFor(1_000);
}
const png = await tab.page.screenshot({ fullPage: true });
const blank = await Tab.open(browser, 'about:blank');
const pixels = await blank.page.evaluate(`fetch('data:image/png;base64,${png.toString('base64')}')
  .then((response) => response.blob())
  .then((blob) => createImageBitmap(blob))
  .then((image) => {
    const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
    canvas.drawImage(image, 0, 0);
    return new Uint8Array(canvas.getImageData(0, 0, image.width, image.height).data.buffer).toBase64();
  })`);
writeFileSync(file, palettePng(Buffer.from(String(pixels), 'base64'), width));
await browser.close();
await service.close();
