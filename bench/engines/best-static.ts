/** Owners are the best if none are better by more than this share. */
const tolerance = 1e-4;

/**
 * The owners for which the most loaded engine has least load, by trying all. Owners that differ only by the numbers of engines are
 * the same, so only one empty engine is tried for a connection. What is as loaded as the best so far is not continued.
 *
 * It is the best for lookups, which wait for the most loaded engine. If some owners overload no engine, it is such a one, so it is
 * also the best for independent connections.
 */
export function bestStatic(demands: ArrayLike<number>, engines: number): number[] {
  const order = Array.from(demands, (_, c) => c).sort((a, b) => demands[b] - demands[a]);
  const total = order.reduce((sum, c) => sum + demands[c], 0);
  const bound = Math.max(total / engines, demands[order[0]]) * (1 + tolerance);
  const loads = new Float64Array(engines);
  const owners = new Array<number>(order.length).fill(0);
  let best = owners;
  let least = Number.POSITIVE_INFINITY;
  const place = (at: number, peak: number): void => {
    if (peak >= least * (1 - tolerance) || least <= bound) return;
    if (at === order.length) {
      least = peak;
      best = [...owners];
      return;
    }
    const c = order[at];
    const byLoad = Array.from(loads, (_, engine) => engine).sort((a, b) => loads[a] - loads[b]);
    for (const [i, engine] of byLoad.entries()) {
      if (i > 0 && loads[engine] === loads[byLoad[i - 1]]) continue;
      const before = loads[engine];
      owners[c] = engine;
      loads[engine] = before + demands[c];
      place(at + 1, Math.max(peak, loads[engine]));
      loads[engine] = before;
    }
  };
  place(0, 0);
  return best;
}
