// Builds wasm/kernels.shared.wasm and wasm/kernels.plain.wasm from the same source.
// -O3s, not -O3: it keeps row loops out of the functions that call them, where V8 would unroll and spill them.
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const flags =
  '--runtime stub --noAssert -O3s --converge --enable simd,bulk-memory --importMemory --use abort= --disableWarning 201';
const builds = {
  shared: '--enable threads --sharedMemory --initialMemory 1 --maximumMemory 65536',
  plain: '--disable threads --initialMemory 1',
};

const root = fileURLToPath(new URL('..', import.meta.url));
// What an earlier build left must not end up in the package.
rmSync(`${root}/dist`, { recursive: true, force: true });

for (const [name, own] of Object.entries(builds)) {
  const options = `assembly/kernels.ts -o wasm/kernels.${name}.wasm ${flags} ${own}`.split(' ');
  const { error, stderr } = await asc.main([...options, '--baseDir', root]);
  if (error) throw new Error(`${stderr.toString()}${error.message}`);
}
