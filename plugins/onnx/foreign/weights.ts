/**
 * Finds a family's weights in another program's graph, by the shape of what reads them and not by names, which exports lose.
 *
 * What a family computes has an order: a layer's norms, products and sums follow one another, and those of equal shape are told apart by it. So
 * parameters are put into classes (what reads them, and their sizes), and the n-th of a class is the n-th that the family has of it. A class with
 * more or fewer than the family has is not guessed at. Whether what was found is the model is then proved (model.ts).
 */
import type { Architecture } from "../architectures/architecture.ts";
import type { Hyperparameters, ProjectionSite } from "../architectures/shape.ts";
import type { SourceTensor } from "../weights/gguf_names.ts";
import { modulesBySite } from "../weights/layout.ts";
import type { ForeignGraph, Parameter, Role } from "./graph.ts";

/** Weights under the names that the family stores them by, [out, in]; or what was not found, as the end of a sentence. */
export type Found =
  | { readonly sources: readonly SourceTensor[]; readonly missing?: undefined }
  | { readonly sources?: undefined; readonly missing: string };

export function findWeights(
  graph: ForeignGraph,
  { architecture, shape, tied, biases }: {
    readonly architecture: Architecture;
    readonly shape: Hyperparameters;
    /** Whether the embedding is the output matrix. */
    readonly tied: boolean;
    /** Whether attention and MLP have biases where the family leaves that to its config. */
    readonly biases: { readonly attention: boolean; readonly mlp: boolean };
  },
): Found {
  const wanted = Map.groupBy(expected(architecture, shape, { tied, biases }), classOf);
  const given = Map.groupBy(graph.parameters.map(oriented), classOf);
  const output = classOf({ role: "product", shape: [shape.vocab, shape.width] });
  const sources: SourceTensor[] = [];
  for (const [name, tensors] of wanted) {
    const found = given.get(name) ?? [];
    if (found.length !== tensors.length) {
      return { missing: `it has ${found.length} of the ${tensors.length} weights that are ${name}` };
    }
    tensors.forEach((tensor, i) => sources.push(sourceOf(tensor, found[i]!, architecture)));
  }
  for (const [name, { length }] of given) {
    // A tied output matrix may have been stored a second time; small vectors may be tables of positions.
    const isKnown = wanted.has(name) || (tied && name === output) || !name.startsWith("a product");
    if (!isKnown) {
      return { missing: `it has ${length} weights that are ${name}, of which the family has none` };
    }
  }
  return { sources };
}

interface Tensor {
  readonly name: string;
  readonly role: Role;
  /** [out, in], [rows, columns] or [numbers]. */
  readonly shape: readonly number[];
}

/** For messages as well. */
function classOf({ role, shape }: Pick<Tensor, "role" | "shape">): string {
  const sizes = shape.join(" by ");
  return role === "product"
    ? `a product of ${sizes}`
    : role === "table"
    ? `a table of ${sizes}`
    : role === "positions"
    ? `a table of ${sizes} for positions`
    : `a ${role} of ${sizes}`;
}

/** A parameter with its sizes as the family has them. */
function oriented(parameter: Parameter): Parameter & { readonly stored: readonly number[] } {
  const { shape, turned } = parameter;
  return { ...parameter, stored: shape, shape: turned ? shape.toReversed() : shape };
}

function sourceOf(
  { name, role, shape }: Tensor,
  { type, file, offset, length, turned }: Parameter,
  { norm }: Architecture,
): SourceTensor {
  return {
    name,
    type,
    shape,
    file,
    offset,
    length,
    ...(turned ? { turned: { from: 0, of: shape[0]! } } : {}),
    // An exporter has added the one already.
    ...(role === "gain" && norm === "rms, 1 + weight" ? { add: -1 } : {}),
  };
}

/** The family's stored tensors in the order in which its layers compute. */
function expected(
  architecture: Architecture,
  shape: Hyperparameters,
  { tied, biases }: Pick<Parameters<typeof findWeights>[1], "tied" | "biases">,
): Tensor[] {
  const { vocab, width, context, headDim, heads, kvHeads, layers, projections } = shape;
  const modules = modulesBySite(architecture), packed = Object.entries(architecture.layout?.packed ?? {});
  const isBiased = (site: ProjectionSite) =>
    architecture.biased?.includes(site) ?? (site.startsWith("attn.") ? biases.attention : biases.mlp);
  const norm = (name: string | undefined, columns: number): Tensor[] =>
    name === undefined ? [] : [
      { name: `${name}.weight`, role: "gain", shape: [columns] },
      ...(architecture.norm === "layer"
        ? [{ name: `${name}.bias`, role: "bias", shape: [columns] } as const]
        : []),
    ];
  const product = (at: string, site: ProjectionSite): Tensor[] => {
    const pack = packed.find(([, sites]) => sites.includes(site)), sites = pack?.[1] ?? [site];
    // Of a packed projection the first part stands for all.
    if (sites[0] !== site || !modules.has(site)) return [];
    const name = at + (pack?.[0] ?? modules.get(site)!);
    const rows = sites.reduce((sum, each) => sum + projections[each][0], 0);
    return [
      { name: `${name}.weight`, role: "product", shape: [rows, projections[site][1]] },
      ...(isBiased(site) ? [{ name: `${name}.bias`, role: "bias", shape: [rows] } as const] : []),
    ];
  };
  const layer = (index: number): Tensor[] => {
    const at = architecture.layer(index), own = (name: string | undefined) => name && at + name;
    const all = architecture.queryKeyNorms === "all heads";
    return [
      ...norm(own(architecture.attentionNorm), width),
      ...product(at, "attn.q"),
      ...product(at, "attn.k"),
      ...product(at, "attn.v"),
      ...norm(own(architecture.queryNorm), all ? heads * headDim : headDim),
      ...norm(own(architecture.keyNorm), all ? kvHeads * headDim : headDim),
      ...product(at, "attn.out"),
      ...norm(own(architecture.attentionAfter), width),
      ...norm(own(architecture.mlpNorm), width),
      ...product(at, "mlp.gate"),
      ...product(at, "mlp.up"),
      ...product(at, "mlp.out"),
      ...norm(own(architecture.mlpAfter), width),
    ];
  };
  return [
    { name: architecture.embed, role: "table", shape: [vocab, width] },
    ...(architecture.positions === undefined
      ? []
      : [{ name: architecture.positions, role: "positions", shape: [context, width] } as const]),
    ...Array.from({ length: layers }, (_, index) => layer(index)).flat(),
    ...norm(architecture.finalNorm, width),
    ...(tied ? [] : [{ name: architecture.unembed, role: "product", shape: [vocab, width] } as const]),
  ];
}
