// The files of the page at `/`. They are read once, and nothing else is ever served.
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';

const own = (name: string): string => fileURLToPath(new URL(`../../page/${name}`, import.meta.url));
const library = (name: string): string => fileURLToPath(import.meta.resolve(`uplot/dist/${name}`));

/** The modules of the page. */
const modules = [
  'chart.js',
  'cluster.js',
  'feed.js',
  'figures.js',
  'headline.js',
  'history.js',
  'interval.js',
  'metrics.js',
  'news.js',
  'nodes.js',
  'page.js',
  'panels.js',
  'plot.js',
  'rows.js',
  'units.js',
];

/** By path: where each file is, and its media type. */
const files: Readonly<Record<string, readonly [path: string, type: string]>> = {
  '/': [own('index.html'), 'text/html; charset=utf-8'],
  '/page/page.css': [own('page.css'), 'text/css; charset=utf-8'],
  '/page/icon.svg': [own('icon.svg'), 'image/svg+xml'],
  ...Object.fromEntries(
    modules.map((name) => [`/page/${name}`, [own(name), 'text/javascript; charset=utf-8'] as const]),
  ),
  '/page/uPlot.css': [library('uPlot.min.css'), 'text/css; charset=utf-8'],
  '/page/uPlot.js': [library('uPlot.esm.js'), 'text/javascript; charset=utf-8'],
};

/** The page loads from this server alone, and no other page may frame it. */
const policy =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

type Files = ReadonlyMap<string, readonly [bytes: Buffer, type: string]>;

export class Page {
  readonly #files: Files;

  static async open(): Promise<Page> {
    const read = Object.entries(files).map(async ([path, [file, type]]) => {
      return [path, [await readFile(file), type]] as const;
    });
    return new Page(new Map(await Promise.all(read)));
  }

  private constructor(read: Files) {
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
