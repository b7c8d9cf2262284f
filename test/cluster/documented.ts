// The commands of docs/cluster.md for several machines, as it says them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const text = readFileSync(join(import.meta.dirname, '../../docs/cluster.md'), 'utf8');
const block = /^```sh\n((?:flexemr .*--publish nats:.*\n)(?:flexemr .*\n)+)```$/m.exec(text)?.[1] ?? '';
/** The words of each command, by its name. */
const commands = new Map(
  block
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/).slice(1))
    .map((words) => [words[0], words]),
);

/** The names of all commands. */
export const documentedNames: readonly string[] = [...commands.keys()];

/**
 * The arguments of a command.
 * @param values for what it names, such as T; if there are several, in the order in which they are named
 * @throws if it does not name one of them
 */
export function documented(
  name: string,
  values: Readonly<Record<string, string | readonly string[]>>,
): string[] {
  let words = commands.get(name) ?? [];
  for (const [named, given] of Object.entries(values)) {
    const each = [given].flat();
    const place = new RegExp(`(?<![\\w/])${named}(?!\\w)`);
    for (const value of each) {
      const at = words.findIndex((word) => place.test(word));
      if (at === -1) throw new Error(`${name} of docs/cluster.md does not name ${named}`);
      words = words.with(
        at,
        words[at].replace(place, () => value),
      );
    }
  }
  return words;
}
