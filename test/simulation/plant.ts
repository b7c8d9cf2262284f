// Loads a file of src/ with a fault in it.
import { registerHooks } from 'node:module';
import type { Mutation } from './mutations.ts';

/** Files that are imported from now on have the fault. @throws if its text does not occur exactly once */
export function plant({ file, from, to }: Mutation): void {
  const url = new URL(`../../src/${file}`, import.meta.url).href;
  registerHooks({
    load(loaded, context, next) {
      const result = next(loaded, context);
      if (loaded !== url) return result;
      const source = String(result.source);
      if (source.split(from).length !== 2)
        throw new Error(`the text of a mutation does not occur once in src/${file}`);
      return { ...result, source: source.replace(from, () => to) };
    },
  });
}
