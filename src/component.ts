// The kernels as a component, in whatever runs JavaScript: tables in a memory of their own, lists in, lists out.
import { cores, memoryBytes } from '#component';
import { Component, type ComponentOptions } from './component/component.ts';

export type { Bags, Pooled, PoolOptions } from './component/bags.ts';
export type { Component, ComponentOptions, Rows } from './component/component.ts';
export type { KeyIndex } from './component/key-index.ts';
export type { Table } from './component/table.ts';
export { type ErrorCode, FlexemrError } from './errors.ts';
export type { DType, PoolingMode } from './kernel/reference.ts';

/** A component with a memory of its own. @throws INVALID_OPTION */
export function openComponent(options: ComponentOptions = {}): Component {
  return new Component(cores, options.memoryBytes ?? memoryBytes);
}
