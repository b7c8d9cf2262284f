/** A body as text. It may not be endless. @throws Error where it has more than `bytesMax` bytes */
export async function textOf(
  body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<string> {
  const utf8 = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Error(`it answers with more than ${bytesMax} bytes`);
    text += utf8.decode(chunk, { stream: true });
  }
  return text + utf8.decode();
}
