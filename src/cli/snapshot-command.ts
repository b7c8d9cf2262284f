import type { Command } from 'commander';
import { example, print } from './help.ts';
import { checkNats, withNats } from './nats-options.ts';
import { tableListOption, tablesTokenOption } from './options.ts';
import { type SnapshotOptions, type SnapshotReport, snapshot } from './snapshot.ts';

export function addSnapshot(program: Command): void {
  const command = program
    .command('snapshot')
    .description('write the tables of a running cluster as they are, with their row updates')
    .requiredOption('--routing <address>', 'the cluster: nats://HOST:PORT/BUCKET')
    .requiredOption('--out <file>', 'where to write, safetensors')
    .option(
      '--tables <file>',
      'the tables that were planned, or a snapshot of them; path or URL (default: those that the cluster names)',
    )
    .addOption(tableListOption())
    .addOption(tablesTokenOption())
    .option(
      '--use [path]',
      'nodes that start later begin with the snapshot; path or URL as they see it (default: that of --out)',
    );
  command.option(
    '--forget',
    'with --use: delete the batches that the snapshot has from the stream, which makes room',
  );
  withNats(command)
    .option('--json', 'print the summary as JSON')
    .addHelpText(
      'after',
      example('flexemr snapshot --routing nats://127.0.0.1:4222/flexemr --out tables-now.safetensors --use'),
    )
    .action(async (options: SnapshotOptions & { json?: boolean }, own: Command) => {
      checkNats(own, options.routing, '--routing');
      if (options.forget && options.use === undefined)
        own.error("error: option '--forget' is for a snapshot that nodes begin with: give --use too");
      const report = await snapshot(options);
      print(options.json ? JSON.stringify(report) : reportText(report));
    });
}

function reportText({ tables, rows, batches, used, seconds }: SnapshotReport): string {
  const what = `${tables} tables, ${rows} rows, with ${batches} batches of row updates, in ${seconds} s`;
  return used === undefined ? what : `${what}; nodes that start later begin with ${used}`;
}
