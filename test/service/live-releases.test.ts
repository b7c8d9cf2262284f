// The page of a real service while its cluster changes: it says step by step which release is served, comes and goes.
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openClusterSource } from '../../src/host/cluster-source.ts';
import { writeRouting } from '../../src/host/file-routing.ts';
import { plannedTables } from '../../src/host/plan-cluster.ts';
import { MemoryNodeHost } from '../../src/index.ts';
import type { Release } from '../../src/plan/cluster.ts';
import { planName } from '../../src/plan/fingerprint.ts';
import { nextVersion } from '../../src/plan/next-release.ts';
import { planSharding } from '../../src/plan/planner.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import { denseFile, tablesFile } from '../80.cli/command.ts';
import { roll } from '../82.cluster/roll.ts';
import { chromiumMissing, openChromium } from '../runtimes/chromium.ts';
import { started } from './ranker.ts';
import { Tab } from './tab.ts';

if (chromiumMissing) throw new Error(`the page is tested in Chromium: ${chromiumMissing}`);

const ids = ['a', 'b'];

async function planned(urls: readonly (string | undefined)[]): Promise<RoutingTable> {
  const nodes = ids.map((id, i) => ({ id, url: urls[i] }));
  const tables = await plannedTables(tablesFile, undefined);
  return planSharding({ tables, nodes, split: 'row' }).routing;
}

test('the page follows a swap', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'flexemr-releases-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [plan, fresh] = [join(folder, 'plan.json'), join(folder, 'fresh.safetensors')];
  copyFileSync(tablesFile, fresh);
  await writeRouting(plan, await planned([]));
  const hosts: MemoryNodeHost[] = [];
  onTestFinished(async () => void (await Promise.all(hosts.map((host) => host.close()))));
  for (const node of ids) {
    const routing = await openClusterSource(plan);
    hosts.push(await MemoryNodeHost.start({ tables: tablesFile, routing, node }));
  }
  const first = await planned(hosts.map(({ url }) => url));
  await writeRouting(plan, first);
  const { service, ready } = await started('--routing', plan, '--dense', denseFile);
  onTestFinished(() => service[Symbol.asyncDispose]());
  const browser = await openChromium();
  onTestFinished(() => browser.close());
  const tab = await Tab.open(browser, `${ready.url}/`);
  const shown = async (): Promise<string[][]> => {
    return (await tab.table('releases')).map(([role, name, from, version, , , nodes]) => [
      ...[role, name, from, version, nodes],
    ]);
  };
  const released = async (serving: Release): Promise<Release> => {
    return nextVersion(serving, await plannedTables(fresh, undefined), 2, fresh);
  };
  const old = planName(first);
  const coming = planName((await released({ routing: first })).routing);
  await expect.poll(shown).toEqual([['serving', old, '–', '1', '2 of 2 ready']]);
  expect(await tab.text('#source')).toBe(plan);
  await roll({ plan }, released, 'begin');
  await expect.poll(shown).toEqual([
    ['serving', old, '–', '1', '2 of 2 ready'],
    ['next', coming, fresh, '2', '2 of 2 ready'],
  ]);
  expect((await tab.table('holders')).map(([node, has]) => [node, has])).toEqual(
    ids.map((node) => [node, 'serving ready, next ready']),
  );
  expect(await tab.text('#news')).toBe(`Releases: ${old} is served, ${coming} comes.`);
  await roll({ plan }, released, 'flip');
  await expect.poll(shown).toEqual([
    ['serving', coming, fresh, '2', '2 of 2 ready'],
    ['previous', old, '–', '1', '2 of 2 ready'],
  ]);
  await roll({ plan }, released);
  await expect.poll(shown).toEqual([['serving', coming, fresh, '2', '2 of 2 ready']]);
  // A release that cannot be loaded: the page says where and why.
  const none = join(folder, 'none.safetensors');
  const lost = async (serving: Release): Promise<Release> => {
    return nextVersion(serving, await plannedTables(fresh, undefined), 3, none);
  };
  await roll({ plan }, lost, 'begin');
  await expect.poll(() => tab.table('releases').then((rows) => rows[1]?.[6])).toBe('0 of 2 ready, 2 failed');
  expect((await tab.table('holders'))[0][1]).toContain('next failed: ');
  expect(await tab.violations()).toEqual([]);
  expect(tab.complaints).toEqual([]);
});
