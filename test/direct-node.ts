// A memory node with RDMA in this thread. MemoryNodeHost does the same with threads for workers.
import { RegisteredTables } from '../src/host/registered-tables.ts';
import type { Hosting } from '../src/memory-node/hosting.ts';
import type { Listener } from '../src/transport/listener.ts';
import { loadVerbs } from '../src/transport/rdma/device.ts';
import { RdmaPort } from '../src/transport/rdma/rdma-port.ts';
import type { DirectHandler } from '../src/wire/direct.ts';

export class DirectNode {
  readonly #port: RdmaPort;
  readonly #tables: RegisteredTables;
  readonly #plan: string;

  static async open(listener: Listener, handler: DirectHandler, hosting: Hosting): Promise<DirectNode> {
    const verbs = await loadVerbs();
    const tables = await RegisteredTables.open({});
    tables.register(hosting);
    const port = new RdmaPort(verbs, tables.device, handler, [tables.release(hosting)]);
    listener.rdma = port;
    return new DirectNode(port, tables, hosting.description.plan);
  }

  private constructor(port: RdmaPort, tables: RegisteredTables, plan: string) {
    this.#port = port;
    this.#tables = tables;
    this.#plan = plan;
  }

  /** Tells rankers that no rows may be read any more, and deregisters the rows when they know. */
  async forget(): Promise<void> {
    await this.#port.offer([{ plan: this.#plan, shards: [] }]);
    this.#tables.deregister(this.#plan);
  }

  /** Deregisters the rows, so that they can no longer be read. */
  deregister(): void {
    this.#tables.close();
  }

  close(): void {
    this.#port.close();
    this.#tables.close();
  }
}
