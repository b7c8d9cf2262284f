#!/usr/bin/env node
import { Command, CommanderError, Option } from 'commander';
import { FlexemrError } from '../errors.ts';
import { inspectMachine } from '../host/machine.ts';
import { packageVersion } from '../kernel/files.ts';
import { failedMsMax } from '../limits.ts';
import { removeDrafts } from '../store/whole-file.ts';
import { addChanges } from './changes.ts';
import { machineText } from './doctor.ts';
import { addDump } from './dump-command.ts';
import { example, print } from './help.ts';
import { inspect, inspectionText, suggest } from './inspect.ts';
import { type LookupOptions, lookup } from './lookup.ts';
import {
  checkModelOptions,
  checkSource,
  deadlineOption,
  tableListOption,
  tablesTokenOption,
  withModel,
  withNodeSecurity,
  withSource,
} from './options.ts';
import { addPlan } from './plan-command.ts';
import { type LookupReport, reportText } from './report.ts';
import { type ScoreOptions, score } from './score.ts';
import { addRank, addServe } from './servers.ts';
import { addSimulate } from './simulate-command.ts';
import { addSnapshot } from './snapshot-command.ts';
import { addStatus } from './status-command.ts';
import { stopSignals } from './stop-request.ts';
import type { TableOptions } from './table-source.ts';
import { addUpdate } from './update-command.ts';

interface InspectFlags {
  readonly json?: boolean;
  readonly suggest?: boolean;
}

const program = new Command('flexemr')
  .version(packageVersion())
  .description('Embedding tables in WebAssembly memory: pool bags of keys, score a recommendation model.')
  // `flexemr swap --version 2` is not `flexemr --version`.
  .enablePositionalOptions()
  .exitOverride()
  .configureOutput({ outputError: (text) => printError(text.replace(/^error: /, '')) });

program
  .command('inspect <file>')
  .description('show tables, dtypes, bytes, and the bytes that they would take as f16, int8 and int4')
  .addOption(tableListOption())
  .addOption(tablesTokenOption())
  .addOption(
    new Option('--suggest', 'print a first list of tables, to edit for --table-list').conflicts([
      'json',
      'tableList',
    ]),
  )
  .option('--json', 'print JSON')
  .addHelpText(
    'after',
    example('flexemr inspect tables.safetensors', 'flexemr inspect model.safetensors.index.json --suggest'),
  )
  .action(async (tables: string, options: Omit<TableOptions, 'tables'> & InspectFlags) => {
    if (options.suggest) return print(await suggest({ ...options, tables }));
    const found = await inspect({ ...options, tables });
    print(options.json ? JSON.stringify(found, null, 2) : inspectionText(found));
  });

addPlan(program);
addServe(program);
addRank(program);
addChanges(program);
addSimulate(program);
addStatus(program);
addUpdate(program);
addDump(program);
addSnapshot(program);

program
  .command('doctor')
  .description('show what this machine supports, mainly for RDMA, and what to change')
  .option('--json', 'print JSON')
  .action(async ({ json }: { json?: boolean }) => {
    const machine = await inspectMachine();
    print(json ? JSON.stringify(machine, null, 2) : machineText(machine));
  });

withRequests(program.command('lookup'))
  .description('pool the bags of every request; writes pooled_TT, F32 [requests, dim], per table')
  .addHelpText(
    'after',
    example(
      'flexemr lookup --tables tables.safetensors --requests requests.safetensors --out pooled.safetensors --dtype int8 --threads 2',
      'flexemr lookup --tables tables.safetensors --requests requests.safetensors --out pooled.safetensors --nodes 2 --split row',
      'flexemr lookup --routing routing.json --requests requests.safetensors --out pooled.safetensors --token-file token',
    ),
  )
  .action(async (options: LookupOptions & { json?: boolean }, command: Command) => {
    checkSource(command, options);
    report(await lookup(options), options.json);
  });

withModel(withRequests(program.command('score')))
  .description('pool, then run the dense network; writes its outputs, such as logit and prob, F32 [requests]')
  .addHelpText(
    'after',
    example(
      'flexemr score --tables tables.safetensors --dense dense.onnx --requests requests.safetensors --out scores.safetensors',
      'flexemr score --tables tables.safetensors --dense dense.onnx --requests requests.safetensors --out scores.safetensors --nodes 2',
    ),
  )
  .action(async (options: ScoreOptions & { json?: boolean }, command: Command) => {
    checkSource(command, options);
    checkModelOptions(command, options);
    report(await score(options), options.json);
  });

function withRequests(command: Command): Command {
  const files = command
    .requiredOption('--requests <file>', 'requests, safetensors: indices_TT, offsets_TT, optional weights_TT')
    .requiredOption('--out <file>', 'where to write, safetensors');
  return withNodeSecurity(withSource(files).addOption(deadlineOption())).option(
    '--json',
    'print the summary as JSON',
  );
}

function report(done: LookupReport, json: boolean | undefined): void {
  print(json ? JSON.stringify(done) : reportText(done));
}

/** Writes the text to stderr as one line. */
function printError(text: string): void {
  process.stderr.write(`flexemr: ${text.trim().replace(/\s*\n\s*/g, ' ')}\n`);
}

/** Ends the command after an error that its action cannot catch: writes one line, and exits with status 1. */
function fail(error: unknown): never {
  printError(error instanceof FlexemrError ? `${error.code}: ${error.message}` : String(error));
  process.exit(1);
}

for (const signal of stopSignals)
  process.once(signal, () => {
    removeDrafts();
    // If there is no other listener, the signal has its default effect. A node has its own listener.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  });
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A server continues to serve even if nobody reads its output. Other commands end, because their output is lost.
  if (['serve', 'rank'].includes(process.argv[2])) return;
  if (error.code === 'EPIPE') process.exit(128 + 13);
  fail(
    new FlexemrError('INVALID_FILE', `cannot write to stdout: ${error.message}`, {
      field: 'stdout',
      cause: error,
    }),
  );
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = error instanceof CommanderError ? (error.exitCode === 0 ? 0 : 2) : 1;
  if (error instanceof FlexemrError) printError(`${error.code}: ${error.message}`);
  else if (!(error instanceof CommanderError)) printError(String(error));
  // Ends the process even if a failed start has left something open that would keep it alive.
  setTimeout(() => process.exit(), failedMsMax).unref();
}
