import { FlexemrError } from '../errors.ts';
import { uncompiled } from '../kernel/wasm.ts';

/** @throws UNAVAILABLE if the module is not served there, MISSING_DEPENDENCY if the runtime has no SIMD */
export async function fetchModule(url: URL): Promise<WebAssembly.Module> {
  const response = await fetch(url).catch((cause: unknown) => {
    throw unavailable(url, 'cannot be fetched', cause);
  });
  if (!response.ok) throw unavailable(url, `answers with HTTP ${response.status}`);
  const bytes = await response.arrayBuffer();
  return await WebAssembly.compile(bytes).catch((cause: unknown) => {
    throw uncompiled(url.href, cause);
  });
}

function unavailable({ href }: URL, problem: string, cause?: unknown): FlexemrError {
  const message = `${href} ${problem}: serve the files of flexemr's wasm folder there, beside the bundled script`;
  return new FlexemrError('UNAVAILABLE', message, { field: 'url', value: href, cause });
}
