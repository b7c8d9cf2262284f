import { contentOf, wholeContentOf } from '../store/content.ts';
import { planTables } from '../store/load.ts';
import type { SafetensorsFile } from '../store/safetensors.ts';
import { type LoadShardsOptions, notAsPlanned, ownShards } from './load-shards.ts';

export interface CheckContentsOptions extends Pick<LoadShardsOptions, 'routing' | 'node'> {
  /** Compare every row with the plan's digests, which it must have; default: a sample of them, where it has one. */
  readonly verify?: boolean | undefined;
}

/**
 * Compares the rows of a node's tables with those that were planned. Older plans, and those that programs make of specs
 * alone, do not say which rows they are of: rankers then compare what nodes know of all planned tables in their files.
 * @returns what each planned table in the file is known by, by its name @throws INVALID_ROUTING
 */
export async function checkContents(
  file: SafetensorsFile,
  options: CheckContentsOptions,
): Promise<Record<string, string>> {
  const contents: [string, string][] = [];
  const own = new Set(ownShards(options).map(({ table }) => table.spec.name));
  const planned = new Map(options.routing.tables.map((table) => [table.spec.name, table]));
  for (const from of planTables(file)) {
    const { name } = from.spec;
    const table = planned.get(name);
    if (table === undefined) continue;
    const { content, contentWhole } = table;
    const found = await contentOf(file, from);
    contents.push([name, found]);
    if (!own.has(name)) continue;
    if (content !== undefined && found !== content) throw otherRows(file, name, found, content);
    if (!options.verify) continue;
    if (contentWhole === undefined)
      throw notAsPlanned(file, name, 'cannot be verified: its plan was made without --verify');
    const whole = await wholeContentOf(file, from);
    if (whole !== contentWhole) throw otherRows(file, name, whole, contentWhole);
  }
  return Object.fromEntries(contents);
}

function otherRows(file: SafetensorsFile, table: string, found: string, planned: string): Error {
  return notAsPlanned(
    file,
    table,
    `holds other rows than were planned (content ${found}, planned ${planned}): give the file that was planned`,
  );
}
