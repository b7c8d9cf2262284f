// Inserts faults into the source of the kernels, one at a time. Their properties must find each of them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { options } from '../../assembly/build.ts';
import { instantiate } from '../../src/kernel/wasm.ts';
import { AskMemory, askCases, assertAsks } from '../35.lookup/ask-case.ts';
import { assertUpdated, updatedCases } from '../50.memory-node/updated-answers.ts';
import { assertCaches, tables } from '../70.ranker/cache-cases.ts';
import { followedHistories, runFollowed } from '../70.ranker/followed-cases.ts';
import { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';
import { assertPools } from './pool-cases.ts';

interface Fault {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const faults: readonly Fault[] = [
  {
    name: 'the last row of a block is dropped',
    file: 'fold.ts',
    from: 'r < end; r += 4) {\n    const p',
    to: 'r + 4 < end; r += 4) {\n    const p',
  },
  {
    name: 'rows are folded last to first',
    file: 'fold.ts',
    from: 'for (let r = rowsOf(group, from); r < end; r += 4) {',
    to: 'for (let r = end - 4; r >= rowsOf(group, from); r -= 4) {',
  },
  {
    name: 'one row past the table is read',
    file: 'group.ts',
    from: 'i32x4.lt_u(row, limit)',
    to: 'i32x4.le_u(row, limit)',
  },
  {
    name: 'one column too many is written',
    file: 'fold.ts',
    from: 'for (; column < dim; column++) {',
    to: 'for (; column <= dim; column++) {',
  },
  {
    name: 'a −0 hides a +0 in a maximum',
    file: 'fold.ts',
    from: 'if (zero) {',
    to: 'if (zero && fresh && !fresh) {',
  },
  {
    name: 'NaN keeps its payload',
    file: 'fold.ts',
    from: 'v128.store(out, canonical(x));',
    to: 'v128.store(out, x);',
  },
  {
    name: 'halves are weighted before they are scaled up, and underflow',
    file: 'rows.ts',
    from: 'isSigned<D>() && !isWeighted<M>()',
    to: 'isSigned<D>()',
  },
  {
    name: 'scale times q plus bias is rounded once',
    file: 'rows.ts',
    from: 'return f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(four), scale), bias);',
    to: 'return f32x4.mul(f32x4.add(f32x4.convert_i32x4_s(four), f32x4.div(bias, scale)), scale);',
  },
  {
    name: 'a later shard replaces earlier shards',
    file: 'merge.ts',
    from: 'if (before == 0) memory.copy(out, partial, rowBytes);',
    to: 'if (before <= count) memory.copy(out, partial, rowBytes);',
  },
  {
    name: 'an empty segment is merged as 0',
    file: 'merge.ts',
    from: 'if (count == 0) continue;',
    to: 'if (count == 0 && load<u32>(outCounts + (i << 2)) == 0) continue;',
  },
  {
    name: 'padding counts',
    file: 'group.ts',
    from: 'note(call, outcomes + i, OUTCOME_PADDED);\n      continue;',
    to: 'note(call, outcomes + i, OUTCOME_PADDED);\n      address = load<u32>(call, CALL_TABLE);',
  },
  {
    name: 'a bag that continues in the next call drops its weights so far',
    file: 'pool.ts',
    from: 'if (denominated) denominator = load<f32>',
    to: 'if (denominated && !denominated) denominator = load<f32>',
  },
];

/** Faults in the kernels of a ranker. */
const rankerFaults: readonly Fault[] = [
  {
    name: 'lengths become the ends of bags, not their starts',
    file: 'ask.ts',
    from: 'store<u32>(p, <u32>sum);\n      sum += length;',
    to: 'sum += length;\n      store<u32>(p, <u32>sum);',
  },
  {
    name: 'the policy of the lookup is ignored',
    file: 'ask.ts',
    from: 'return own ? own - 1 : load<u32>(table, TABLE_MISSING);',
    to: 'return own && !own ? own - 1 : load<u32>(table, TABLE_MISSING);',
  },
  {
    name: 'the key after the last row is a row',
    file: 'ask-keys.ts',
    from: 'if (key >= rows && !isPadding(table, key)) break;',
    to: 'if (key > rows && !isPadding(table, key)) break;',
  },
  {
    name: 'padding keys keep their weights',
    file: 'ask-keys.ts',
    from: 'if (weights) store<u32>(weights + (to << 2)',
    to: 'if (weights && !weights) store<u32>(weights + (to << 2)',
  },
  {
    name: 'bags with the same keys and other weights are equal',
    file: 'ask-bags.ts',
    from: 'if (!weights || isSame(ownWeights,',
    to: 'if (!weights || !isSame(ownWeights,',
  },
  {
    name: 'the last word of a bag is not compared',
    file: 'words.ts',
    from: 'return one == end || load<u32>(one) == load<u32>(other);',
    to: 'return one <= end || load<u32>(one) == load<u32>(other);',
  },
  {
    name: 'the last row of a shard belongs to the next shard',
    file: 'cut.ts',
    from: 'return u32(place > load<u32>(shards, PLACE_LAST));',
    to: 'return u32(place >= load<u32>(shards, PLACE_LAST));',
  },
  {
    name: 'a bag that goes on in the next slice is counted twice',
    file: 'cut.ts',
    from: 'if (load<u32>(cut, CUT_LAST_BAG) == bag + 1) continue;',
    to: 'if (load<u32>(cut, CUT_LAST_BAG) == bag + 1 && i > begin) continue;',
  },
  {
    name: 'a few rows too many are fetched',
    file: 'choose.ts',
    from: 'load<u32>(segment, ASKED_RESULTS) * each',
    to: '(load<u32>(segment, ASKED_RESULTS) + 2) * each',
  },
  {
    name: 'every part of a whole table has the first keys',
    file: 'parts.ts',
    from: 'load<u32>(feature, FEATURE_KEYS) + begin * ',
    to: 'load<u32>(feature, FEATURE_KEYS) + 0 * ',
  },
  {
    name: 'a frame exceeds the limit of its node by one segment',
    file: 'frames.ts',
    from: 'return load<u32>(frame, SENT_BYTES) + bytes <=',
    to: 'return load<u32>(frame, SENT_BYTES) <=',
  },
  {
    name: 'the padding row is read without its node',
    file: 'frames.ts',
    from: 'if (key >= rows || (pads && <u64>key == load<u64>(table, TABLE_PADDING))) return false;',
    to: 'if (key >= rows) return false;',
  },
  {
    name: 'the first partial of a later slice is merged twice',
    file: 'merge-segment.ts',
    from: 'store<u32>(block, <u32>done + count + MERGING, ASK_AT);',
    to: 'store<u32>(block, <u32>done + count - 1 + MERGING, ASK_AT);',
  },
  {
    name: 'weights of fetched rows are lost',
    file: 'merge-segment.ts',
    from: 'store<u32>(call, load<u32>(segment, ASKED_WEIGHTS), CALL_WEIGHTS);',
    to: 'store<u32>(call, 0, CALL_WEIGHTS);',
  },
  {
    name: 'a fetched row that is missing is pooled as zeros',
    file: 'outcomes.ts',
    from: 'if (outcome && outcome != <u8>OUTCOME_DEFAULTED) store<u32>(inverse',
    to: 'if (outcome && outcome == 4) store<u32>(inverse',
  },
  {
    name: 'an exception after a padding key has the wrong position',
    file: 'outcomes.ts',
    from: 'load<u32>(list + (<usize>known << 2)) <= key + known) known++;',
    to: 'load<u32>(list + (<usize>known << 2)) < key + known) known++;',
  },
];

/** Faults in the cache of a ranker. */
const cacheFaults: readonly Fault[] = [
  {
    name: 'no entry is found again',
    file: 'fill.ts',
    from: 'addEntry(cache, number, low,',
    to: 'addEntry(cache, number + 1, low,',
  },
  {
    name: 'the vector of an entry with weights begins where its weights do',
    file: 'probe.ts',
    from: 'vector = vectorAt(keys, keyBytes, weighted, followed);',
    to: 'vector = vectorAt(keys, keyBytes, false, followed);',
  },
  {
    name: 'the vector of another bag is added',
    file: 'fill.ts',
    from: 'return load<u32>(feature, FEATURE_HITS) ?',
    to: 'return load<u32>(feature, FEATURE_HITS) > 2 ?',
  },
  {
    name: 'every bag is added',
    file: 'probe.ts',
    from: 'isShared(feature) || load<u32>(cache, CACHE_ADMITS_ALL) != 0;',
    to: 'true;',
  },
  {
    name: 'a growing cache looks for moved entries where they were',
    file: 'cache.ts',
    from: 'if (bucket >= load<u32>(cache, CACHE_SPLIT))',
    to: 'if (!cache)',
  },
  {
    name: 'a growing cache moves its first buckets first',
    file: 'grow.ts',
    from: 'load<u32>(cache, CACHE_BUCKETS) + <usize>split * CACHE_BUCKET_BYTES',
    to: 'load<u32>(cache, CACHE_BUCKETS) + <usize>(load<u32>(cache, CACHE_BUCKET_COUNT) - 1 - split) * CACHE_BUCKET_BYTES',
  },
  {
    name: 'pinned entries make room when no chance is left',
    file: 'cache.ts',
    from: 'if (pinned || (chances && kept < <u32>CACHE_KEPT_MAX)) {\n    if (!pinned) ',
    to: 'if (chances && kept < <u32>CACHE_KEPT_MAX) {\n    ',
  },
  {
    name: 'any number of pinned entries moves for one new entry',
    file: 'cache.ts',
    from: 'if (kept > <u32>CACHE_KEPT_MAX) return 0;',
    to: 'if (kept > 1_000) return 0;',
  },
  {
    name: 'pinned entries take the whole cache',
    file: 'pins.ts',
    from: '<= load<u32>(cache, CACHE_PINNED_MAX);',
    to: '<= load<u32>(cache, CACHE_PINNED_MAX) << 1;',
  },
  {
    name: 'a pinned bag needs a second miss',
    file: 'probe.ts',
    from: '|| canPin(cache, pin, number, bytes);',
    to: '|| canPin(cache, pin, number + 1, bytes);',
  },
  {
    name: 'entries of a changed table stay pinned',
    file: 'pins.ts',
    from: 'return pin != 0 && load<u32>(pinAt(cache, pin), PIN_NUMBER) == load<u32>(entry, ENTRY_TABLE);',
    to: 'return pin != 0;',
  },
  {
    name: 'a smaller cache forgets what is pinned',
    file: 'resize.ts',
    from: 'if (bytes > left || !isPinned(cache, entry)) return false;',
    to: 'if (bytes > left || isPinned(cache, entry)) return false;',
  },
  {
    name: 'another cache no longer pins what it takes over',
    file: 'resize.ts',
    from: 'pinEntry(cache, entry, load<u32>(entry, ENTRY_PIN), size);',
    to: 'pinEntry(cache, entry, 0, size);',
  },
];

/** Faults in what an answer says of row updates. */
const updateFaults: readonly Fault[] = [
  {
    name: 'the number of a segment is the one at its end',
    file: 'answer.ts',
    from: 'if (status == DONE) finish(block, entry, shard);',
    to: 'if (status == DONE && readUpdates(block, shard)) finish(block, entry, shard);',
  },
  {
    name: 'a segment goes on while its rows are replaced',
    file: 'answer.ts',
    from: 'return load<u32>(updates, UPDATES_STATE) != UPDATES_SERVING\n    || load',
    to: 'return load',
  },
  {
    name: 'a segment goes on after its rows were replaced',
    file: 'answer.ts',
    from: '\n    || load<u32>(updates, UPDATES_INCARNATION) != load<u32>(block, ANSWER_INCARNATION);',
    to: ';',
  },
  {
    name: 'a segment begins while its rows are replaced',
    file: 'answer.ts',
    from: 'if (updates && load<u32>(updates, UPDATES_STATE) != UPDATES_SERVING) return false;',
    to: '',
  },
  {
    name: 'a segment of a sealed table has the number that was in memory',
    file: 'answer.ts',
    from: 'if (!bytes) return true;',
    to: 'if (!bytes || !updates) return true;',
  },
];

/** Faults in how a cache follows row updates. */
const followedFaults: readonly Fault[] = [
  {
    name: 'an entry counts although a key was updated',
    file: 'probe.ts',
    from: 'if (followed) misses += missStale(',
    to: 'if (!cache) misses += missStale(',
  },
  {
    name: 'an entry has the updates that were heard, whatever its replies say',
    file: 'fill.ts',
    from: 'setTickBefore(entry + vector, tick);',
    to: 'setTickBefore(entry + vector, u32.MAX_VALUE - 1);',
  },
  {
    name: 'entries count that are older than a gap',
    file: 'ticks.ts',
    from: 'if (tick < load<u32>(cache, CACHE_FLOOR)) return true;',
    to: '',
  },
  {
    name: 'a key is noted in one of its places',
    file: 'ticks.ts',
    from: 'store<u32>(secondOf(ticks, sum), tick);',
    to: '',
  },
  {
    name: 'only the first key of a bag is looked at',
    file: 'ticks.ts',
    from: 'end = keys + <usize>count * keyBytes;',
    to: 'end = keys + <usize>min<u32>(count, 1) * keyBytes;',
  },
  {
    name: 'a stale entry stays',
    file: 'fill.ts',
    from: 'if (entry && !(followed && tickBefore(entry + vector) < tick)) continue;',
    to: 'if (entry) continue;',
  },
];

const search = { numRuns: runs.mutantCases, seed: 1, endOnFailure: true };

test.for(faults)('finds: $name', async (fault) => {
  const module = new WebAssembly.Module(await compileWith(fault));
  const kernels = (memory: WebAssembly.Memory): ReturnType<typeof instantiate> => instantiate(module, memory);
  expect(() => assertPools(kernels, fc.constant('plain'), search)).toThrow(/Property failed/);
});

test.for(rankerFaults)('finds: $name', async (fault) => {
  const memory = new AskMemory(new WebAssembly.Module(await compileWith(fault)));
  const property = fc.property(askCases, (of) => assertAsks(of, memory));
  expect(() => fc.assert(property, search)).toThrow(/Property failed/);
});

test.for(updateFaults)('finds: $name', async (fault) => {
  const module = new WebAssembly.Module(await compileWith(fault));
  const kernels = (memory: WebAssembly.Memory): ReturnType<typeof instantiate> => instantiate(module, memory);
  const seen = { answered: 0, sequences: 0, refused: 0, continued: 0 };
  const property = fc.property(updatedCases, (of) => assertUpdated(of, { kernels, shared: false }, seen));
  expect(() => fc.assert(property, search)).toThrow(/Property failed/);
});

test.for(cacheFaults)('finds: $name', async (fault) => {
  const module = new WebAssembly.Module(await compileWith(fault));
  await using cluster = await Cluster.start({ tables, nodes: 2, split: 'row', ports: false });
  await expect(assertCaches(cluster, module)).rejects.toThrow();
});

test.for(followedFaults)('finds: $name', async (fault) => {
  const module = new WebAssembly.Module(await compileWith(fault));
  const property = fc.asyncProperty(
    followedHistories,
    async (history) => void (await runFollowed(history, module)),
  );
  await expect(fc.assert(property, { numRuns: 100, seed: 1, endOnFailure: true })).rejects.toThrow(
    /Property failed/,
  );
});

/** A fault is the same without the optimizer, which takes twice as long as all the rest of the compiler. */
const unoptimized = options('plain', 'kernels.wasm').filter((arg) => !['-O3s', '--converge'].includes(arg));

/** Compiles the plain build with one fault in one file. */
async function compileWith({ file, from, to }: Fault): Promise<Uint8Array<ArrayBuffer>> {
  const root = join(import.meta.dirname, '../..');
  let binary: Uint8Array<ArrayBuffer> | undefined;
  const { error, stderr } = await asc.main(unoptimized, {
    readFile(name, base) {
      try {
        const text = readFileSync(join(base.startsWith('/') ? base : join(root, base), name), 'utf8');
        if (name !== `assembly/${file}`) return text;
        expect(text.split(from), `${file} has changed: plant this fault anew`).toHaveLength(2);
        return text.replace(from, () => to);
      } catch (failure) {
        if ((failure as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw failure;
      }
    },
    writeFile(_, contents) {
      binary = contents as Uint8Array<ArrayBuffer>;
    },
    listFiles: () => [],
  });
  if (error || !binary) throw new Error(`${stderr.toString()}${error?.message}`);
  return binary;
}
