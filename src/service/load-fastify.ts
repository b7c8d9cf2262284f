import type { fastify } from 'fastify';
import { FlexemrError } from '../errors.ts';

/** Fastify, which only services need. @throws MISSING_DEPENDENCY */
export async function loadFastify(): Promise<typeof fastify> {
  try {
    return (await import('fastify')).fastify;
  } catch (cause) {
    const message = 'a scoring service needs Fastify: npm install fastify';
    throw new FlexemrError('MISSING_DEPENDENCY', message, { field: 'fastify', cause });
  }
}
