// Makes the dense network of a DLRM with random weights, as one ONNX file or several.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Model, writeModel } from '../../examples/onnx/graph.ts';
import { bottomSection, interactionSection, type Section, topSection } from './dlrm-sections.ts';
import type { DlrmShape } from './dlrm-shapes.ts';

/** How the network is cut into files: not at all, bottom | interaction and top, or bottom | interaction | top. */
export type DlrmParts = 'one' | 'two' | 'three';

export interface DlrmNetwork {
  readonly name: string;
  readonly model: Model;
}

/**
 * The networks in the order in which they run. Without dense features there is no bottom. The first takes `dense`
 * [b, dense], the one with the interaction `pooled` [b, tables, dim], and the last gives `logit` [b], all f32. The same shape
 * and seed give the same weights, whatever the parts.
 */
export function dlrmNetworks(shape: DlrmShape, parts: DlrmParts, seed = 1): DlrmNetwork[] {
  const bottom = shape.dense === 0 ? [] : [bottomSection(shape, seed)];
  const [interaction, top] = [interactionSection(shape), topSection(shape, seed)];
  const cuts: Record<DlrmParts, Record<string, Section[]>> = {
    one: { dense: [...bottom, interaction, top] },
    two: { bottom, top: [interaction, top] },
    three: { bottom, interaction: [interaction], top: [top] },
  };
  return Object.entries(cuts[parts])
    .filter(([, sections]) => sections.length > 0)
    .map(([name, sections]) => ({ name, model: modelOf(name, sections) }));
}

/** Writes `NAME.onnx` for each network into a folder. @returns the paths, in the order in which they run */
export function writeDlrm(folder: string, shape: DlrmShape, parts: DlrmParts, seed = 1): string[] {
  return dlrmNetworks(shape, parts, seed).map(({ name, model }) => {
    const path = join(folder, `${name}.onnx`);
    writeFileSync(path, writeModel(model));
    return path;
  });
}

/** Sections one after another, as one model. */
function modelOf(name: string, sections: readonly Section[]): Model {
  const made = new Set(sections.flatMap(({ output }) => output).map((value) => value.name));
  return {
    irVersion: 8n,
    opsetImport: [{ version: 13n }],
    graph: {
      name,
      node: sections.flatMap((section) => section.node),
      initializer: sections.flatMap(({ initializer }) => initializer),
      input: sections.flatMap(({ input }) => input).filter((value) => !made.has(value.name)),
      output: sections.at(-1)?.output ?? [],
    },
  };
}
