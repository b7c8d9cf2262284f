// Options of the cache of a command's ranker.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { OpenRankerOptions } from '../host/open-ranker.ts';
import { candidateBytesMax } from '../limits.ts';
import type { Admission } from '../ranker/cache-options.ts';
import { type CacheSize, cacheSizeText, isCacheSize } from '../ranker/cache-size.ts';
import { flagOf, integer } from './option-values.ts';

export interface CacheFlags {
  /** `adaptive`: it follows the load of `rank`. */
  readonly cache?: CacheSize | undefined;
  /** Tables that are not cached, tables that are pinned, and what is added to a full cache. */
  readonly cacheOff?: readonly string[] | undefined;
  readonly cachePin?: readonly string[] | undefined;
  readonly cacheAdmit?: Admission | undefined;
  /** Of an adaptive cache. */
  readonly cacheCapacity?: string | undefined;
  readonly cacheFloor?: string | undefined;
  readonly cacheCeiling?: string | undefined;
  readonly cacheWindow?: number | undefined;
  readonly candidateBytes?: number | undefined;
}

const admissions: readonly Admission[] = ['second-miss', 'all'];
const ofAny: readonly (keyof CacheFlags)[] = ['cacheOff', 'cachePin', 'cacheAdmit'];
const ofAdaptive: readonly (keyof CacheFlags)[] = [
  'cacheCapacity',
  'cacheFloor',
  'cacheCeiling',
  'cacheWindow',
  'candidateBytes',
];

/** Adds the options of a cache. */
export function withCache(command: Command): Command {
  const adaptive = command.name() === 'rank' ? ', or adaptive' : '';
  return command
    .addOption(
      new Option(
        '--cache <size>',
        `memory for pooled bags that come again: 256MiB, 10% of the rows${adaptive}, or off (default: off)`,
      ).argParser(parseCache),
    )
    .option('--cache-off <table...>', 'tables whose bags are not cached')
    .option('--cache-pin <table...>', 'tables whose bags stay in the cache, up to half of it')
    .addOption(
      new Option(
        '--cache-admit <which>',
        'bags that a full cache takes: all, or those that come again (default: second-miss)',
      ).choices(admissions),
    );
}

/** Adds the options of an adaptive cache. */
export function withAdaptiveCache(command: Command): Command {
  return command
    .option(
      '--cache-capacity <size>',
      'memory of this process for everything, such as 4GiB; the cache gets what the networks do not need (default: 90% of what the system allows)',
    )
    .option('--cache-floor <size>', 'least memory of an adaptive cache (default: 64KiB)')
    .option('--cache-ceiling <size>', 'most memory of an adaptive cache (default: the capacity)')
    .addOption(
      new Option(
        '--cache-window <s>',
        'seconds in which the largest batch counts for an adaptive cache (default: 60)',
      ).argParser(Number),
    )
    .addOption(
      new Option(
        '--candidate-bytes <n>',
        'memory that each candidate of a batch takes (default: measured at the start)',
      ).argParser(integer(1, candidateBytesMax)),
    );
}

/** Ends the command if options of a cache do not fit together. */
export function checkCache(command: Command, { cache, cacheOff = [], cachePin = [] }: CacheFlags): void {
  const refuse = (what: string): never => command.error(`error: ${what}`);
  const given = (names: readonly string[]): string | undefined =>
    names.find((name) => command.getOptionValueSource(name) !== undefined);
  const ofCache = given(ofAny);
  if (ofCache !== undefined && cache === undefined)
    refuse(`option '${flagOf(ofCache)}' is for a cache: give --cache too`);
  const adaptive = given(ofAdaptive);
  if (adaptive !== undefined && cache !== 'adaptive')
    refuse(`option '${flagOf(adaptive)}' is for an adaptive cache: give --cache adaptive too`);
  if (cache === 'adaptive' && command.name() !== 'rank')
    refuse("option '--cache adaptive' is for flexemr rank, whose cache has a load to follow: give a size");
  const twice = cacheOff.find((table) => cachePin.includes(table));
  if (twice !== undefined)
    refuse(`table ${twice} is in --cache-off and in --cache-pin: give it in one of them`);
}

/** What a ranker is opened with. */
export function cacheOf(flags: CacheFlags): Pick<OpenRankerOptions, 'cache' | 'adaptiveCache'> {
  const { cache, cacheOff = [], cachePin = [], cacheAdmit: admit } = flags;
  if (cache === undefined) return {};
  const off = cacheOff.map((table) => [table, 'off'] as const);
  const pinned = cachePin.map((table) => [table, 'pinned'] as const);
  const tables = Object.fromEntries([...off, ...pinned]);
  if (cache !== 'adaptive') return { cache: { size: cache, tables, admit } };
  const { cacheCapacity: capacity, cacheFloor: floor, cacheCeiling: ceiling } = flags;
  const { cacheWindow: window, candidateBytes } = flags;
  return { cache: { tables, admit }, adaptiveCache: { capacity, floor, ceiling, window, candidateBytes } };
}

function parseCache(text: string): string {
  if (isCacheSize(text) || text === 'adaptive') return text;
  throw new InvalidArgumentError(`must be ${cacheSizeText}.`);
}
