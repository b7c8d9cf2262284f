import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nodeIdCharsMax, nodesMax, shardBytesMax, shardsMax, tablesMax } from '../../src/limits.ts';
import { fingerprint } from '../../src/plan/fingerprint.ts';
import { checkRouting, parseRouting, routingJson } from '../../src/plan/routing-json.ts';
import { numberedShards, type PlannedTable, type RoutingTable } from '../../src/plan/routing-table.ts';
import { refusal } from '../refusal.ts';
import { runs } from '../runs.ts';
import { anyRouting } from './routing-cases.ts';

const routing: RoutingTable = {
  nodes: [
    { id: 'a', url: 'http://10.0.0.1:7000', bytes: 8_000_000_000 },
    { id: 'b', url: 'http://10.0.0.2:7000' },
  ],
  tables: [
    {
      spec: { name: 'item', rows: 1000, dim: 2, mode: 'mean', missing: 'default', defaultRow: [0.5, -1] },
      version: 1,
      indexed: false,
      shards: [
        { node: 'a', begin: 0, end: 500 },
        { node: 'b', begin: 500, end: 1000 },
      ],
    },
    {
      spec: { name: 'user', rows: 10, dim: 4, mode: 'sum', dtype: 'int8', padding: (1n << 64n) - 1n },
      version: 7,
      indexed: true,
      shards: [{ node: 'b', begin: 0, end: 4294967296 }],
    },
  ],
};

const json = `{
  "format": "flexemr-routing-1",
  "nodes": [
    { "id": "a", "url": "http://10.0.0.1:7000", "bytes": 8000000000 },
    { "id": "b", "url": "http://10.0.0.2:7000" }
  ],
  "tables": [
    { "name": "item", "rows": 1000, "dim": 2, "mode": "mean", "missing": "default", "defaultRow": [0.5,-1], "version": 1, "indexed": false,
      "shards": [
        { "node": "a", "begin": 0, "end": 500 },
        { "node": "b", "begin": 500, "end": 1000 }
      ] },
    { "name": "user", "rows": 10, "dim": 4, "mode": "sum", "dtype": "int8", "padding": "18446744073709551615", "version": 7, "indexed": true,
      "shards": [
        { "node": "b", "begin": 0, "end": 4294967296 }
      ] }
  ]
}
`;

describe('JSON of a routing table', () => {
  test('has one line for each node, table and shard', () => {
    expect(routingJson(routing)).toBe(json);
    expect(parseRouting(json, 'plan.json')).toEqual(routing);
    expect(routingJson({ nodes: [{ id: 'a' }], tables: [] })).toContain('"tables": []');
  });

  test('can be parsed and written again without changes', () => {
    fc.assert(
      fc.property(anyRouting, (any) => {
        const text = routingJson(any);
        const back = parseRouting(text, 'plan.json');
        expect(back).toEqual(any);
        expect(routingJson(back)).toBe(text);
        expect(fingerprint(back)).toBe(fingerprint(any));
        expect(checkRouting(any)).toEqual(any);
        expect(checkRouting(JSON.parse(text))).toEqual(any);
        expect(parseRouting(`\ufeff${text}`, 'plan.json')).toEqual(any);
      }),
      { numRuns: runs.routingTables },
    );
  });
});

test('shards of all tables are numbered in table order', () => {
  expect(
    numberedShards(routing).map(({ number, table, shard }) => [number, table.spec.name, shard.begin]),
  ).toEqual([
    [0, 'item', 0],
    [1, 'item', 500],
    [2, 'user', 0],
  ]);
});

type Json = Record<string, unknown>;
interface Document extends Json {
  nodes: Json[];
  tables: (Json & { shards: Json[] })[];
}
type Fault = readonly [
  what: string,
  change: (given: Document) => unknown,
  field: string,
  value?: unknown,
  position?: number,
];

const set =
  (at: (given: Document) => Json, fields: Json) =>
  (given: Document): unknown =>
    Object.assign(at(given), fields);
const item = ({ tables }: Document): Json => tables[0];
const user = ({ tables }: Document): Json => tables[1];
const nodeB = ({ nodes }: Document): Json => nodes[1];
const first = ({ tables }: Document): Json => tables[0].shards[0];
const second = ({ tables }: Document): Json => tables[0].shards[1];
const hashes = ({ tables }: Document): Json => tables[1].shards[0];
const whole = (given: Document): Json => given;
const rowsMax = Math.floor(shardBytesMax / 8) - 1;

const faults: Fault[] = [
  ['no format', set(whole, { format: undefined }), 'format'],
  ['a newer format', set(whole, { format: 'flexemr-routing-3' }), 'format', 'flexemr-routing-3'],
  ['a zone in the format without zones', set(nodeB, { zone: 'z' }), 'format', 'flexemr-routing-1'],
  ['replicas in the format without', set(first, { replicas: ['b'] }), 'format', 'flexemr-routing-1'],
  ['no replica in a list of them', set(first, { replicas: [] }), 'tables[0].shards[0].replicas', []],
  ['a replica without a node', set(first, { replicas: ['c'] }), 'tables[0].shards', 'c', 0],
  ['a replica on the first node', set(first, { replicas: ['a'] }), 'tables[0].shards', 'a', 0],
  ['a replica twice', set(first, { replicas: ['b', 'b'] }), 'tables[0].shards', 'b', 0],
  ['a zone without a name', set(nodeB, { zone: '' }), 'nodes[1].zone', ''],
  ['an unknown field', set(whole, { node: [] }), 'node', 'node'],
  ['no list of nodes', set(whole, { nodes: undefined }), 'nodes'],
  ['no nodes', set(whole, { nodes: [] }), 'nodes', []],
  ['no list of tables', set(whole, { tables: {} }), 'tables', {}],
  ['a node without an id', set(nodeB, { id: undefined }), 'nodes[1].id'],
  ['a node with an empty id', set(nodeB, { id: '' }), 'nodes[1].id', ''],
  [
    'a node with too long an id',
    set(nodeB, { id: 'x'.repeat(nodeIdCharsMax + 1) }),
    'nodes[1].id',
    'x'.repeat(nodeIdCharsMax + 1),
  ],
  ['two nodes of one id', set(nodeB, { id: 'a' }), 'nodes', 'a', 1],
  ['a misspelt field of a node', set(nodeB, { adress: 'x' }), 'nodes[1].adress', 'adress'],
  ['an address that is not a URL', set(nodeB, { url: 'http://' }), 'nodes[1].url', 'http://'],
  ['an address without a scheme', set(nodeB, { url: '10.0.0.2:7000' }), 'nodes[1].url', '10.0.0.2:7000'],
  ['an address of another scheme', set(nodeB, { url: 'ftp://b' }), 'nodes[1].url', 'ftp://b'],
  ['a negative number of bytes', set(nodeB, { bytes: -1 }), 'nodes[1].bytes', -1],
  ['half a byte', set(nodeB, { bytes: 0.5 }), 'nodes[1].bytes', 0.5],
  ['a table without a name', set(item, { name: undefined }), 'tables[0].name'],
  ['two tables of one name', set(user, { name: 'item' }), 'tables', 'item', 1],
  ['a misspelt field of a table', set(item, { paddding: 1 }), 'tables[0].paddding', 'paddding'],
  ['no rows', set(item, { rows: 0 }), 'tables[0].rows', 0],
  ['an unknown mode', set(item, { mode: 'median' }), 'tables[0].mode', 'median'],
  ['a default row of another length', set(item, { defaultRow: [1] }), 'tables[0].defaultRow', 1],
  ['a default row of text', set(item, { defaultRow: [0, 'NaN'] }), 'tables[0].defaultRow[1]', 'NaN'],
  ['a padding that is not a number', set(user, { padding: '1e3' }), 'tables[1].padding', '1e3'],
  ['a padding with a fraction', set(user, { padding: 0.5 }), 'tables[1].padding', 0.5],
  ['version 0', set(item, { version: 0 }), 'tables[0].version', 0],
  ['a version beyond u32', set(item, { version: 2 ** 32 }), 'tables[0].version', 2 ** 32],
  ['no version', set(item, { version: undefined }), 'tables[0].version'],
  ['no field for whether it is indexed', set(item, { indexed: undefined }), 'tables[0].indexed'],
  ['no list of shards', set(item, { shards: undefined }), 'tables[0].shards'],
  ['no shards', set(item, { shards: [] }), 'tables[0].shards', 0],
  ['a misspelt field of a shard', set(second, { start: 0 }), 'tables[0].shards[1].start', 'start'],
  ['a shard on an unknown node', set(second, { node: 'c' }), 'tables[0].shards', 'c', 1],
  ['a first shard that leaves rows out', set(first, { begin: 1 }), 'tables[0].shards', 1, 0],
  ['a gap', set(second, { begin: 501 }), 'tables[0].shards', 501, 1],
  ['an overlap', set(second, { begin: 499 }), 'tables[0].shards', 499, 1],
  ['an empty shard', set(first, { end: 0 }), 'tables[0].shards', 0, 0],
  ['a shard that ends before it begins', set(second, { end: 400 }), 'tables[0].shards', 400, 1],
  ['rows left over', set(second, { end: 999 }), 'tables[0].shards', 999],
  ['rows past the end', set(second, { end: 1001 }), 'tables[0].shards', 1001, 1],
  ['half a row', set(first, { end: 0.5 }), 'tables[0].shards[0].end', 0.5],
  ['a row before row 0', set(first, { begin: -1 }), 'tables[0].shards[0].begin', -1],
  ['an indexed table cut by rows', set(hashes, { end: 10 }), 'tables[1].shards', 10],
  ['hashes past the end', set(hashes, { end: 2 ** 32 + 1 }), 'tables[1].shards[0].end', 2 ** 32 + 1],
  [
    'more rows than fit in an arena',
    (given) => {
      Object.assign(item(given), { rows: rowsMax + 1 });
      given.tables[0].shards = [{ node: 'a', begin: 0, end: rowsMax + 1 }];
    },
    'tables[0].shards',
    rowsMax + 1,
    0,
  ],
  ['more ids than fit in an arena', set(user, { rows: 200_000_000 }), 'tables[1].shards', 2 ** 32, 0],
];

test.for([
  [{ ...routing, tables: [{}] }, 'tables[0].version'],
  [{ ...routing, tables: [routing.tables[0], { ...routing.tables[1], spec: null }] }, 'tables[1]'],
  [
    { ...routing, tables: [{ ...routing.tables[0], shards: [{ node: 'a', begin: 0, end: '9' }] }] },
    'tables[0].shards[0].end',
  ],
  [{ nodes: 1, tables: [] }, 'nodes'],
  [{ nodes: routing.nodes, tables: 'none' }, 'tables'],
  [{}, 'nodes'],
  [[], 'nodes'],
  [null, 'routing'],
  [undefined, 'routing'],
  [Symbol('routing'), 'routing'],
  [5, 'routing'],
] as const)('errors for routing from a program name the path of the wrong field: %#', ([given, field]) => {
  expect(() => checkRouting(given)).toThrow(
    expect.objectContaining({ code: 'INVALID_ROUTING', field: expect.stringContaining(field) }),
  );
});

describe('wrong routing tables', () => {
  test.for(faults)('%s', ([, change, field, value, position]) => {
    const given = JSON.parse(json);
    change(given);
    const error = refusal(() => parseRouting(JSON.stringify(given), 'some/plan.json'));
    expect({ ...error }).toEqual({ name: 'FlexemrError', code: 'INVALID_ROUTING', field, position, value });
    expect(error.message).toMatch(/^some\/plan\.json: .*flexemr plan/);
    expect(error.message).not.toContain('\n');
  });

  test.for(['', 'plan', '{', json.slice(0, -20), 'null', '[]', '3'])('%j', (text) => {
    expect(refusal(() => parseRouting(text, 'plan.json')).code).toBe('INVALID_ROUTING');
  });

  const tiny = (name: string, on: readonly string[]): PlannedTable => ({
    spec: { name, rows: on.length, dim: 1, mode: 'sum' },
    version: 1,
    indexed: false,
    shards: on.map((node, i) => ({ node, begin: i, end: i + 1 })),
  });
  const many = (count: number): string[] => Array.from({ length: count }, (_, i) => `n${i}`);

  test('more nodes, tables or shards than the limits', () => {
    const nodes = many(nodesMax + 1).map((id) => ({ id }));
    const [a, b] = [{ id: 'a' }, new Array(shardsMax).fill('a')];
    const cases: [RoutingTable, string, number][] = [
      [{ nodes, tables: [] }, 'nodes', nodesMax + 1],
      [{ nodes: [a], tables: many(tablesMax + 1).map((name) => tiny(name, ['a'])) }, 'tables', tablesMax + 1],
      [{ nodes: [a], tables: [tiny('s', ['a']), tiny('t', b)] }, 'shards', shardsMax + 1],
    ];
    for (const [given, field, value] of cases)
      expect({ ...refusal(() => checkRouting(given)) }).toMatchObject({
        code: 'INVALID_ROUTING',
        field,
        value,
      });
    expect(checkRouting({ nodes: nodes.slice(1), tables: [] }).nodes.length).toBe(nodesMax);
  });
});

/** The routing table with one changed table. */
function withTable(at: number, fields: object, spec: object = {}): RoutingTable {
  const tables = routing.tables.map((table, i) =>
    i === at ? { ...table, ...fields, spec: { ...table.spec, ...spec } } : table,
  );
  return { ...routing, tables };
}

describe('a fingerprint', () => {
  const own = fingerprint(routing);

  test('has 64 bits, and is the same on every machine', () => {
    expect(own.toString(16)).toMatchInlineSnapshot(`"9032141b0cc9b35f"`);
    expect(fingerprint({ nodes: [], tables: [] }).toString(16)).toBe('cbf29ce484222325');
  });

  const [itemTable, userTable] = routing.tables;
  const [one, two] = itemTable.shards;
  const meant: [string, RoutingTable][] = [
    ['name', withTable(0, {}, { name: 'items' })],
    ['rows', withTable(0, {}, { rows: 1001 })],
    ['dim', withTable(0, {}, { dim: 3 })],
    ['mode', withTable(0, {}, { mode: 'sum' })],
    ['dtype', withTable(0, {}, { dtype: 'f16' })],
    ['padding', withTable(0, {}, { padding: 0 })],
    ['another padding', withTable(0, {}, { padding: 1 })],
    ['another id of padding', withTable(1, {}, { padding: 2n })],
    ['the policy for missing keys', withTable(0, {}, { missing: 'skip' })],
    ['the default row', withTable(0, {}, { defaultRow: [0.5, -1.5] })],
    ['a sign in the default row', withTable(0, {}, { defaultRow: [0.5, 1] })],
    ['a zero in the default row', withTable(0, {}, { defaultRow: [0, -1] })],
    ['the sign of a zero in the default row', withTable(0, {}, { defaultRow: [-0, -1] })],
    ['version', withTable(0, { version: 2 })],
    ['indexed', withTable(0, { indexed: true })],
    [
      'a bound',
      withTable(0, {
        shards: [
          { ...one, end: 499 },
          { ...two, begin: 499 },
        ],
      }),
    ],
    ['a node', withTable(0, { shards: [one, { ...two, node: 'a' }] })],
    [
      'nodes exchanged',
      withTable(0, {
        shards: [
          { ...one, node: 'b' },
          { ...two, node: 'a' },
        ],
      }),
    ],
    [
      'a cut on the same node',
      withTable(1, {
        shards: [
          { ...one, node: 'b' },
          { node: 'b', begin: 500, end: 2 ** 32 },
        ],
      }),
    ],
    ['a replica', withTable(0, { shards: [{ ...one, replicas: ['b'] }, two] })],
    ['the order of tables', { ...routing, tables: [userTable, itemTable] }],
    ['a missing table', { ...routing, tables: [itemTable] }],
  ];
  test.for(meant)('changes with %s', ([, changed]) => {
    expect(fingerprint(changed)).not.toBe(own);
  });

  test('is different for each of these changes', () => {
    const all = [routing, ...meant.map(([, changed]) => changed)].map(fingerprint);
    expect(new Set(all).size).toBe(all.length);
  });

  const meaningless: [string, RoutingTable][] = [
    ['addresses', { ...routing, nodes: routing.nodes.map(({ id }) => ({ id, url: 'https://other' })) }],
    ['capacities', { ...routing, nodes: routing.nodes.map((node) => ({ ...node, bytes: 1 })) }],
    ['zones', { ...routing, nodes: routing.nodes.map((node) => ({ ...node, zone: node.id })) }],
    ['nodes without shards', { ...routing, nodes: [{ id: 'c' }, ...routing.nodes] }],
    ['the order of nodes', { ...routing, nodes: routing.nodes.toReversed() }],
    ['defaults spelt out', withTable(0, {}, { dtype: 'f32', weighted: undefined, padding: undefined })],
    ['information for people only', withTable(0, {}, { weighted: true })],
    ['ids as the signed numbers of the same bits', withTable(1, {}, { padding: -1 })],
    ['digits that f32 does not keep', withTable(0, {}, { defaultRow: [0.5000000001, -1] })],
    ['the order of fields', withTable(0, {}, { name: itemTable.spec.name })],
  ];
  test.for(meaningless)('does not change with %s', ([, changed]) => {
    expect(fingerprint(changed)).toBe(own);
  });

  test('does not change with the order of the nodes that hold a shard', () => {
    const [ab, ba] = ['ab', 'ba'].map(([node, replica]) =>
      withTable(0, { shards: [{ ...one, node, replicas: [replica] }, two] }),
    );
    expect(fingerprint(ab)).toBe(fingerprint(ba));
  });

  test('counts a negative padding from the end', () => {
    expect(fingerprint(withTable(0, {}, { padding: -1 }))).toBe(
      fingerprint(withTable(0, {}, { padding: 999n })),
    );
  });

  test('ignores a default row that is not used', () => {
    const unused = (defaultRow: number[] | undefined): RoutingTable =>
      withTable(0, {}, { missing: 'skip', defaultRow });
    expect(fingerprint(unused([1, 2]))).toBe(fingerprint(unused(undefined)));
  });
});
