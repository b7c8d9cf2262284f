import type { Command } from 'commander';
import { type DumpOptions, type DumpReport, dump } from './dump.ts';
import { example, print } from './help.ts';
import { checkNats, withNats } from './nats-options.ts';
import { integer } from './option-values.ts';

export function addDump(program: Command): void {
  const command = program
    .command('dump')
    .description('write the rows of a running cluster that have changed to a file for flexemr update')
    .requiredOption('--routing <address>', 'the cluster: nats://HOST:PORT/BUCKET')
    .requiredOption(
      '--since <n>',
      'leave out what the first n batches of each shard have written; 0: all that has changed',
      integer(0, Number.MAX_SAFE_INTEGER),
    )
    .requiredOption('--out <file>', 'where to write, safetensors');
  withNats(command)
    .option('--json', 'print the summary as JSON')
    .addHelpText(
      'after',
      example('flexemr dump --routing nats://127.0.0.1:4222/flexemr --since 0 --out changed.safetensors'),
    )
    .action(async (options: DumpOptions & { json?: boolean }, own: Command) => {
      checkNats(own, options.routing, '--routing');
      const report = await dump(options);
      print(options.json ? JSON.stringify(report) : reportText(report));
    });
}

function reportText({ rows, deletes, seconds }: DumpReport): string {
  return `${rows} rows have changed, ${deletes} ids have none any more; written in ${seconds} s`;
}
