// A PNG of at most 256 colours: a picture of text and lines is then a third as large.
import { crc32, deflateSync } from 'node:zlib';

const coloursMax = 256;
/** Between two colours of the palette, of 255. */
const distanceMin = 9;
const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');

/** @param rgba four bytes per pixel, row by row; the alpha is left out */
export function palettePng(rgba: Uint8Array, width: number): Buffer {
  const height = rgba.length / 4 / width;
  const pixels = Uint32Array.from({ length: width * height }, (_, i) => {
    return rgba[4 * i] * 65_536 + rgba[4 * i + 1] * 256 + rgba[4 * i + 2];
  });
  const palette = frequent(pixels);
  const near = new Map<number, number>();
  // Each row begins with the number of its filter, which is none.
  const rows = Buffer.alloc((width + 1) * height);
  for (const [i, colour] of pixels.entries()) {
    const index = near.get(colour) ?? nearest(palette, colour);
    near.set(colour, index);
    rows[i + Math.floor(i / width) + 1] = index;
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3], 8);
  const colours = Buffer.from(palette.flatMap(parts));
  const chunks = [
    chunk('IHDR', header),
    chunk('PLTE', colours),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
  ];
  return Buffer.concat([signature, ...chunks, chunk('IEND', Buffer.alloc(0))]);
}

/** The colours that most pixels have, without those that are nearly the same as others. */
function frequent(pixels: Uint32Array): number[] {
  const counts = new Map<number, number>();
  for (const colour of pixels) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  const palette: number[] = [];
  for (const [colour] of [...counts].sort(([, a], [, b]) => b - a))
    if (palette.length < coloursMax && palette.every((known) => distance(known, colour) >= distanceMin))
      palette.push(colour);
  return palette;
}

function nearest(palette: readonly number[], colour: number): number {
  const distances = palette.map((known) => distance(known, colour));
  return distances.indexOf(Math.min(...distances));
}

function distance(a: number, b: number): number {
  const other = parts(b);
  return Math.hypot(...parts(a).map((part, i) => part - other[i]));
}

/** Red, green and blue. */
function parts(colour: number): number[] {
  return [colour >> 16, (colour >> 8) & 255, colour & 255];
}

function chunk(name: string, content: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(name, 'latin1'), content]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(content.length);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}
