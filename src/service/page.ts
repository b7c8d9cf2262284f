// The files of the page at `/`. They are read once, and nothing else is ever served.
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';

const own = (name: string): string => fileURLToPath(new URL(`../../page/${name}`, import.meta.url));
const library = (name: string): string => fileURLToPath(import.meta.resolve(`uplot/dist/${name}`));

/** By path: where each file is, and its media type. */
const files: Readonly<Record<string, readonly [path: string, type: string]>> = {
  '/': [own('index.html'), 'text/html; charset=utf-8'],
  '/page/page.css': [own('page.css'), 'text/css; charset=utf-8'],
  '/page/page.js': [own('page.js'), 'text/javascript; charset=utf-8'],
  '/page/metrics.js': [own('metrics.js'), 'text/javascript; charset=utf-8'],
  '/page/uPlot.css': [library('uPlot.min.css'), 'text/css; charset=utf-8'],
  '/page/uPlot.js': [library('uPlot.esm.js'), 'text/javascript; charset=utf-8'],
};

/** The page loads from this server alone, and no other page may frame it. */
const policy =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

export class Page {
  readonly #files: ReadonlyMap<string, readonly [bytes: Buffer, type: string]>;

  static async open(): Promise<Page> {
    const read = Object.entries(files).map(async ([path, [file, type]]) => {
      return [path, [await readFile(file), type]] as const;
    });
    return new Page(new Map(await Promise.all(read)));
  }

  private constructor(read: ReadonlyMap<string, readonly [bytes: Buffer, type: string]>) {
    this.#files = read;
  }

  /** Whether it has this path. */
  has(path: string): boolean {
    return this.#files.has(path);
  }

  serve({ method, url = '/' }: IncomingMessage, response: ServerResponse): void {
    const [bytes, type] = this.#files.get(url) ?? [Buffer.alloc(0), 'text/plain'];
    response.writeHead(200, {
      'content-type': type,
      'content-length': bytes.length,
      'content-security-policy': policy,
      'x-content-type-options': 'nosniff',
    });
    response.end(method === 'HEAD' ? undefined : bytes);
  }
}
