// Options that several commands share, and the checks of their values.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { headroomMax } from '../cluster-limits.ts';
import { enginesMax } from '../engine-limits.ts';
import { dtypes } from '../kernel/dtype.ts';
import { gidIndexMax, portMax, threadsMax, workersMax } from '../limits.ts';
import type { PushDown } from '../lookup/asked.ts';
import { splits } from '../plan/planner.ts';
import { checkCache, withCache } from './cache-options.ts';
import { logLevels } from './log.ts';
import { checkNats, withNats } from './nats-options.ts';
import { type SourceOptions, sourceTransports } from './open.ts';
import { flagOf, integer, upTo } from './option-values.ts';
import { parseBytes, parseNodes, parseReplicas } from './plan.ts';

export const pushDowns: readonly PushDown[] = ['auto', 'always', 'never'];

export const tablesText =
  'tables: a safetensors file, or the *.safetensors.index.json of several; path or URL';

export function tableListOption(): Option {
  return new Option(
    '--table-list <file>',
    'the list of tables, JSON (default: in the __metadata__.tables of the file)',
  );
}

export function tablesTokenOption(): Option {
  return new Option('--tables-token-file <file>', 'token for the server of the tables, if they are at a URL');
}

export function dtypeOption(): Option {
  return new Option(
    '--dtype <dtype>',
    'dtype of rows in memory (default: as listed with the tables, else f32)',
  ).choices(dtypes);
}

export function rdmaDeviceOption(): Option {
  return new Option('--rdma-device <name>', 'RDMA device (default: the first; see flexemr doctor)');
}

export function gidIndexOption(): Option {
  return new Option(
    '--gid-index <n>',
    'address of the RDMA device: an index of its GIDs (default: a routable one)',
  ).argParser(integer(0, gidIndexMax));
}

export function replicasOption(): Option {
  return new Option(
    '--replicas <n>',
    'nodes that hold each shard, in different zones if nodes name zones (default: 1)',
  ).argParser(parseReplicas);
}

export function splitOption(): Option {
  return new Option('--split <how>', 'how to cut tables over all nodes').choices(splits).default('auto');
}

export function capacityOption(): Option {
  return new Option(
    '--capacity <bytes>',
    'memory of each node for which none is given (default: no limit)',
  ).argParser(parseBytes);
}

export function planHeadroomOption(): Option {
  return new Option(
    '--headroom <share>',
    'memory that each node keeps for another release, as a share of what it gets (default: 0)',
  ).argParser(upTo(headroomMax));
}

/** Adds the options for the source of lookups: tables in this process, or memory nodes. */
export function withSource(command: Command): Command {
  return withNats(withCache(command))
    .option('--tables <file>', tablesText)
    .addOption(tableListOption())
    .addOption(tablesTokenOption())
    .addOption(dtypeOption())
    .addOption(
      new Option(
        '--threads <n>',
        'threads that share loading and each lookup; with --nodes, workers of each (default: 1)',
      ).argParser(integer(1, threadsMax)),
    )
    .addOption(
      new Option('--nodes <n>', 'start this number of memory nodes on this machine').argParser(parseNodes),
    )
    .addOption(
      new Option(
        '--split <how>',
        'how to cut tables over the nodes; "row" sums bags in another order (default: auto)',
      ).choices(splits),
    )
    .addOption(
      new Option(
        '--routing <file|url>',
        'look up in running memory nodes: the plan, with the url of each node; or nats://HOST:PORT/BUCKET',
      ).conflicts(['tables', 'tableList', 'tablesTokenFile', 'dtype', 'threads', 'nodes', 'split']),
    )
    .addOption(
      new Option(
        '--transport <how>',
        'how to reach nodes; "loopback" keeps them in this process (default: stream)',
      ).choices(sourceTransports),
    )
    .addOption(
      new Option(
        '--push-down <when>',
        'pool at the nodes, or fetch rows and pool here (default: auto)',
      ).choices(pushDowns),
    )
    .addOption(
      new Option(
        '--engines <n>',
        'threads that look up in memory nodes, each with connections of its own; 0: the main thread (default: 0)',
      ).argParser(integer(0, enginesMax)),
    )
    .addOption(rdmaDeviceOption())
    .addOption(gidIndexOption());
}

export function deadlineOption(): Option {
  return new Option('--deadline <ms>', 'deadline of each lookup in memory nodes (default: 5000)').argParser(
    parseDeadline,
  );
}

/** Adds the options for the security of running nodes. @param prefix of their names */
export function withNodeSecurity(command: Command, prefix: '' | 'nodes-' = ''): Command {
  return command
    .option(`--${prefix}token-file <file>`, 'token for the running nodes')
    .option(`--${prefix}ca <file>`, 'certificates to trust for the running nodes, PEM')
    .option(`--${prefix}cert <file>`, 'certificate to show to the running nodes, PEM')
    .option(`--${prefix}key <file>`, 'key of the certificate, PEM');
}

/** Adds the options for where a server listens, and who may ask. */
export function withListening(command: Command, clients: string): Command {
  return command
    .option('--host <address>', 'address to listen on (default: 127.0.0.1)')
    .option('--token-file <file>', 'token that requests must carry')
    .option('--cert <file>', 'certificate for TLS, PEM')
    .option('--key <file>', 'key of the certificate, PEM')
    .option('--ca <file>', `certificates that must have signed the certificate of each ${clients}, PEM`)
    .option('--insecure', 'allow other machines to connect without a token or --ca')
    .option(
      '--allow-host <name...>',
      'without a token: accept these host names too, besides those of this machine',
    )
    .option(
      '--allow-origin <origin>',
      'allow pages of this origin (CORS), such as https://app.example; *: all',
    )
    .addOption(
      new Option('--log-level <level>', 'least level of log lines (default: info)').choices(logLevels),
    );
}

/** The options for a model. */
export interface ModelOptions {
  /** Networks, ONNX files in the order in which they run. */
  readonly dense?: readonly string[] | undefined;
  /** A model.json, instead of `dense`. */
  readonly model?: string | undefined;
}

/** Adds the options for a model. */
export function withModel(command: Command): Command {
  return command
    .option(
      '--dense <file...>',
      'dense network, ONNX, such as one with inputs dense and pooled and output logit; or several, in the order in which they run',
    )
    .addOption(
      new Option('--model <file>', 'model.json, which says what the inputs of the networks are').conflicts(
        'dense',
      ),
    );
}

/** Ends the command if no model is given. */
export function checkModelOptions(command: Command, { dense, model }: ModelOptions): void {
  if (dense === undefined && model === undefined)
    command.error("error: required option '--dense <file...>' not specified (or --model)");
}

/** Checks options that need other options or certain values of them. Ends the command if they do not fit together. */
export function checkSource(
  command: Command,
  options: SourceOptions,
  security: readonly string[] = ['tokenFile', 'ca', 'cert', 'key'],
): void {
  const { tables, routing, nodes, transport, threads, engines, cache } = options;
  const refuse = (what: string): never => command.error(`error: ${what}`);
  if (tables === undefined && routing === undefined)
    refuse(
      "required option '--tables <file>' not specified (or --routing, to look up in running memory nodes)",
    );
  const given = (names: readonly string[]): string | undefined =>
    names.find((name) => command.getOptionValueSource(name) !== undefined);
  if (given(['split']) !== undefined && nodes === undefined)
    refuse("option '--split <how>' cuts tables over memory nodes: give --nodes too");
  const ofNodes = given(['transport', 'pushDown', 'engines', 'cache', 'deadline']);
  if (ofNodes !== undefined && nodes === undefined && routing === undefined)
    refuse(`option '${flagOf(ofNodes)}' is for memory nodes: give --nodes or --routing too`);
  checkCache(command, options);
  checkNats(command, routing, '--routing');
  const ofRunning = given(security);
  if (ofRunning !== undefined && routing === undefined)
    refuse(`option '${flagOf(ofRunning)}' is for running memory nodes: give --routing too`);
  const ofRdma = given(['rdmaDevice', 'gidIndex']);
  if (ofRdma !== undefined && transport !== 'rdma')
    refuse(`option '${flagOf(ofRdma)}' is for RDMA: give --transport rdma too`);
  if (transport === 'loopback' && routing !== undefined)
    refuse("option '--transport loopback' cannot be used with option '--routing <file|url>'");
  if (transport === 'loopback' && engines)
    refuse("option '--engines <n>' cannot be used with option '--transport loopback'");
  if (cache === 'adaptive' && engines)
    refuse("option '--cache adaptive' cannot be used with option '--engines <n>': give a size");
  if (transport === 'loopback' && threads !== undefined)
    refuse("option '--threads <n>' cannot be used with option '--transport loopback'");
  if (nodes !== undefined && threads !== undefined && threads > workersMax)
    refuse(`option '--threads <n>' must be from 1 to ${workersMax} with option '--nodes <n>'`);
  const pair = security.slice(-2);
  if (pair.filter((name) => given([name]) !== undefined).length === 1)
    refuse(`give ${pair.map((name) => `'${flagOf(name)} <file>'`).join(' and ')} together`);
}

/** A port; 0 means any free port. */
export const parsePort: (text: string) => number = integer(0, portMax);

function parseDeadline(text: string): number {
  const ms = Number(text);
  if (ms > 0 && ms < 2 ** 31) return ms;
  throw new InvalidArgumentError('must be milliseconds, more than 0 and less than 2^31.');
}
