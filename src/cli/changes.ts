// The commands that change a cluster while it serves.
import { type Command, Option } from 'commander';
import { rollOutMsMax } from '../cluster-limits.ts';
import { example, print } from './help.ts';
import { checkNats, withNats } from './nats-options.ts';
import { integer } from './option-values.ts';
import {
  capacityOption,
  planHeadroomOption,
  replicasOption,
  splitOption,
  tableListOption,
  tablesText,
  tablesTokenOption,
  withNodeSecurity,
} from './options.ts';
import { parseNode } from './plan.ts';
import {
  abort,
  type ChangeReport,
  type RebalanceOptions,
  rebalance,
  type SwapOptions,
  swap,
} from './swap.ts';

interface Printed {
  readonly abort?: boolean;
  readonly json?: boolean;
}

const said = {
  begin: 'the nodes load it beside what they serve',
  flip: 'the nodes have it; the rankers use it from now on',
  end: 'the rankers use nothing else; the nodes free the rest',
  abort: 'aborted: what was served before is served',
} as const;

export function addChanges(program: Command): void {
  addSwap(program);
  addRebalance(program);
}

function addSwap(program: Command): void {
  const command = program
    .command('swap')
    .description('replace all tables of a running cluster by a new version, without a pause')
    .option('--tables <file>', tablesText)
    .addOption(tableListOption())
    .addOption(tablesTokenOption())
    .addOption(
      new Option('--version <n>', 'version of the new tables, larger than the served one').argParser(
        integer(1, 2 ** 32 - 1),
      ),
    )
    .option('--verify', 'read every row, so that nodes can compare all of their rows');
  withChange(command)
    .addHelpText(
      'after',
      example('flexemr swap --routing plan.json --tables tables-2.safetensors --version 2'),
    )
    .action(async (options: SwapOptions & Printed) => {
      checkNats(command, options.routing, '--routing');
      if (!options.abort && (options.tables === undefined || options.version === undefined))
        command.error("error: give the new tables: '--tables <file>' and '--version <n>', or '--abort'");
      await run(options, (onStep) => swap(options, onStep));
    });
}

function addRebalance(program: Command): void {
  const command = program
    .command('rebalance')
    .description('move the tables of a running cluster to other nodes, without a pause')
    .addOption(
      new Option(
        '--node <id=url[,bytes][,zone=name]>',
        'a node that is to have tables, its address, its memory and its zone; can be repeated',
      ).argParser(parseNode),
    )
    .addOption(splitOption())
    .addOption(replicasOption())
    .addOption(planHeadroomOption())
    .addOption(capacityOption());
  withChange(command)
    .addHelpText(
      'after',
      example(
        'flexemr rebalance --routing plan.json --node a=http://10.0.0.1:4100 --node b=http://10.0.0.2:4100 --node c=http://10.0.0.3:4100',
      ),
    )
    .action(async (options: RebalanceOptions & Printed) => {
      checkNats(command, options.routing, '--routing');
      if (!options.abort && options.node === undefined)
        command.error("error: give the nodes: '--node <id=url>' for each, or '--abort'");
      await run(options, (onStep) => rebalance(options, onStep));
    });
}

function withChange(command: Command): Command {
  command.requiredOption(
    '--routing <file>',
    'the cluster that nodes and rankers watch: its plan, or nats://HOST:PORT/BUCKET',
  );
  return withNats(withNodeSecurity(command))
    .option('--abort', 'end the change that is under way, and go back to what was served')
    .addOption(
      new Option(
        '--timeout <seconds>',
        `how long to wait for nodes, and for rankers (default: ${rollOutMsMax / 1_000})`,
      ).argParser(integer(1, rollOutMsMax / 1_000)),
    )
    .option('--json', 'print the summary as JSON');
}

async function run(
  options: (SwapOptions | RebalanceOptions) & Printed,
  change: (onStep: (step: keyof typeof said) => void) => Promise<ChangeReport>,
): Promise<void> {
  const onStep = (step: keyof typeof said): void => {
    if (!options.json) print(said[step]);
  };
  const report = options.abort ? await abort(options, onStep) : await change(onStep);
  print(options.json ? JSON.stringify(report) : `done in ${report.seconds} s`);
}
