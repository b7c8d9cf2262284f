// Commands of docs/operating.md, as they are printed there.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const document = readFileSync(join(import.meta.dirname, '../../docs/operating.md'), 'utf8');

/** The blocks of a language in a section, in order. */
export function blocksOf(section: string, language: string): string[] {
  const text = document.split(/^## /m).find((part) => part.startsWith(`${section}\n`)) ?? '';
  const fences = new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, 'gm');
  return [...text.matchAll(fences)].map(([, block]) => block.trim());
}

/** The commands of a section. */
export function commandsOf(section: string): string[] {
  return blocksOf(section, 'sh');
}
