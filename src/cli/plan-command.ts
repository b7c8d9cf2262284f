import { type Command, Option } from 'commander';
import { example, print } from './help.ts';
import { checkNats, withNats } from './nats-options.ts';
import {
  capacityOption,
  dtypeOption,
  planHeadroomOption,
  replicasOption,
  splitOption,
  tableListOption,
  tablesText,
  tablesTokenOption,
} from './options.ts';
import { type PlanOptions, parseNode, parseNodes, plan, planJson, planText } from './plan.ts';

export function addPlan(program: Command): void {
  const command = program
    .command('plan')
    .description('divide tables among memory nodes, and predict the cost of requests')
    .requiredOption('--tables <file>', tablesText)
    .addOption(tableListOption())
    .addOption(tablesTokenOption())
    .addOption(
      new Option('--nodes <n>', 'number of nodes, which are named node0, node1 …').argParser(parseNodes),
    )
    .addOption(
      new Option(
        '--node <id=url[,bytes][,zone=name]>',
        'a node, its address, its memory, and its zone (a rack, a data centre); can be repeated',
      )
        .argParser(parseNode)
        .conflicts('nodes'),
    )
    .addOption(splitOption())
    .addOption(replicasOption())
    .option(
      '--updates [tables...]',
      'tables whose rows change while they are served; without names, all of them',
    )
    .addOption(planHeadroomOption())
    .option(
      '--requests <file>',
      'measure the keys per bag in these requests, safetensors (default: 1 key per bag)',
    )
    .addOption(dtypeOption())
    .addOption(capacityOption())
    .option('--out <file>', 'where to write the routing table, JSON')
    .option(
      '--publish <address>',
      'make it the plan of a new cluster in NATS: nats://HOST:PORT/BUCKET; the bucket is created',
    )
    .option('--if-absent', 'with --publish: leave a cluster as it is that is there and serves another plan')
    .option('--verify', 'read every row, so that nodes can compare all of their rows with the plan')
    .option('--json', 'print JSON, with the routing table')
    .addHelpText('after', example('flexemr plan --tables tables.safetensors --nodes 4 --out plan.json'))
    .action(async (options: PlanOptions & { json?: boolean }) => {
      if (options.node === undefined && options.nodes === undefined)
        command.error('give the nodes: --nodes <n>, or --node <id=url> for each');
      checkNats(command, options.publish, '--publish');
      if (options.ifAbsent && options.publish === undefined)
        command.error("error: option '--if-absent' is for a cluster in NATS: give --publish too");
      const planned = await plan(options);
      print(options.json ? JSON.stringify(planJson(planned)) : planText(planned));
    });
  withNats(command);
}
