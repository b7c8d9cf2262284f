export type {} from './libraries.ts';

// The kernels as a component, for every JavaScript runtime. Tables are in a memory of their own; calls take and return
// arrays.
import * as v from 'valibot';
import { cores, memoryBytes } from '#component';
import { checkFields, integer, options as optionsOf } from './check.ts';
import { Component, type ComponentOptions } from './component/component.ts';
import { componentBytesMax } from './limits.ts';

export type { Bags, Pooled, PoolOptions } from './component/bags.ts';
export type { Component, ComponentOptions, Rows } from './component/component.ts';
export type { KeyIndex } from './component/key-index.ts';
export type { Table } from './component/table.ts';

export { type ErrorCode, FlexemrError } from './errors.ts';
export type { DType } from './kernel/dtype.ts';
export type { PoolingMode } from './kernel/pooling-mode.ts';

const componentOptions = optionsOf({ memoryBytes: v.optional(integer(1, componentBytesMax)) });

/** Opens a component with a memory of its own. @throws INVALID_OPTION */
export function openComponent(options: ComponentOptions = {}): Component {
  const { memoryBytes: most = memoryBytes } = checkFields(componentOptions, options);
  return new Component(cores, most);
}
