import { addon, type NativeProtectionDomain } from './addon.ts';
import { Context } from './context.ts';
import { instance } from './options.ts';
import { type Token, tokenId } from './token.ts';

/** Regions, queue pairs and shared receive queues belong to a domain. Only those of the same domain work together. */
export class ProtectionDomain implements Disposable {
  /** @internal */
  readonly native: NativeProtectionDomain;
  /** The context of the domain. An attached domain attaches its own context, and closes it too. */
  readonly context: Context;
  readonly token: Token;
  readonly #attached: boolean;

  private constructor(allocated: NativeProtectionDomain, context?: Context) {
    const { id, context: contextId } = allocated.describe();
    this.native = allocated;
    this.context = context ?? Context.attach({ kind: 'context', id: contextId });
    this.token = { kind: 'protection-domain', id };
    this.#attached = context === undefined;
  }

  static allocate(context: Context): ProtectionDomain {
    const parent = instance('context', context, Context);
    return new ProtectionDomain(new (addon().ProtectionDomain)(parent.native), parent);
  }

  /** @throws IbverbsError CLOSED if no thread has the domain open any more */
  static attach(token: Token): ProtectionDomain {
    return new ProtectionDomain(new (addon().ProtectionDomain)(tokenId(token, 'protection-domain')));
  }

  close(): void {
    this.native.close();
    if (this.#attached) this.context.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
