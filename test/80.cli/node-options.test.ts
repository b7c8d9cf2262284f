// Options for lookups and scores over memory nodes.
import { describe, expect, test } from 'vitest';
import { nodesMax } from '../../src/limits.ts';
import { denseFile, done, flexemr, refused, tablesFile } from './command.ts';
import { asked, at, out, tables } from './lookup-files.ts';
import { manyRequests } from './request-files.ts';

describe('wrong options are refused on one line', () => {
  const local = ['lookup', ...tables, ...asked()];
  const remote = ['lookup', '--routing', at('routing.json'), ...asked()];
  test.for([
    [['lookup', ...asked()], /--tables.*--routing/],
    [['score', ...asked(), '--dense', denseFile], /--tables.*--routing/],
    [[...local, '--nodes', '0'], new RegExp(`--nodes.*1 to ${nodesMax}`)],
    [[...local, '--nodes', '1.5'], /--nodes/],
    [[...local, '--nodes', '2', '--split', 'column'], /--split.*table, row, auto/],
    [[...local, '--nodes', '2', '--transport', 'pigeon'], /--transport.*loopback, http, stream/],
    [[...local, '--nodes', '2', '--push-down', 'often'], /--push-down.*auto, always, never/],
    [[...local, '--nodes', '2', '--deadline', '0'], /--deadline/],
    [[...local, '--nodes', '2', '--deadline', 'soon'], /--deadline/],
    [[...local, '--nodes', '2', '--threads', '65'], /--threads.*1 to 64/],
    [[...local, '--nodes', '2', '--transport', 'loopback', '--threads', '2'], /--threads.*loopback/],
    [[...local, '--nodes', '2', '--token-file', 'x'], /--token-file.*--routing/],
    [[...local, '--nodes', '2', '--ca', 'x'], /--ca.*--routing/],
    [[...local, '--split', 'row'], /--split.*--nodes/],
    [[...local, '--transport', 'http'], /--transport.*--nodes or --routing/],
    [[...local, '--push-down', 'never'], /--push-down.*--nodes or --routing/],
    [[...local, '--engines', '2'], /--engines.*--nodes or --routing/],
    [[...local, '--nodes', '2', '--engines', '65'], /--engines.*0 to 64/],
    [[...local, '--nodes', '2', '--transport', 'loopback', '--engines', '2'], /--engines.*loopback/],
    [[...local, '--cache', '1MiB'], /--cache.*--nodes or --routing/],
    [[...local, '--nodes', '2', '--cache', '7'], /--cache.*256MiB.*10%/],
    [[...local, '--nodes', '2', '--cache', 'adaptive'], /--cache adaptive.*flexemr rank.*give a size/],
    [[...local, '--nodes', '2', '--cache-off', 'x'], /--cache-off.*give --cache too/],
    [[...local, '--nodes', '2', '--cache-pin', 'x'], /--cache-pin.*give --cache too/],
    [[...local, '--nodes', '2', '--cache-admit', 'all'], /--cache-admit.*give --cache too/],
    [
      [...local, '--nodes', '2', '--cache', '1MiB', '--cache-admit', 'some'],
      /--cache-admit.*second-miss, all/,
    ],
    [
      [...local, '--nodes', '2', '--cache', '1MiB', '--cache-off', 'x', 'y', '--cache-pin', 'y'],
      /table y.*--cache-off.*--cache-pin/,
    ],
    [[...local, '--deadline', '5'], /--deadline.*--nodes or --routing/],
    [[...remote, '--nodes', '2'], /--routing.*--nodes/],
    [[...remote, ...tables], /--routing.*--tables/],
    [[...remote, '--dtype', 'int8'], /--routing.*--dtype/],
    [[...remote, '--threads', '2'], /--routing.*--threads/],
    [[...remote, '--split', 'row'], /--routing.*--split/],
    [[...remote, '--transport', 'loopback'], /loopback.*--routing/],
    [[...remote, '--cert', 'x'], /--cert.*--key/],
  ] as [string[], RegExp][])('with exit code 2: $1', ([args, line]) => refused(args, 2, line));

  test('of an adaptive cache', () => {
    const rank = ['rank', ...tables, '--dense', denseFile, '--nodes', '1'];
    refused([...rank, '--cache-floor', '1MiB'], 2, /--cache-floor.*give --cache adaptive too/);
    const adaptive = [...rank, '--transport', 'loopback', '--cache', 'adaptive'];
    refused([...adaptive, '--cache-window', 'x'], 1, /INVALID_OPTION: adaptiveCache.window: .*seconds/);
    refused([...adaptive, '--cache-capacity', '1'], 1, /INVALID_OPTION: .*floor <= ceiling <= capacity/);
  });

  test('with exit code 1', async () => {
    const plan = at('no-urls.json');
    done('plan', ...tables, '--nodes', '2', '--out', plan);
    refused(['lookup', '--routing', at('nowhere.json'), ...asked()], 1, /INVALID_FILE: .*nowhere/);
    refused(['lookup', '--routing', 'http://127.0.0.1:9/', ...asked()], 1, /UNAVAILABLE: .*127\.0\.0\.1:9/);
    refused(['lookup', '--routing', plan, ...asked()], 1, /INVALID_ROUTING: .*url/);
    refused(['lookup', '--routing', tablesFile, ...asked()], 1, /INVALID_ROUTING/);
    refused(
      ['lookup', '--routing', plan, ...asked(), '--token-file', at('nothing')],
      1,
      /INVALID_FILE: .*nothing/,
    );
    const bad = at('bad.safetensors');
    let position = 0;
    await manyRequests(bad, 1, (name, data) => {
      if (name !== 'indices_05') return data;
      position = data.length - 1;
      return (data as BigInt64Array).map((key, i) => (i === position ? 1_000_000n : key));
    });
    const place = new RegExp(`INVALID_KEY: .*bad.safetensors: indices_05\\[${position}\\].*1000000`);
    for (const split of ['table', 'row'])
      refused(['lookup', ...tables, ...asked(out, bad), '--nodes', '2', '--split', split], 1, place);
    refused([...local, '--nodes', '2', '--deadline', '0.001'], 1, /DEADLINE_EXCEEDED/);
    const cached = [...local, '--nodes', '2', '--transport', 'loopback', '--cache', '1MiB'];
    refused(
      [...cached, '--cache-pin', 'nothing'],
      1,
      /INVALID_OPTION: cache.tables.nothing: .*known tables: /,
    );
  });
});

test.for(['lookup', 'score'])('help of %s shows examples with nodes', (command) => {
  const { code, stdout } = flexemr(command, '--help');
  expect(code).toBe(0);
  expect(stdout).toMatch(
    new RegExp(`Example:\\n(?: {2}flexemr ${command} .*\\n)* {2}flexemr ${command} .*--nodes 2`),
  );
});
