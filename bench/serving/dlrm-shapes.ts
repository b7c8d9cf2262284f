// The sizes of dense networks.

/** The dense network of a DLRM. Widths of layers are in the order in which they run. */
export interface DlrmShape {
  /** Number of dense features. Zero: there is no bottom MLP, and only pooled vectors interact. */
  readonly dense: number;
  /** Number of pooled vectors. */
  readonly tables: number;
  readonly dim: number;
  /** Hidden layers of the bottom MLP. One of width `dim` follows. */
  readonly bottom: readonly number[];
  /** Hidden layers of the top MLP. The logit follows. */
  readonly top: readonly number[];
}

/**
 * DLRM-DCNv2 of MLPerf, and RM1, RM2 and RM3 as DeepRecSys configures them. All have the dot interaction here, which is not
 * that of the published models. Tables and dims are those of the workloads of the same names.
 */
export const dlrmShapes = {
  mlperf: { dense: 13, tables: 26, dim: 128, bottom: [512, 256], top: [1024, 1024, 512, 256] },
  rm1: { dense: 128, tables: 8, dim: 32, bottom: [64], top: [256, 64] },
  rm2: { dense: 256, tables: 32, dim: 64, bottom: [128], top: [128, 64] },
  rm3: { dense: 2560, tables: 10, dim: 32, bottom: [1024, 256], top: [512, 256] },
} as const satisfies Readonly<Record<string, DlrmShape>>;

/** Number of vectors that interact: the dense one, if there is one, and the pooled ones. */
export function vectorsOf({ dense, tables }: DlrmShape): number {
  return dense === 0 ? tables : tables + 1;
}

/** What the top MLP takes: the dense vector, if there is one, and the product of each pair of vectors. */
export function interactionWidth(shape: DlrmShape): number {
  const vectors = vectorsOf(shape);
  return (shape.dense === 0 ? 0 : shape.dim) + (vectors * (vectors - 1)) / 2;
}
