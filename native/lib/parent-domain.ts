import { addon, type NativeParentDomain } from './addon.ts';
import { instance } from './options.ts';
import { ProtectionDomain } from './protection-domain.ts';

/**
 * A thread's own domain: a thread domain and a parent domain over `domain`. The provider drops its locks for what is
 * created in it, and some give it a doorbell of its own. Where the provider has none it is the plain domain
 * (`threadDomain` false).
 */
export class ParentDomain implements Disposable {
  /** @internal */
  readonly native: NativeParentDomain;
  readonly threadDomain: boolean;
  readonly domain: ProtectionDomain;

  private constructor(allocated: NativeParentDomain, domain: ProtectionDomain) {
    this.native = allocated;
    this.threadDomain = allocated.describe().threadDomain !== 0;
    this.domain = domain;
  }

  static allocate(domain: ProtectionDomain): ParentDomain {
    const plain = instance('domain', domain, ProtectionDomain);
    return new ParentDomain(new (addon().ParentDomain)(plain.native), plain);
  }

  close(): void {
    this.native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
