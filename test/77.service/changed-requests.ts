// Changes requests, so that most of them are wrong.
import fc from 'fast-check';
import { jsonDepthMax } from '../../src/limits.ts';
import { rawJson, type WrittenInfer } from './write-infer.ts';

const deep = Array.from({ length: jsonDepthMax + 8 }).reduce<unknown[]>((inner) => [inner], []);
const texts = [
  '-1',
  '1e400',
  '9007199254740993',
  '1e-400',
  '-0',
  '0.5',
  '4294967296',
  '18446744073709551616',
];
/** Values that are wrong in most places. */
const odd: fc.Arbitrary<unknown> = fc.constantFrom<unknown>(
  ...[null, true, '', 'NaN', 'x', '-5', [], {}, [[]], [null], ['1', {}], { binary_data_size: 8 }, deep],
  ...texts.map(rawJson),
);
const names = ['__proto__', 'constructor', 'toString', 'shape', 'genres', 'genres__values', 'data', ''];

/** A change of the JSON at some place in it. */
const jsonChange = fc.record({
  place: fc.nat(),
  change: fc.oneof(
    fc.constant('drop' as const),
    odd.map((put) => ({ put })),
    fc.constantFrom(...names).map((rename) => ({ rename })),
    fc.constant('twice' as const),
  ),
});
/** A change of the body and its headers. */
const bodyChange = fc.record({
  place: fc.nat(),
  change: fc.constantFrom('cut', 'flip', 'grow', 'length', 'no length', 'type'),
  text: fc.constantFrom('-1', '1e3', '0x10', '', 'abc', '99999999999999999999', '0', '5', ' 7', '1.5'),
});

export const changes = fc.record({
  json: fc.array(jsonChange, { maxLength: 2 }),
  body: fc.array(bodyChange, { maxLength: 1 }),
});
export type Changes = typeof changes extends fc.Arbitrary<infer T> ? T : never;

type Container = Record<string, unknown> | unknown[];

/** All containers in a value, and the names in them. */
function placesIn(value: unknown): [container: Container, name: string][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [
    [value as Container, name] as [Container, string],
    ...placesIn(inner),
  ]);
}

export function changedJson({ json, binary }: WrittenInfer, list: Changes['json']): WrittenInfer {
  const copy = copyOf(json);
  for (const { place, change } of list) {
    const places = placesIn(copy);
    if (places.length === 0) break;
    const [container, name] = places[place % places.length];
    applyTo(container as Record<string, unknown>, name, change);
  }
  return { json: copy as WrittenInfer['json'], binary };
}

/** A copy in which raw numbers stay raw. */
function copyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOf);
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, copyOf(inner)]));
}

function applyTo(
  container: Record<string, unknown> | unknown[],
  name: string,
  change: Changes['json'][number]['change'],
): void {
  if (Object.isFrozen(container)) return;
  const fields = container as Record<string, unknown>;
  const value = fields[name];
  if (change === 'twice') {
    if (Array.isArray(container)) container.push(value);
    return;
  }
  if (change !== 'drop' && 'put' in change) {
    fields[name] = copyOf(change.put);
    return;
  }
  if (Array.isArray(container)) container.splice(Number(name), 1);
  else delete fields[name];
  if (change === 'drop' || Array.isArray(container)) return;
  Object.defineProperty(container, change.rename, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  });
}

interface Body {
  readonly payload: Buffer;
  readonly headers: Record<string, string>;
}

export function changedBody(body: Body, list: Changes['body']): Body {
  return list.reduce(({ payload, headers }, { place, change, text }) => {
    const at = place % (payload.length + 1);
    const { 'inference-header-content-length': length, ...others } = headers;
    switch (change) {
      case 'cut':
        return { payload: payload.subarray(0, at), headers };
      case 'flip':
        return {
          payload: Buffer.from(payload.map((byte, i) => (i === at ? byte ^ (1 << (place % 8)) : byte))),
          headers,
        };
      case 'grow':
        return { payload: Buffer.concat([payload, Buffer.alloc(1 + (place % 9), place % 256)]), headers };
      case 'length':
        return { payload, headers: { ...headers, 'inference-header-content-length': text } };
      case 'no length':
        return { payload, headers: others };
      default:
        return {
          payload,
          headers: { ...headers, 'content-type': ['text/plain', 'json', 'a/b; c'][place % 3] },
        };
    }
  }, body);
}
