// Windows that stay as they are at the start: the same code, with a target that no queue reaches.
import { registerHooks } from 'node:module';

const file = '/src/credit-limits.ts';
const [from, to] = ['windowTargetMs = 5', 'windowTargetMs = 1e9'];

/** Modules that are imported from now on have fixed windows. */
export function fixWindows(): void {
  registerHooks({
    load(url, context, next) {
      const result = next(url, context);
      if (!url.endsWith(file)) return result;
      const source = String(result.source);
      if (!source.includes(from)) throw new Error(`${file} does not say ${from}`);
      return { ...result, source: source.replace(from, to) };
    },
  });
}
