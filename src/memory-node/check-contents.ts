import { FlexemrError } from '../errors.ts';
import { sampleDigestOf, versionDigestOf, wholeContentOf } from '../store/content.ts';
import { type LoadableTable, planTables } from '../store/load.ts';
import type { SafetensorsFile } from '../store/safetensors.ts';
import { snapshotOf } from '../updates/snapshot-state.ts';
import { type NodePlan, notAsPlanned, ownShards } from './load-shards.ts';

export interface CheckContentsOptions extends NodePlan {
  /**
   * Compares every row with the digests in the plan, which must contain them. Default: compares a sample of the rows,
   * if the plan contains a digest of it.
   */
  readonly verify?: boolean | undefined;
  /** Whether lookups run meanwhile: the thread rests most of the time. */
  readonly besideLookups?: boolean | undefined;
}

/**
 * Checks that the rows of a node's tables are those that were planned. Older plans, and plans that programs make from
 * specs only, contain no digests. Rankers then compare the digests that the nodes report for all planned tables in
 * their files. Of a server, no rows are read if the plan was made from the same files there. A snapshot says itself of which rows it is.
 * @returns the digest of each planned table in the file, by its name, as far as it is known @throws INVALID_ROUTING
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
    if (snapshotOf(file, table) !== undefined) {
      contents.push([name, String(content)]);
      if (options.verify && own.has(name)) throw unverifiable(file, name);
      continue;
    }
    const found = await contentFound(file, from, content, own.has(name), options.besideLookups);
    if (found !== undefined) contents.push([name, found]);
    if (!own.has(name)) continue;
    if (content !== undefined && found !== content) throw otherRows(file, name, String(found), content);
    if (!options.verify) continue;
    if (contentWhole === undefined)
      throw notAsPlanned(file, name, 'cannot be verified: its plan was made without --verify');
    const whole = await wholeContentOf(file, from, options.besideLookups);
    if (whole !== contentWhole) throw otherRows(file, name, whole, contentWhole);
  }
  return Object.fromEntries(contents);
}

/**
 * The digest to compare with the planned one. If a plan was not made from the files at the server, a node reads samples
 * of its own tables there, and does not know the others.
 */
async function contentFound(
  file: SafetensorsFile,
  from: LoadableTable,
  planned: string | undefined,
  own: boolean,
  paced: boolean | undefined,
): Promise<string | undefined> {
  const version = versionDigestOf(file, from);
  if (version !== undefined && (planned === undefined || planned === version)) return version;
  return version === undefined || own ? await sampleDigestOf(file, from, paced) : undefined;
}

function unverifiable(file: SafetensorsFile, table: string): FlexemrError {
  const message = `${file.path}: table ${table} has row updates, so its rows cannot be compared with the planned ones: serve this snapshot without verify`;
  return new FlexemrError('INVALID_ROUTING', message, { field: 'verify', value: table });
}

function otherRows(file: SafetensorsFile, table: string, found: string, planned: string): Error {
  return notAsPlanned(
    file,
    table,
    `holds other rows than planned (content ${found}, planned ${planned}): use the file or the URL that was planned`,
  );
}
