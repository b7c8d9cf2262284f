// One measurement of `bench -- loading`, in a process of its own, so that the memory is fresh: prints the seconds.
import type { RowDtype } from '../src/index.ts';

// As people have it: TypeScript would take its own time to be read, in each thread.
const { openTables } = await import(new URL('../dist/index.js', import.meta.url).href);
const [file, dtype, threads] = process.argv.slice(2);
const began = performance.now();
await using _tables = await openTables(file, { dtype: dtype as RowDtype, threads: Number(threads) });
console.log((performance.now() - began) / 1000);
