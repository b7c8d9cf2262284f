import type { Command } from 'commander';
import { example, print } from './help.ts';
import { checkNats, withNats } from './nats-options.ts';
import { withNodeSecurity } from './options.ts';
import { type StatusOptions, status, statusText } from './status.ts';

export function addStatus(program: Command): void {
  const command = program
    .command('status')
    .description(
      'show the nodes and rankers of a cluster, what they serve and use, and the change that is under way',
    )
    .requiredOption('--routing <file|url>', 'the plan of the cluster, or nats://HOST:PORT/BUCKET');
  withNats(withNodeSecurity(command))
    .option('--json', 'print JSON')
    .addHelpText('after', example('flexemr status --routing nats://127.0.0.1:4222/flexemr'))
    .action(async (options: StatusOptions & { json?: boolean }, own: Command) => {
      checkNats(own, options.routing, '--routing');
      const found = await status(options);
      print(options.json ? JSON.stringify(found) : statusText(found));
    });
}
