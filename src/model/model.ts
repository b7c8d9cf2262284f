// What a model looks up, what its networks take and give: plain data, as in model.json.
import type { TableMode } from '../plan/table-spec.ts';

/** Bags that a request has. */
export interface ModelFeature {
  readonly name: string;
  /** The table that they are looked up in. Several features may share a table. */
  readonly table: string;
}

/**
 * One input of a network. It has its name in the ONNX file, and one more field, which says what it is made of:
 * - `dense`: f32 [b, dense] from the request, which gives it under the same name
 * - `stack`: pooled vectors of features of one dim, f32 [b, features, dim]
 * - `concat`: pooled vectors of features side by side, f32 [b, Σ dim]
 * - `feature`: the pooled vectors of one feature, f32 [b, dim]
 * - `sequence`: the rows of a feature of mode `none`: f32 [b, length, dim], cut or padded with zeros; without `length`
 *   f32 [rows, dim], beside which another input has `offsets` (one more than b) or `lengths`, int32 or int64 as in the file
 * - `output`: an output of an earlier network
 */
export type ModelInput = { readonly name: string } & (
  | { readonly dense: number }
  | { readonly stack: readonly string[] }
  | { readonly concat: readonly string[] }
  | { readonly feature: string }
  | { readonly sequence: string; readonly length?: number | undefined }
  | { readonly offsets: string }
  | { readonly lengths: string }
  | { readonly output: string }
);

/** A network, an ONNX file. */
export interface ModelNetwork {
  /** Path of the file, relative to model.json. */
  readonly file: string;
  readonly inputs: readonly ModelInput[];
}

/** What a request gets back: f32 [candidates] or [candidates, width]. */
export interface ModelOutput {
  readonly name: string;
  /** The output of a network that it is; default: the one of the same name. */
  readonly from?: string | undefined;
  /** Gives 1 / (1 + exp(−x)) instead of x. */
  readonly sigmoid?: boolean | undefined;
}

/** A model. */
export interface Model {
  readonly name: string;
  readonly version: string;
  readonly features: readonly ModelFeature[];
  /** In the order in which they run. */
  readonly networks: readonly ModelNetwork[];
  readonly outputs: readonly ModelOutput[];
  /** The output by which candidates are ranked. */
  readonly score: string;
}

/** What a request to a model has, and what it gets. */
export interface ModelSignature {
  readonly name: string;
  readonly version: string;
  readonly features: readonly (ModelFeature & { readonly mode: TableMode; readonly dim: number })[];
  /** f32 [candidates, width]. */
  readonly dense: readonly { readonly name: string; readonly width: number }[];
  /** f32 [candidates], or [candidates, width] if the width is not 1. */
  readonly outputs: readonly { readonly name: string; readonly width: number }[];
  readonly score: string;
}
