import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { startChild } from '../serving/child.ts';
import type { Leftovers } from '../serving/leftovers.ts';
import type { InferBody } from './infer-body.ts';
import type { Load, LoadResult } from './load.ts';
import type { Order, Said } from './sender.ts';

/** A process of its own that sends requests, so that nothing else delays them. */
export class SenderProcess {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  /** @param bodies that it sends in turn */
  static async start(leftovers: Leftovers, bodies: readonly InferBody[]): Promise<SenderProcess> {
    const script = `${import.meta.dirname}/sender.ts`;
    const { child, pid } = await startChild<Said>(leftovers, script, [], { serialization: 'advanced' });
    const sender = new SenderProcess(child, pid);
    await sender.#tell({ bodies });
    return sender;
  }

  private constructor(child: ChildProcess, pid: number) {
    this.#child = child;
    this.pid = pid;
    this.#ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the sender ended with exit code ${code}`);
    });
    this.#ended.catch(() => {});
  }

  /** @param path of the address that requests go to */
  async send(url: string, path: string, load: Load): Promise<LoadResult> {
    return (await this.#tell({ url, path, load })) as LoadResult;
  }

  async end(leftovers: Leftovers): Promise<void> {
    await leftovers.end(this.#child);
  }

  async #tell(order: Order): Promise<Said> {
    const said = once(this.#child, 'message');
    this.#child.send(order);
    const [answer] = await Promise.race([said, this.#ended]);
    return answer as Said;
  }
}
