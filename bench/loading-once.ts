// One measurement of `bench -- loading`, in its own process, so that its memory is fresh. It prints the seconds.
import type { RowDtype } from '../src/index.ts';

// Loads the built package, as users do. TypeScript sources would take extra time to load in each thread.
const { openTables } = await import(new URL('../dist/index.js', import.meta.url).href);
const [file, dtype, threads] = process.argv.slice(2);
const began = performance.now();
await using _tables = await openTables(file, { dtype: dtype as RowDtype, threads: Number(threads) });
console.log((performance.now() - began) / 1000);
