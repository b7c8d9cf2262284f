import type { NodeClient } from './node-client.ts';
import type { Route } from './route.ts';

/** Routes that another one has replaced, and that lookups in flight still use. */
export class ReplacedRoutes {
  readonly #routes = new Set<Route>();

  /** The clients of their nodes. */
  get nodes(): NodeClient[] {
    return [...this.#routes].flatMap((route) => [...route.nodes.values()]);
  }

  /** The fingerprint of the first that lookups still use. */
  get oldestPlan(): bigint | undefined {
    for (const { fingerprint } of this.#routes) return fingerprint;
    return undefined;
  }

  /**
   * Another route has replaced this one. When its last lookup has ended, clients that no other route uses are closed: until
   * then, the lookup may still have something to send. @param current returns the route that is used then
   */
  add(route: Route, current: () => Route, onUnused: () => void = () => {}): void {
    this.#routes.add(route);
    route.retire(() => {
      this.#routes.delete(route);
      const used = [current(), ...this.#routes];
      for (const node of route.nodes.values())
        if (!used.some((other) => other.uses(node))) void node.retire();
      onUnused();
    });
  }
}
