// Packages that only the benchmarks need. They are listed in bench/package.json and may not be installed. Therefore the
// parts that we use are typed here, not by the types of the packages.
import { Absent } from './usage.ts';

interface Vega {
  readonly View: new (dataflow: object, options: { renderer: 'none' }) => { toSVG(): Promise<string> };
  parse(spec: object): object;
}

interface VegaLite {
  compile(spec: object): { readonly spec: object };
}

export interface IoRedis {
  mgetBuffer(keys: string[]): Promise<(Buffer | null)[]>;
  disconnect(): void;
}

export interface NodeRedis {
  connect(): Promise<unknown>;
  withTypeMapping(mapping: Record<number, unknown>): { mGet(keys: string[]): Promise<(Buffer | null)[]> };
  destroy(): void;
}

interface Redis {
  readonly RESP_TYPES: { readonly BLOB_STRING: number };
  createClient(options: { socket: { host: string; port: number } }): NodeRedis;
}

export type GrpcOptions = Readonly<Record<string, number>>;
type Answer<Reply> = (error: Error | null, reply?: Reply) => void;

interface Grpc {
  readonly credentials: { createInsecure(): object };
  readonly ServerCredentials: { createInsecure(): object };
  readonly Server: new (
    options: GrpcOptions,
  ) => {
    addService(
      service: object,
      methods: Record<string, (call: { request: never }, answer: Answer<object>) => void>,
    ): void;
    bindAsync(address: string, credentials: object, done: (error: Error | null, port: number) => void): void;
  };
  loadPackageDefinition(definition: object): Record<string, Record<string, GrpcService>>;
}

interface GrpcService {
  readonly service: object;
  new (address: string, credentials: object, options: GrpcOptions): object;
}

interface Packages {
  readonly vega: Vega;
  readonly 'vega-lite': VegaLite;
  readonly ioredis: { readonly Redis: new (options: { host: string; port: number }) => IoRedis };
  readonly redis: Redis;
  readonly '@grpc/grpc-js': Grpc;
  readonly '@grpc/proto-loader': { loadSync(path: string): object };
}

/** @throws Absent with the command that installs the package */
export async function peer<Name extends keyof Packages>(name: Name): Promise<Packages[Name]> {
  try {
    return await import(name as string);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new Absent(`the package ${name} is not installed here: run npm --prefix bench ci`);
  }
}
