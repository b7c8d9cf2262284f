/** Reads a body as text. A body may have no end. @throws Error if it has more than `bytesMax` bytes */
export async function textOf(
  body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<string> {
  const utf8 = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Error(`the answer has more than ${bytesMax} bytes`);
    text += utf8.decode(chunk, { stream: true });
  }
  return text + utf8.decode();
}
