#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { FlexemrError } from '../errors.ts';
import { threadsMax } from '../limits.ts';
import { splits } from '../plan/planner.ts';
import { rowDtypes } from '../plan/table-spec.ts';
import { inspect, inspectionText } from './inspect.ts';
import { type LookupOptions, type LookupReport, lookup } from './lookup.ts';
import { type PlanOptions, parseBytes, parseNode, parseNodes, plan, planJson, planText } from './plan.ts';
import { type ScoreOptions, score } from './score.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

const program = new Command('flexemr')
  .version(version)
  .description('Embedding tables in WebAssembly memory: pool bags of keys, score a recommendation model.')
  .exitOverride()
  .configureOutput({ outputError: (text) => complain(text.replace(/^error: /, '')) });

program
  .command('inspect <file>')
  .description('tables, dtypes, bytes, and what they would cost as f16, int8 and int4')
  .option('--json', 'print JSON')
  .addHelpText('after', example('flexemr inspect tables.safetensors'))
  .action(async (file: string, { json }: { json?: boolean }) => {
    const found = await inspect(file);
    print(json ? JSON.stringify(found, null, 2) : inspectionText(found));
  });

const planning = program
  .command('plan')
  .description('share tables out among memory nodes; says what requests will cost')
  .requiredOption('--tables <file>', 'tables, safetensors with a list of them in __metadata__.tables')
  .addOption(new Option('--nodes <n>', 'nodes, to be called node0, node1 …').argParser(parseNodes))
  .addOption(
    new Option('--node <id=url[,bytes]>', 'a node, its address and room; may be repeated')
      .argParser(parseNode)
      .conflicts('nodes'),
  )
  .addOption(new Option('--split <how>', 'cut tables over all nodes').choices(splits).default('auto'))
  .option('--requests <file>', 'measure keys a bag on these requests, safetensors (default: 1 key a bag)')
  .addOption(dtypeOption())
  .addOption(
    new Option('--capacity <bytes>', 'room of each node that names none (default: any)').argParser(
      parseBytes,
    ),
  )
  .option('--out <file>', 'where to write the routing table, JSON')
  .option('--json', 'print JSON, with the routing table')
  .addHelpText('after', example('flexemr plan --tables tables.safetensors --nodes 4 --out plan.json'))
  .action(async (options: PlanOptions & { json?: boolean }) => {
    if (options.node === undefined && options.nodes === undefined)
      planning.error('give the nodes: --nodes <n>, or --node <id=url> for each');
    const planned = await plan(options);
    print(options.json ? JSON.stringify(planJson(planned)) : planText(planned));
  });

withTables(program.command('lookup'))
  .description('pool the bags of every request; writes pooled_TT, F32 [requests, dim], a table')
  .addHelpText(
    'after',
    example(
      'flexemr lookup --tables tables.safetensors --requests requests.safetensors --out pooled.safetensors --dtype int8 --threads 2',
    ),
  )
  .action(async (options: LookupOptions & { json?: boolean }) => report(await lookup(options), options.json));

withTables(program.command('score'))
  .description('pool, then run the dense network; writes logit and prob, F32 [requests]')
  .requiredOption('--dense <file>', 'dense network, ONNX: inputs dense and pooled, output logit')
  .addHelpText(
    'after',
    example(
      'flexemr score --tables tables.safetensors --dense dense.onnx --requests requests.safetensors --out scores.safetensors',
    ),
  )
  .action(async (options: ScoreOptions & { json?: boolean }) => report(await score(options), options.json));

function withTables(command: Command): Command {
  return command
    .requiredOption('--tables <file>', 'tables, safetensors with a list of them in __metadata__.tables')
    .requiredOption('--requests <file>', 'requests, safetensors: indices_TT, offsets_TT, optional weights_TT')
    .requiredOption('--out <file>', 'where to write, safetensors')
    .addOption(dtypeOption())
    .addOption(
      new Option('--threads <n>', 'threads that share each lookup').default(1).argParser(parseThreads),
    )
    .option('--json', 'print the summary as JSON');
}

function dtypeOption(): Option {
  return new Option('--dtype <dtype>', 'keep rows as (default: as the tables say, else f32)').choices(
    rowDtypes,
  );
}

function parseThreads(text: string): number {
  const threads = Number(text);
  if (Number.isInteger(threads) && threads >= 1 && threads <= threadsMax) return threads;
  throw new InvalidArgumentError(`must be an integer from 1 to ${threadsMax}.`);
}

function example(command: string): string {
  return `\nExample:\n  ${command}`;
}

function report(done: LookupReport, json: boolean | undefined): void {
  const { requests, tables, keys, ms, out } = done;
  const rate = Math.round(keys / (ms / 1000)).toLocaleString('en');
  print(
    json
      ? JSON.stringify(done)
      : `${requests} requests, ${tables} tables, ${keys} keys in ${ms.toFixed(0)} ms (${rate} keys/s) → ${out}`,
  );
}

/** One line on stderr, whatever the text. */
function complain(text: string): void {
  process.stderr.write(`flexemr: ${text.trim().replace(/\s*\n\s*/g, ' ')}\n`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = error instanceof CommanderError ? (error.exitCode === 0 ? 0 : 2) : 1;
  if (error instanceof FlexemrError) complain(`${error.code}: ${error.message}`);
  else if (!(error instanceof CommanderError)) complain(String(error));
}
