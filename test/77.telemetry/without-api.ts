// A preload for a program with an SDK, whose copy of the API flexemr cannot load.
import { registerHooks } from 'node:module';

Object.assign(globalThis, {
  [Symbol.for('opentelemetry.js.api.1')]: { version: '1.9.0', trace: { getTracer: () => undefined } },
});
registerHooks({
  resolve(specifier, context, next) {
    if (specifier === '@opentelemetry/api') throw new Error(`Cannot find package '${specifier}'`);
    return next(specifier, context);
  },
});
