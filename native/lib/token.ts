import { i32Max, integer, wrongKind } from './options.ts';

/** Names one object of this process to its other threads; plain data, may be posted. */
export interface Token {
  readonly kind: 'context' | 'protection-domain';
  readonly id: number;
}

/** @returns its id @throws TypeError unless `token` is of `kind` */
export function tokenId(token: Token, kind: Token['kind']): number {
  if (typeof token !== 'object' || token === null || token.kind !== kind) {
    throw wrongKind('token', `expected the token of a ${kind}`);
  }
  return integer('token.id', token.id, 0, i32Max);
}
