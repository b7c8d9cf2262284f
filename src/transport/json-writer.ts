// Writes JSON in slices and in pieces, so that a long answer does not delay other requests.
import { elementsAtOnce, type Slices } from '../wire/slices.ts';
import { floatText } from './float-text.ts';

/** Text of at least this many characters becomes one buffer. */
const pieceChars = 65_536;

const floatsAtOnce = 16;

/** The same text as JSON.stringify for plain data, as UTF-8 in pieces. A Float32Array is an array of its shortest numbers. */
export async function jsonPieces(value: unknown, slices: Slices): Promise<Buffer[]> {
  const pieces: Buffer[] = [];
  let text = '';
  let parts = 0;
  for (const part of textOf(value)) {
    text += part;
    if (text.length >= pieceChars) {
      pieces.push(Buffer.from(text));
      text = '';
    }
    if (++parts % 64 === 0) await slices.pause();
  }
  pieces.push(Buffer.from(`${text}\n`));
  return pieces;
}

function* textOf(value: unknown): Generator<string> {
  if (Array.isArray(value)) yield* arrayText(value);
  else if (value instanceof Float32Array) yield* floatsText(value);
  else if (typeof value === 'object' && value !== null) yield* objectText(value);
  else yield JSON.stringify(value);
}

function* arrayText(values: readonly unknown[]): Generator<string> {
  yield '[';
  for (let i = 0; i < values.length; ) {
    if (i > 0) yield ',';
    if (typeof values[i] === 'object' && values[i] !== null) yield* textOf(values[i++]);
    else {
      // If the first value of an array is plain, all others are plain too.
      yield JSON.stringify(values.slice(i, i + elementsAtOnce)).slice(1, -1);
      i += elementsAtOnce;
    }
  }
  yield ']';
}

function* floatsText(values: Float32Array): Generator<string> {
  yield '[';
  // The clock is read after 64 parts. This many numbers take about 10 µs.
  for (let i = 0; i < values.length; i += floatsAtOnce) {
    if (i > 0) yield ',';
    yield Array.from(values.subarray(i, i + floatsAtOnce), floatText).join();
  }
  yield ']';
}

function* objectText(value: object): Generator<string> {
  let separator = '{';
  for (const [name, element] of Object.entries(value)) {
    if (element === undefined) continue;
    yield `${separator}${JSON.stringify(name)}:`;
    yield* textOf(element);
    separator = ',';
  }
  yield separator === '{' ? '{}' : '}';
}
