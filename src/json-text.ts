/**
 * JSON.parse that skips a byte-order mark, which some programs write first.
 * @throws SyntaxError with the same words in all engines, and with the place of the error if the engine reports it
 */
export function parseJsonText(text: string): unknown {
  const json = text.startsWith('\ufeff') ? text.slice(1) : text;
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new SyntaxError(`it is not JSON${placeOf((cause as Error).message, json)}`, { cause });
  }
}

/** V8 and SpiderMonkey name the position, or the line and the column. */
function placeOf(message: string, json: string): string {
  const at = /at position (\d+)/.exec(message);
  if (at === null) return '';
  const before = json.slice(0, Number(at[1])).split('\n');
  return `: line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`;
}
