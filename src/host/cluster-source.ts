import { createHash } from 'node:crypto';
import { open, rm, stat } from 'node:fs/promises';
import * as v from 'valibot';
import { check, filePath, httpAddress } from '../check.ts';
import { clusterLockMsMax, clusterLockTryMs } from '../cluster-limits.ts';
import { FlexemrError } from '../errors.ts';
import { routingFilePollMs, routingUrlPollMs } from '../limits.ts';
import { isNatsAddress } from '../nats/address.ts';
import type { NatsCredentials } from '../nats/credentials.ts';
import { NatsCluster } from '../nats/nats-cluster.ts';
import { type Cluster, clusterJson, parseCluster } from '../plan/cluster.ts';
import type { ClusterStore, ReadCluster } from '../plan/cluster-store.ts';
import { writeWhole } from '../store/whole-file.ts';
import { FileText } from './file-routing.ts';
import { HttpText } from './http-routing.ts';
import { type Format, type PolledSource, polled } from './polled.ts';

const format: Format<ReadCluster> = {
  parse: (text, name) => ({ cluster: parseCluster(text, name), revision: digestOf(text) }),
  keyOf: ({ revision }) => revision,
};

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * Opens a cluster: nats://HOST:PORT/BUCKET, a JSON file, or an http:// or https:// address, which cannot be changed.
 * @throws INVALID_OPTION; UNAVAILABLE, UNAUTHORIZED, MISSING_DEPENDENCY
 */
export async function openClusterSource(
  where: string,
  credentials: NatsCredentials = {},
): Promise<ClusterStore> {
  check(v.string(), where, 'where');
  if (isNatsAddress(where)) return await NatsCluster.open(where, credentials);
  return /^https?:/i.test(where) ? new HttpCluster(where) : new FileCluster(where);
}

class PolledCluster {
  readonly #source: PolledSource<ReadCluster>;

  constructor(source: PolledSource<ReadCluster>) {
    this.#source = source;
  }

  read(): Promise<ReadCluster> {
    return this.#source.read();
  }

  watch(onChange: (cluster: Cluster) => void, onError: (error: Error) => void): () => void {
    return this.#source.watch(({ cluster }) => onChange(cluster), onError);
  }

  async close(): Promise<void> {}
}

class HttpCluster extends PolledCluster implements ClusterStore {
  readonly #url: string;

  constructor(url: string) {
    check(httpAddress, url, 'url');
    super(polled(url, routingUrlPollMs, () => new HttpText(url), format));
    this.#url = url;
  }

  async replace(): Promise<string> {
    const message = `${this.#url} cannot be changed by HTTP: change the file that its server has`;
    throw new FlexemrError('INVALID_OPTION', message, { field: 'routing', value: this.#url });
  }
}

/** Its revision is the digest of the file. Writers take turns by a file beside it, which each of them has for a moment. */
class FileCluster extends PolledCluster implements ClusterStore {
  readonly #path: string;

  constructor(path: string) {
    check(filePath, path, 'path');
    super(polled(path, routingFilePollMs, () => new FileText(path), format));
    this.#path = path;
  }

  async replace(cluster: Cluster, revision: string | undefined): Promise<string> {
    const text = clusterJson(cluster);
    await this.#lock();
    try {
      if ((await this.#revision()) !== revision) throw this.#conflict();
      await writeWhole(this.#path, (file) => file.writeFile(text));
      return digestOf(text);
    } finally {
      await rm(this.#lockPath, { force: true });
    }
  }

  get #lockPath(): string {
    return `${this.#path}.lock`;
  }

  async #lock(): Promise<void> {
    for (const began = performance.now(); ; ) {
      try {
        await using _ = await open(this.#lockPath, 'wx');
        return;
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw this.#unwritable(cause as Error);
      }
      // Its owner has ended without removing it: nobody needs it for long.
      const made = await stat(this.#lockPath).catch(() => undefined);
      if (made !== undefined && Date.now() - made.mtimeMs > clusterLockMsMax)
        await rm(this.#lockPath, { force: true });
      else if (performance.now() - began > 2 * clusterLockMsMax) throw this.#conflict();
      else await new Promise((done) => setTimeout(done, clusterLockTryMs));
    }
  }

  async #revision(): Promise<string | undefined> {
    const found = await stat(this.#path).catch(() => undefined);
    return found === undefined ? undefined : (await this.read()).revision;
  }

  #conflict(): FlexemrError {
    const message = `somebody else has changed ${this.#path}; read it again`;
    return new FlexemrError('CONFLICT', message, { field: 'routing', value: this.#path });
  }

  #unwritable(cause: Error): FlexemrError {
    const message = `cannot write beside ${this.#path}: ${cause.message}. Check the path and its permissions.`;
    return new FlexemrError('INVALID_FILE', message, { field: 'path', value: this.#path, cause });
  }
}
