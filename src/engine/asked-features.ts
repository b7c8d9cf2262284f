import { FeatureNames } from '../lookup/bag-reader.ts';

/** What is known of the features of a lookup where its results are read. */
export interface AskedFeatures {
  readonly names: FeatureNames;
  /** The name of the table of a feature. */
  readonly tableOf: (feature: number) => string;
}

/** @param tables by feature; undefined: the one with the name of the feature */
export function askedFeatures(
  names: readonly string[],
  tables: readonly (string | undefined)[],
): AskedFeatures {
  return { names: new FeatureNames(names), tableOf: (feature) => tables[feature] ?? names[feature] };
}
