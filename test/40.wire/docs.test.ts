// docs/wire.md agrees with the code.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as creditLimits from '../../src/credit-limits.ts';
import * as kernel from '../../src/kernel/layout.ts';
import * as limits from '../../src/limits.ts';
import * as wire from '../../src/wire/layout.ts';
import { codeOf, httpStatusOf, statusOf } from '../../src/wire/status.ts';

const text = readFileSync(join(import.meta.dirname, '../../docs/wire.md'), 'utf8');
const constants: Readonly<Record<string, number>> = wire;

/** The cells of every table whose head begins with the cells `head`, without code marks. */
function tables(...head: string[]): string[][][] {
  const blocks = [...text.matchAll(/(?:^\|.*\|\n)+/gm)].map(([block]) =>
    block
      .trim()
      .split('\n')
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim().replaceAll('`', '')),
      ),
  );
  return blocks.filter(([first]) => head.every((cell, i) => first[i] === cell)).map((rows) => rows.slice(2));
}

/** The names of the layout's constants that begin with a prefix. */
function named(...prefixes: string[]): string[] {
  return Object.keys(wire).filter((name) => prefixes.some((prefix) => name.startsWith(prefix)));
}

function checkFields(rows: readonly string[][], names: readonly string[]): void {
  const documented = rows.map(([at, name]) => [name, Number(at)]);
  const written = names.map((name): [string, number] => [name, constants[name]]);
  expect(documented).toEqual(written.sort(([, a], [, b]) => a - b));
}

test('headers and entries, field by field', () => {
  const [subrequest, reply] = tables('byte', 'header');
  const [entry] = tables('byte', 'entry');
  const frame = named('FRAME_');
  const but =
    (...left: string[]) =>
    (name: string) =>
      !left.includes(name);
  checkFields(subrequest, [...frame, ...named('SUBREQUEST_').filter(but('SUBREQUEST_MAGIC'))]);
  checkFields(reply, [...frame, ...named('REPLY_').filter(but('REPLY_MAGIC'))]);
  checkFields(entry, named('SEGMENT_').filter(but('SEGMENT_BYTES')));
  const [credit] = tables('byte', 'credit');
  checkFields(credit, named('CREDIT_ID', 'CREDIT_VERB'));
  expect(text).toContain(`\`CREDIT_GRANT\` (${wire.CREDIT_GRANT}), or \`CREDIT_DROP\` (${wire.CREDIT_DROP})`);
  expect(text).toContain(`A header of ${wire.HEADER_BYTES} bytes; an entry of ${wire.SEGMENT_BYTES} bytes`);
});

test('flags, magics, versions and exceptions', () => {
  const [flags] = tables('flag', 'name');
  const bits = named('FLAG_').filter((name) => name !== 'FLAG_MISSING_SHIFT');
  checkFields(flags, bits);
  const known = bits.reduce((sum, name) => sum | constants[name], 0b11 << wire.FLAG_MISSING_SHIFT);
  expect(known).toBe(wire.FLAGS_KNOWN);
  expect(text).toContain(
    `Bits ${wire.FLAG_MISSING_SHIFT} and ${wire.FLAG_MISSING_SHIFT + 1} (\`FLAG_MISSING_SHIFT\`)`,
  );
  const magics = [...text.matchAll(/\| "(....)" \(`(\w+)`\)/g)].map(([, letters, name]) => [
    name,
    new DataView(new TextEncoder().encode(letters).buffer).getUint32(0, true),
  ]);
  expect(magics).toEqual(named('SUBREQUEST_MAGIC', 'REPLY_MAGIC').map((name) => [name, constants[name]]));
  expect(text).toContain(`today N is ${wire.wireVersion}`);
  const [subrequest] = tables('byte', 'header');
  expect(subrequest.find(([, name]) => name === 'FRAME_VERSION')?.[2]).toBe(`u16: ${wire.wireVersion}`);
  const [headerFlags] = tables('flag of a header', 'name');
  const headerBits = named('HEADER_FLAG_');
  checkFields(headerFlags, headerBits);
  expect(headerBits.reduce((sum, name) => sum | constants[name], 0)).toBe(wire.HEADER_FLAGS_KNOWN);
  expect(text).toContain(`${wire.SEQUENCE_BYTES} bytes (\`SEQUENCE_BYTES\`) for each segment`);
  const [sequences] = tables('byte', 'sequence');
  checkFields(sequences, named('SEQUENCE_INCARNATION', 'SEQUENCE_NUMBER'));
  expect(wire.EXCEPTION_POSITION_MASK).toBe(2 ** wire.EXCEPTION_OUTCOME_SHIFT - 1);
  expect(text).toContain(`the low\n${wire.EXCEPTION_OUTCOME_SHIFT} bits`);
  const { OUTCOME_PADDED, OUTCOME_MISSING, OUTCOME_DEFAULTED } = kernel;
  const outcomes = `${OUTCOME_PADDED} padding,\n${OUTCOME_MISSING} left out, ${OUTCOME_DEFAULTED} answered by the default row`;
  expect(text).toContain(outcomes);
});

test('statuses, and their HTTP statuses', () => {
  const [statuses] = tables('status', 'HTTP', 'code');
  for (const [status, http, code] of statuses.slice(1)) {
    expect([code, statusOf(code as never), httpStatusOf(Number(status))]).toEqual([
      code,
      Number(status),
      Number(http),
    ]);
    expect(codeOf(Number(status))).toBe(code);
  }
  expect(statuses[0].slice(0, 3)).toEqual(['0', String(httpStatusOf(0)), '']);
  // The next number has no meaning yet, so the table lists all statuses.
  expect(codeOf(statuses.length)).toBe('NODE_FAILED');
  expect(httpStatusOf(statuses.length)).toBe(500);
});

test('limits', () => {
  const [rows] = tables('limit', 'most');
  const values: Readonly<Record<string, number>> = { ...limits, ...creditLimits };
  expect(rows.map(([name, most]) => [name, Number(most)])).toEqual(
    rows.map(([name]) => [name, values[name]]),
  );
});
