// A command or a program starts processes of memory nodes. When any of them dies, no process is left.
import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { type KeyedBags, openRanker, startLocalCluster } from '../../src/index.ts';
import { alive, main, Running, refused, tablesFile, until } from './command.ts';
import { asked, at, dir, tables } from './lookup-files.ts';

describe('nodes that die', () => {
  test('lookups at a killed node fail in time and name the node; other nodes continue', async () => {
    await using cluster = await startLocalCluster({ tables: tablesFile, nodes: 2, split: 'table' });
    await using ranker = await openRanker({ routing: cluster.routing });
    const on = (node: string): KeyedBags =>
      Object.fromEntries(
        cluster.routing.tables
          .filter(({ shards }) => shards.every((shard) => shard.node === node))
          .map(({ spec }) => [spec.name, { keys: [0], offsets: [0] }]),
      );
    const deadline = 2_000;
    for (const node of ['node0', 'node1']) await ranker.lookup(on(node), { deadline });
    let killed = Number.POSITIVE_INFINITY;
    const asking = (async () => {
      for (;;) await ranker.lookup(on('node1'), { deadline });
    })().catch((error: unknown) => error);
    killed = performance.now();
    process.kill(cluster.pids[1], 'SIGKILL');
    const error = await asking;
    expect(error).toMatchObject({ name: 'FlexemrError', node: 'node1' });
    expect(['UNAVAILABLE', 'NODE_FAILED', 'DEADLINE_EXCEEDED']).toContain((error as { code: string }).code);
    expect(performance.now() - killed).toBeLessThan(deadline + 1_000);
    expect((await ranker.lookup(on('node0'), { deadline })).failures).toEqual([]);
    const { failures } = await ranker.lookup(
      { ...on('node0'), ...on('node1') },
      { deadline, onFailure: 'partial' },
    );
    expect(failures.map(({ node }) => node)).toEqual(['node1']);
  });

  test('the error for a node that cannot start says why, and no other node is left', async () => {
    const starting = startLocalCluster({ tables: tablesFile, nodes: 2, rdma: { device: 'nowhere' } });
    await expect(starting).rejects.toMatchObject({
      code: 'NODE_FAILED',
      message: expect.stringMatching(/^memory node node\d did not start: .*(RDMA|rdma|nowhere)/),
    });
    refused(['lookup', '--tables', dir, ...asked(), '--nodes', '2'], 1, /INVALID_FILE/);
    await expect(startLocalCluster({ tables: tablesFile, nodes: 0 })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      field: 'nodes',
    });
  });
});

describe('no process of a node is left', () => {
  const script = at('parent.ts');
  beforeAll(() => {
    const index = new URL('../../src/index.ts', import.meta.url);
    writeFileSync(
      script,
      `import { startLocalCluster } from ${JSON.stringify(String(index))};
      const cluster = await startLocalCluster({ tables: ${JSON.stringify(tablesFile)}, nodes: 2 });
      console.log(JSON.stringify(cluster.pids));
      const [how] = process.argv.slice(2);
      if (how === 'throws') setTimeout(() => { throw new Error('on purpose'); });
      else if (how === 'exits') process.exit(3);
      else if (how === 'closes') await cluster.close();
      else setInterval(() => {}, 1000);`,
    );
  });

  test.for(['is killed', 'throws', 'exits', 'closes'])('if the parent of a cluster %s', async (how) => {
    await using parent = new Running([script, how]);
    const pids: number[] = JSON.parse(await parent.line());
    expect(pids.length).toBe(2);
    if (how === 'is killed') {
      expect(pids.every(alive)).toBe(true);
      parent.child.kill('SIGKILL');
    }
    await parent.ended;
    await expectGone(pids);
  });

  test.for(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
    'if a lookup gets %s while its nodes start',
    async (signal) => {
      await using lookup = new Running([main, 'lookup', ...tables, ...asked(), '--nodes', '3']);
      let pids: number[] = [];
      await until('three nodes', () => {
        pids = childrenOf(lookup.pid);
        return pids.length === 3;
      });
      lookup.child.kill(signal);
      await lookup.ended;
      await expectGone(pids);
    },
  );
});

/** Expects that the processes end, and kills those that do not. */
async function expectGone(pids: readonly number[]): Promise<void> {
  try {
    await until(`the end of ${pids.join(' and ')}`, () => !pids.some(alive), 10_000);
  } finally {
    for (const pid of pids) if (alive(pid)) process.kill(pid, 'SIGKILL');
  }
}

/** The child processes of a process. */
function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.trim().split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
