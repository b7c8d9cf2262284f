// Sends requests of any form, and checks the form of errors.
import type { FastifyInstance } from 'fastify';
import { expect } from 'vitest';
import { requestOf } from './drawn-requests.ts';
import { signature } from './fake-scoring.ts';
import { bodyOf, first, type WrittenInfer, type WrittenInput, writeInfer } from './write-infer.ts';

const url = `/v2/models/${encodeURIComponent(signature.name)}/infer`;

/** @returns the status, and the text of the error */
export async function sendInfer(
  app: FastifyInstance,
  body: object,
): Promise<{ status: number; error: string }> {
  const { statusCode, payload, headers } = await app.inject({ method: 'POST', url, ...body });
  if (statusCode === 200) return { status: 200, error: '' };
  expect(headers['content-type']).toBe('application/json');
  const { error, ...more } = JSON.parse(payload);
  expect([typeof error, more]).toEqual(['string', {}]);
  return { status: statusCode, error };
}

/** A request in JSON with one change. */
export function changed(change: (inputs: WrittenInput[], json: WrittenInfer['json']) => unknown): {
  payload: Buffer;
  headers: Record<string, string>;
} {
  const { json, binary } = writeInfer(requestOf(2), first, 'json');
  change(json.inputs, json);
  return bodyOf({ json, binary });
}
