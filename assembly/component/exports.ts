const exportSection = 7;

/**
 * Renames the exports of a module. Each gets one or several names. Exports that are not in `names` are removed. This is
 * needed because AssemblyScript only exports names that are valid in its syntax.
 */
export function renameExports(
  module: Uint8Array,
  names: Readonly<Record<string, readonly string[]>>,
): Uint8Array {
  const out: number[] = [];
  out.push(...module.subarray(0, 8));
  for (let at = 8; at < module.length; ) {
    const id = module[at];
    const [size, begin] = readU32(module, at + 1);
    const section = module.subarray(begin, begin + size);
    const content = id === exportSection ? renamed(section, names) : section;
    out.push(id, ...u32(content.length));
    for (const byte of content) out.push(byte);
    at = begin + size;
  }
  return Uint8Array.from(out);
}

/** Renames the entries of an export section. An entry is a name, a kind and an index. */
function renamed(section: Uint8Array, names: Readonly<Record<string, readonly string[]>>): number[] {
  const entries: number[][] = [];
  const missing = new Set(Object.keys(names));
  let [count, at] = readU32(section, 0);
  for (; count > 0; count--) {
    const [length, begin] = readU32(section, at);
    const name = new TextDecoder().decode(section.subarray(begin, begin + length));
    const [, end] = readU32(section, begin + length + 1);
    const target = section.subarray(begin + length, end);
    missing.delete(name);
    for (const given of names[name] ?? []) {
      const bytes = new TextEncoder().encode(given);
      entries.push([...u32(bytes.length), ...bytes, ...target]);
    }
    at = end;
  }
  if (missing.size > 0) throw new Error(`the module exports no ${[...missing].join(', ')}`);
  return [...u32(entries.length), ...entries.flat()];
}

/** Reads LEB128. @returns the number, and the offset at which it ends */
function readU32(bytes: Uint8Array, at: number): [value: number, end: number] {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return [value, at];
  }
}

function u32(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...u32(value >>> 7)];
}
