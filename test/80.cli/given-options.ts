// Command lines, read by the options of flexemr itself.
import { Command } from 'commander';
import { addPlan } from '../../src/cli/plan-command.ts';
import { addRank, addServe } from '../../src/cli/servers.ts';
import type { PlannedNode } from '../../src/plan/routing-table.ts';

/** The values of the options that these tests read. */
export interface Given {
  readonly plan?: string;
  readonly routing?: string;
  readonly publish?: string;
  readonly node?: string | readonly PlannedNode[];
  readonly host?: string;
  readonly port?: number;
  readonly workers?: number;
  readonly headroom?: number;
  readonly capacity?: number;
  readonly replicas?: number;
  readonly tokenFile?: string;
  readonly nodesTokenFile?: string;
}

/** @throws if flexemr does not know an option or its value */
export function optionsOf(args: readonly string[]): Given {
  const program = new Command('flexemr').exitOverride().configureOutput({ writeErr: () => {} });
  addServe(program);
  addRank(program);
  addPlan(program);
  let given: Given = {};
  for (const command of program.commands)
    command.exitOverride().action((options: Given) => {
      given = options;
    });
  program.parse(args, { from: 'user' });
  return given;
}
