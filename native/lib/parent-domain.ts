import { addon, type NativeParentDomain } from './addon.ts';
import { instance } from './options.ts';
import { ProtectionDomain } from './protection-domain.ts';

/**
 * A domain for one thread: a thread domain and a parent domain over `domain`. The provider does not lock the objects
 * that are created in it, and some providers give it its own doorbell. If the provider does not support thread domains,
 * this is the plain domain, and `threadDomain` is false.
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
