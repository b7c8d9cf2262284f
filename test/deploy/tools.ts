// What the files in deploy/ are read and checked with: packages of this folder, whose own types exist only if they are installed.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { root } from '../rdma/vitest-run.ts';

const require = createRequire(join(import.meta.dirname, 'package.json'));

export const deploy: string = join(root, 'deploy');

/** Anything that was read from YAML and has the shape that its schema says. */
// biome-ignore lint/suspicious/noExplicitAny: schemas say what is there.
export type Yaml = any;

interface YamlDocument {
  readonly errors: readonly Error[];
  toJS(): Yaml;
}
const yaml = require('yaml') as {
  parseAllDocuments(text: string, options: { readonly merge: boolean }): readonly YamlDocument[];
};

/** @throws if it is not YAML, or says something twice */
export function readYaml(path: string): Yaml[] {
  return yaml.parseAllDocuments(readFileSync(path, 'utf8'), { merge: true }).map((document) => {
    if (document.errors.length > 0) throw new Error(`${path}: ${document.errors.join()}`);
    return document.toJS();
  });
}

const compose = new Ajv({ strict: false, allErrors: false }).compile(
  JSON.parse(
    readFileSync(
      join(import.meta.dirname, 'node_modules/dclint/schemas/compose.schema.json'),
      'utf8',
    ).replace('"$schema": "https://json-schema.org/draft-07/schema",', ''),
  ),
);

/** What the schema of Compose has against it. */
export function composeProblem(file: Yaml): string | undefined {
  if (compose(file)) return undefined;
  const [{ instancePath, message = '', params }] = compose.errors ?? [];
  return `${instancePath} ${message} ${JSON.stringify(params)}`;
}

interface Finding {
  readonly message: string;
  readonly range: { readonly start: { readonly line: number } };
}
const { validate } = require('dockerfile-utils') as { validate(text: string): readonly Finding[] };

/** What the linter has against a Dockerfile. */
export function dockerfileProblems(text: string): string[] {
  return validate(text).map(({ message, range }) => `${range.start.line + 1}: ${message}`);
}

/** What the schemas of Kubernetes have against an object. */
export async function kubernetesProblem(object: Yaml): Promise<string | undefined> {
  const { apiVersion, kind } = object as { readonly apiVersion: string; readonly kind: string };
  const file = join(import.meta.dirname, 'node_modules/kubernetes-models', apiVersion, 'index.js');
  if (!existsSync(file)) return `there is no ${apiVersion}`;
  const models: Readonly<Record<string, new (object: Yaml) => { validate(): void }>> = await import(file);
  if (models[kind] === undefined) return `there is no ${kind} in ${apiVersion}`;
  try {
    new models[kind](object).validate();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
