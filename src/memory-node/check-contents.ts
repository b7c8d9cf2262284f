import { contentOf, wholeContentOf } from '../store/content.ts';
import type { SafetensorsFile } from '../store/safetensors.ts';
import { type LoadShardsOptions, loadables, notAsPlanned, ownShards } from './load-shards.ts';

export interface CheckContentsOptions extends Pick<LoadShardsOptions, 'routing' | 'node'> {
  /** Compare every row with the plan's digests, which it must have; default: a sample of them, where it has one. */
  readonly verify?: boolean | undefined;
}

/**
 * Compares the rows of a node's tables with those that were planned. Older plans, and those that programs make of specs
 * alone, do not say which rows they are of. @returns what each table is known by, by its name @throws INVALID_ROUTING
 */
export async function checkContents(
  file: SafetensorsFile,
  options: CheckContentsOptions,
): Promise<Map<string, string>> {
  const contents = new Map<string, string>();
  const own = ownShards(options);
  const planned = new Map(own.map(({ table }) => [table.spec.name, table]));
  for (const from of loadables(file, own)) {
    const { name } = from.spec;
    const { content, contentWhole } = planned.get(name) ?? {};
    const found = await contentOf(file, from);
    if (content !== undefined && found !== content) throw otherRows(file, name, found, content);
    contents.set(name, found);
    if (!options.verify) continue;
    if (contentWhole === undefined)
      throw notAsPlanned(file, name, 'cannot be verified: its plan was made without --verify');
    const whole = await wholeContentOf(file, from);
    if (whole !== contentWhole) throw otherRows(file, name, whole, contentWhole);
  }
  return contents;
}

function otherRows(file: SafetensorsFile, table: string, found: string, planned: string): Error {
  return notAsPlanned(
    file,
    table,
    `holds other rows than were planned (content ${found}, planned ${planned})`,
  );
}
