// The commands that serve until they are told to stop.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { headroomMax } from '../cluster-limits.ts';
import { workersMax } from '../limits.ts';
import { isNatsAddress } from '../nats/address.ts';
import { zoneCharsMax } from '../replica-limits.ts';
import { batchDelayMsMax, candidatesMax, denseThreadsMax, queueCandidatesMax } from '../scoring-limits.ts';
import { withAdaptiveCache } from './cache-options.ts';
import { example, print } from './help.ts';
import { checkNats, withNats } from './nats-options.ts';
import { integer, upTo } from './option-values.ts';
import {
  checkModelOptions,
  checkSource,
  gidIndexOption,
  parsePort,
  rdmaDeviceOption,
  tableListOption,
  tablesText,
  tablesTokenOption,
  withListening,
  withModel,
  withNodeSecurity,
  withSource,
} from './options.ts';
import { describe, type RankOptions, rank, rankReadyText } from './rank.ts';
import { readyText, type ServeOptions, serve } from './serve.ts';

export function addServe(program: Command): void {
  const command = program
    .command('serve')
    .description(
      'serve one memory node of a plan; on SIGTERM, SIGINT or SIGHUP it answers the subrequests that it holds, and ends',
    )
    .requiredOption('--tables <file>', tablesText)
    .addOption(tableListOption())
    .addOption(tablesTokenOption())
    .requiredOption(
      '--plan <file>',
      'routing table that flexemr plan has written, or nats://HOST:PORT/BUCKET, where it has published it; the node follows its changes',
    )
    .requiredOption('--node <id>', 'id of this node in the plan')
    .addOption(
      new Option(
        '--zone <name>',
        'a rack or a data centre: it is said in NATS, so that flexemr rebalance puts replicas into different ones',
      ).argParser(parseZone),
    );
  withNats(withListening(command, 'ranker'))
    .addOption(
      new Option(
        '--port <n>',
        'port of the first worker; others use the next ports (default: free ports)',
      ).argParser(parsePort),
    )
    .addOption(
      new Option('--workers <n>', 'worker threads, each with its own port (default: 1)').argParser(
        integer(1, workersMax),
      ),
    )
    .addOption(
      new Option(
        '--headroom <share>',
        'memory for another release, as a share of the first one; 1 lets flexemr swap use no other (default: 0)',
      ).argParser(upTo(headroomMax)),
    )
    .addOption(new Option('--common-port <n>', 'a port that all workers share').argParser(parsePort))
    .option('--verify', 'compare every row, not only a sample, with a plan that was made with --verify')
    .addOption(
      new Option('--transport <how>', '"rdma": serve by RDMA too, for rankers that support it').choices([
        'stream',
        'rdma',
      ]),
    )
    .addOption(rdmaDeviceOption())
    .addOption(gidIndexOption())
    .option('--json', 'print the ready line as JSON')
    .addHelpText(
      'after',
      example(
        'flexemr serve --tables tables.safetensors --plan plan.json --node node0 --port 4100 --workers 2',
      ),
    )
    .action(async (options: ServeOptions & { json?: boolean }, own: Command) => {
      checkNats(own, options.plan, '--plan');
      if (options.zone !== undefined && !isNatsAddress(options.plan))
        own.error("error: option '--zone <name>' is said in NATS: give --plan nats://HOST:PORT/BUCKET too");
      await serve(options, (ready) => print(options.json ? JSON.stringify(ready) : readyText(ready)));
    });
}

export function addRank(program: Command): void {
  const command = program
    .command('rank')
    .description(
      'serve a model over HTTP: requests in, scores and the best candidates out; on SIGTERM, SIGINT or SIGHUP it answers the requests that it has, and ends',
    );
  withListening(withNodeSecurity(withAdaptiveCache(withSource(withModel(command))), 'nodes-'), 'client')
    .addOption(new Option('--port <n>', 'port to listen on (default: a free port)').argParser(parsePort))
    .option('--name <name>', 'name of the model in addresses (default: that of --model, or "model")')
    .addOption(
      new Option('--dense-threads <n>', 'threads that run the networks (default: 1)').argParser(
        integer(1, denseThreadsMax),
      ),
    )
    .addOption(
      new Option('--batch-candidates <n>', 'most candidates of a batch (default: 128)').argParser(
        integer(1, candidatesMax),
      ),
    )
    .addOption(
      new Option(
        '--batch-delay <ms>',
        'longest time that a request waits for others to join its batch (default: 0)',
      ).argParser(parseDelay),
    )
    .addOption(
      new Option('--queue-candidates <n>', 'most candidates that wait (default: 4096)').argParser(
        integer(1, queueCandidatesMax),
      ),
    )
    .option('--no-metrics', 'count nothing: no /metrics, and a page without figures')
    .option('--describe', 'print the model that the networks are taken for, as a model.json, and end')
    .option('--json', 'print the ready line as JSON')
    .addHelpText(
      'after',
      example(
        'flexemr rank --tables tables.safetensors --dense dense.onnx --nodes 2 --port 8080',
        'flexemr rank --routing plan.json --model model.json --port 8080',
        'flexemr rank --routing plan.json --model model.json --cache adaptive --cache-capacity 4GiB',
        'flexemr rank --tables tables.safetensors --dense bottom.onnx top.onnx --describe',
      ),
    )
    .action(async (options: RankOptions & { json?: boolean; describe?: boolean }, own: Command) => {
      checkSource(own, options, ['nodesTokenFile', 'nodesCa', 'nodesCert', 'nodesKey']);
      checkModelOptions(own, options);
      if (options.describe) return print(await describe(options));
      await rank(options, (ready) => print(options.json ? JSON.stringify(ready) : rankReadyText(ready)));
    });
}

function parseZone(text: string): string {
  if (text !== '' && text.length <= zoneCharsMax) return text;
  throw new InvalidArgumentError(`must be a name of 1 to ${zoneCharsMax} characters.`);
}

function parseDelay(text: string): number {
  const ms = Number(text);
  if (text !== '' && ms >= 0 && ms <= batchDelayMsMax) return ms;
  throw new InvalidArgumentError(`must be milliseconds from 0 to ${batchDelayMsMax}.`);
}
