import { type Command, Option } from 'commander';
import { updateMsDefault } from '../update-limits.ts';
import { example, print } from './help.ts';
import { checkNats, withNats } from './nats-options.ts';
import { integer } from './option-values.ts';
import { withNodeSecurity } from './options.ts';
import { type UpdateCommandOptions, type UpdateReport, update } from './update.ts';

export function addUpdate(program: Command): void {
  const command = program
    .command('update')
    .description('write rows of the tables of a running cluster, and delete ids')
    .requiredOption('--routing <address>', 'the cluster: nats://HOST:PORT/BUCKET')
    .requiredOption(
      '--rows <file>',
      'safetensors: keys_TT [n] and rows_TT [n, dim], and deletes_TT [m], for the TT-th table',
    );
  withNats(withNodeSecurity(command))
    .addOption(
      new Option(
        '--timeout <seconds>',
        `how long to wait for each part, and for the nodes (default: ${updateMsDefault / 1_000})`,
      ).argParser(integer(1, 86_400)),
    )
    .option('--no-wait', 'end when the stream has the rows, before the nodes have applied them')
    .option('--json', 'print JSON, with what `lookup({ atLeast })` takes')
    .addHelpText(
      'after',
      example('flexemr update --routing nats://127.0.0.1:4222/flexemr --rows rows.safetensors'),
    )
    .action(async (options: UpdateCommandOptions & { json?: boolean }, own: Command) => {
      checkNats(own, options.routing, '--routing');
      const report = await update(options);
      print(options.json ? JSON.stringify(report) : reportText(report, options.wait));
    });
}

function reportText({ rows, deletes, seconds }: UpdateReport, waited: boolean): string {
  const what = `${rows} rows written, ${deletes} ids deleted, in ${seconds} s`;
  return waited
    ? `${what}; every node that holds them has applied them`
    : `${what}; the nodes apply them now`;
}
