/** JSON.parse, past a byte-order mark, which some programs write first. @throws SyntaxError */
export function parseJsonText(text: string): unknown {
  return JSON.parse(text.startsWith('\ufeff') ? text.slice(1) : text);
}
