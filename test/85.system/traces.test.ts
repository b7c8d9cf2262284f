// The trace of one lookup over memory nodes in other processes, as a collector gets it from all of them.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Running, tablesFile } from '../80.cli/command.ts';
import { Collector, nodeOf } from './collector.ts';
import type { TracedLookup } from './traced-lookup.ts';

const at = (name: string): string => join(import.meta.dirname, name);
const trace = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };
const program = [at('traced-lookup.ts'), tablesFile, trace.traceId, trace.spanId];
/** Kinds of spans in OTLP. */
const [internal, server, client] = [1, 2, 3];

test('the trace of a lookup is whole: its span, one for each subrequest, and one at each node', async () => {
  await using collector = await Collector.start();
  const env = {
    NODE_OPTIONS: `--import ${at('otel.ts')}`,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.url,
  };
  await using running = new Running(program, process.execPath, env);
  const { pid, pids, loaded } = JSON.parse(await running.line()) as TracedLookup;
  expect(loaded).not.toEqual([]);
  await expect.poll(() => collector.spans.length).toBe(5);
  const [lookups, subrequests, answers] = ['lookup', 'subrequest', 'answer'].map((name) =>
    collector.named(name),
  );
  for (const { traceId, status } of collector.spans) {
    expect(traceId).toBe(trace.traceId);
    expect(status.code ?? 0).toBe(0);
  }
  expect(lookups).toMatchObject([{ kind: internal, parentSpanId: trace.spanId, pid }]);
  const [{ spanId: lookup }] = lookups;
  const asked = { kind: client, parentSpanId: lookup, pid };
  expect(subrequests).toMatchObject([asked, asked]);
  expect(answers).toMatchObject(
    subrequests.map(({ spanId }, i) => ({ kind: server, parentSpanId: spanId, pid: pids[i] })),
  );
  expect(answers.map(nodeOf)).toEqual(['node0', 'node1']);
  expect(subrequests.map(nodeOf)).toEqual(['node0', 'node1']);
});

test('without an SDK nothing of OpenTelemetry is loaded', async () => {
  await using running = new Running(program);
  const { loaded } = JSON.parse(await running.line()) as TracedLookup;
  expect(loaded).toEqual([]);
});
