import { type Command, InvalidArgumentError, Option } from 'commander';
import { nodesMax, workersMax } from '../limits.ts';
import { type CacheSize, cacheSizeText, isCacheSize } from '../ranker/cache-size.ts';
import { simulatedRankersMax, simulatedRateMax, simulatedSecondsMax } from '../simulation-limits.ts';
import { example, print } from './help.ts';
import { integer, upTo } from './option-values.ts';
import { deadlineOption, pushDowns } from './options.ts';
import type { SimulateOptions } from './simulate.ts';

type Death = NonNullable<SimulateOptions['kill']>[number];

/** Nodes whose death is simulated unless the command says another number. */
const deathsDefault = 8;

export function addSimulate(program: Command): void {
  const command = program
    .command('simulate')
    .description(
      'simulate the nodes of a plan under load, on a clock of its own: latencies, loads, bytes, and what the death of a node does',
    )
    .requiredOption('--plan <file>', 'routing table that flexemr plan has written')
    .requiredOption(
      '--requests <file>',
      'requests, safetensors; or .json: {"table": {"bagsPerRequest": 1, "keysPerBag": 20}}, for tables that differ from 1 bag of 1 key',
    )
    .addOption(
      new Option(
        '--skew <s>',
        "of described requests: exponent of Zipf's law (default: 0, all rows alike)",
      ).argParser(upTo(8)),
    );
  withCluster(withLoad(command))
    .addOption(
      new Option('--kill <node@seconds>', 'a node dies at a time; can be repeated').argParser(parseKill),
    )
    .addOption(
      new Option('--deaths <n>', 'the death of so many nodes is simulated, the busiest first')
        .argParser(integer(0, nodesMax))
        .default(deathsDefault),
    )
    .option(
      '--costs <file>',
      'how long work takes, JSON (default: measured on this machine in a few seconds)',
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      example('flexemr simulate --plan plan.json --requests requests.safetensors --rate 2000 --rankers 2'),
    )
    .action(async (options: SimulateOptions & { json?: boolean }) => {
      if (options.rate === undefined && options.inFlight === undefined)
        command.error("error: give the load: '--rate <n>', or '--in-flight <n>'");
      // Only now, because other commands do not need it.
      const { simulate } = await import('./simulate.ts');
      const { simulationText } = await import('./simulate-report.ts');
      const report = await simulate(options);
      print(options.json ? JSON.stringify(report) : simulationText(report));
    });
}

function withLoad(command: Command): Command {
  return command
    .addOption(
      new Option('--rate <n>', 'lookups per second of all rankers').argParser(upTo(simulatedRateMax)),
    )
    .addOption(
      new Option('--in-flight <n>', 'instead: lookups of each ranker that are in flight at any time')
        .argParser(integer(1, 65_536))
        .conflicts('rate'),
    )
    .addOption(new Option('--seconds <s>', 'of each run').argParser(upTo(simulatedSecondsMax)).default(10))
    .addOption(
      new Option('--seeds <n>', 'runs that are measured').argParser(integer(1, 1_000_000)).default(1),
    )
    .addOption(new Option('--first <n>', 'seed of the first run').argParser(integer(1, 2 ** 31)).default(1))
    .addOption(deadlineOption());
}

function withCluster(command: Command): Command {
  return command
    .addOption(new Option('--rankers <n>', 'rankers').argParser(integer(1, simulatedRankersMax)).default(1))
    .addOption(
      new Option('--workers <n>', 'worker threads of each node').argParser(integer(1, workersMax)).default(1),
    )
    .addOption(
      new Option('--delay <ms>', 'of the network, from one machine to another')
        .argParser(upTo(60_000))
        .default(0.1),
    )
    .addOption(
      new Option('--gbps <n>', 'of the network card of each machine (default: no limit)').argParser(
        upTo(10_000),
      ),
    )
    .addOption(
      new Option(
        '--cache <size>',
        'of each ranker: 256MiB, 10% of the rows, or off (default: off)',
      ).argParser(parseSize),
    )
    .addOption(
      new Option(
        '--push-down <when>',
        'pool at the nodes, or fetch rows and pool in rankers (default: auto)',
      ).choices(pushDowns),
    );
}

function parseKill(text: string, before: readonly Death[] = []): Death[] {
  const [, node, seconds] = /^(.+)@(\d+(?:\.\d+)?)$/.exec(text) ?? [];
  if (node === undefined) throw new InvalidArgumentError('must be node@seconds, such as node0@5.');
  return [...before, { node, atMs: Number(seconds) * 1000 }];
}

function parseSize(text: string): CacheSize {
  if (isCacheSize(text)) return text;
  throw new InvalidArgumentError(`must be ${cacheSizeText}.`);
}
