// A preload for a program that has no client of NATS.
import { registerHooks } from 'node:module';

registerHooks({
  resolve(specifier, context, next) {
    if (specifier.startsWith('@nats-io/')) throw new Error(`Cannot find package '${specifier}'`);
    return next(specifier, context);
  },
});
