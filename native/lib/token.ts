import { i32Max, integer, wrongKind } from './options.ts';

/** Identifies an object of this process for its other threads. A token is plain data, and can be posted. */
export interface Token {
  readonly kind: 'context' | 'protection-domain';
  readonly id: number;
}

/** @returns the id of `token` @throws TypeError if `token` is not of `kind` */
export function tokenId(token: Token, kind: Token['kind']): number {
  if (typeof token !== 'object' || token === null || token.kind !== kind) {
    throw wrongKind('token', `expected the token of a ${kind}`);
  }
  return integer('token.id', token.id, 0, i32Max);
}
