/** From stored tensors to those that a family names: packed projections come apart, and what is stored [in, out] is turned. */
import { UserError } from "../../../core/mod.ts";
import type { Architecture } from "../architectures/architecture.ts";
import { type Hyperparameters, type ProjectionSite } from "../architectures/shape.ts";
import type { SourceTensor } from "./gguf_names.ts";
import { product } from "./safetensors.ts";
import type { WrittenTensor } from "./write.ts";

export interface Layout {
  /** Modules that hold several projections one below the other, and the sites of these. */
  readonly packed?: Readonly<Record<string, readonly ProjectionSite[]>>;
  /** Modules whose weights safetensors hold as [in, out]. */
  readonly transposed?: readonly string[];
  /** Tensors that decide nothing. */
  readonly aside?: RegExp;
  /** What names may begin with in place of what they begin with here. */
  readonly renamed?: Readonly<Record<string, string>>;
}

/** Names of a layer's modules, by the sites of their results; a family without gates has no "mlp.up". */
export function modulesBySite(
  { q, k, v, attentionOut, gate, up, down }: Architecture,
): ReadonlyMap<ProjectionSite, string> {
  const sites = [
    ["attn.q", q],
    ["attn.k", k],
    ["attn.v", v],
    ["attn.out", attentionOut],
    ["mlp.gate", gate],
    ["mlp.up", up],
    ["mlp.out", down],
  ] as const;
  return new Map(sites.flatMap(([site, name]) => name === undefined ? [] : [[site, name]]));
}

/** Names of the matrices of all projections in layers. */
export function matricesOf(architecture: Architecture, layers: number): ReadonlySet<string> {
  const modules = [...modulesBySite(architecture).values()];
  return new Set(
    Array.from(
      { length: layers },
      (_, layer) => modules.map((module) => `${architecture.layer(layer)}${module}.weight`),
    ).flat(),
  );
}

/** @param transposed whether weights that the family stores [in, out] come so; a GGUF has turned them
 * @throws {UserError} for a packed tensor that has not the rows of its parts. */
export function arrange(
  sources: readonly SourceTensor[],
  { architecture, shape, transposed }: {
    readonly architecture: Architecture;
    readonly shape: Pick<Hyperparameters, "projections">;
    readonly transposed: boolean;
  },
): SourceTensor[] {
  const { layout = {}, base, embed } = architecture;
  const isBare = !sources.some(({ name }) => name === embed) &&
    sources.some(({ name }) => base + name === embed);
  const own = (name: string) => {
    const [from, to] = Object.entries(layout.renamed ?? {}).find(([from]) => name.startsWith(from)) ??
      ["", ""];
    return (isBare ? base : "") + to + name.slice(from.length);
  };
  return sources.flatMap((source) => {
    const name = own(source.name);
    if (layout.aside?.test(name)) return [];
    const [, prefix = "", module = "", kind] = /^(.*?\.\d+\.)(.+)\.(weight|bias)$/.exec(name) ?? [];
    const isTurned = transposed && kind === "weight" && layout.transposed?.includes(module) === true;
    const dims = isTurned ? source.shape.toReversed() : source.shape;
    const whole = {
      ...source,
      name,
      shape: dims,
      ...(isTurned ? { turned: { from: 0, of: dims[0]! } } : {}),
    };
    const parts = partsOf(prefix + module, { architecture, shape });
    return parts === undefined ? [whole] : apart(whole, kind!, parts);
  });
}

/** A packed module's parts by their full names, and which of its rows are theirs; undefined for a module that is not packed. */
export function partsOf(
  module: string,
  { architecture, shape: { projections } }: {
    readonly architecture: Architecture;
    readonly shape: Pick<Hyperparameters, "projections">;
  },
): readonly { readonly module: string; readonly from: number; readonly rows: number }[] | undefined {
  const [, prefix, name = ""] = /^(.*?\.\d+\.)(.+)$/.exec(module) ?? [];
  const sites = architecture.layout?.packed?.[name], names = modulesBySite(architecture);
  if (!sites || prefix === undefined) return undefined;
  let from = 0;
  return sites.map((site) => {
    const [rows] = projections[site], first = from;
    from += rows;
    return { module: prefix + names.get(site)!, from: first, rows };
  });
}

/** What a file of the family holds: parts joined again, and weights [in, out] where it stores them so. */
export function storedTensors(
  tensors: readonly WrittenTensor[],
  { layout = {}, ...architecture }: Architecture,
): WrittenTensor[] {
  const names = modulesBySite({ layout, ...architecture }),
    byName = new Map(tensors.map((each) => [each.name, each]));
  const joined = tensors.flatMap((tensor): WrittenTensor[] => {
    const [, prefix, module = "", kind] = /^(.*?\.\d+\.)(.+)\.(weight|bias)$/.exec(tensor.name) ?? [];
    const packed = Object.entries(layout.packed ?? {}).find(([, sites]) =>
      sites.some((site) => names.get(site) === module)
    );
    if (!packed) return [tensor];
    const [name, sites] = packed;
    if (names.get(sites[0]!) !== module) return [];
    const parts = sites.map((site) => byName.get(`${prefix}${names.get(site)}.${kind}`)!);
    return [{
      name: `${prefix}${name}.${kind}`,
      shape: [parts.reduce((sum, { shape }) => sum + shape[0]!, 0), ...tensor.shape.slice(1)],
      values: () => joinValues(parts.map(valuesOf)),
    }];
  });
  return joined.map((tensor) => {
    const [, module = ""] = /^.*?\.\d+\.(.+)\.weight$/.exec(tensor.name) ?? [],
      [rows, columns] = tensor.shape;
    if (!layout.transposed?.includes(module)) return tensor;
    return {
      ...tensor,
      shape: [columns!, rows!],
      values: () => turnedRows(valuesOf(tensor), [columns!, rows!], { from: 0, of: columns! }),
    };
  });
}

const valuesOf = ({ values }: WrittenTensor) => typeof values === "function" ? values() : values;

function joinValues(parts: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Parts of a packed tensor: rows of what is stored, or columns where it is to be turned. */
function apart(
  whole: SourceTensor,
  kind: string,
  parts: NonNullable<ReturnType<typeof partsOf>>,
): SourceTensor[] {
  const [rows = 0, ...rest] = whole.shape, wanted = parts.reduce((sum, part) => sum + part.rows, 0);
  if (rows !== wanted) {
    throw new UserError(
      `Cannot read tensor ${whole.name} of ${whole.file}: its shape is [${
        whole.shape.join(", ")
      }], wanted ${wanted} rows, those of ${parts.map(({ module }) => module).join(", ")}`,
    );
  }
  return parts.map(({ module, from, rows: count }) => {
    const part = { ...whole, name: `${module}.${kind}`, shape: [count, ...rest] };
    if (whole.turned) return { ...part, turned: { from, of: rows } };
    const rowBytes = whole.length / rows;
    return { ...part, offset: whole.offset + from * rowBytes, length: count * rowBytes };
  });
}

/** Numbers of a tensor that is stored [in, `of`], as rows `from` on of [`of`, in]. */
export function turnedRows(
  stored: Float32Array,
  shape: readonly number[],
  { from, of }: { readonly from: number; readonly of: number },
): Float32Array<ArrayBuffer> {
  const rows = shape[0]!, columns = product(shape) / rows;
  const numbers = new Float32Array(rows * columns);
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < rows; row++) numbers[row * columns + column] = stored[column * of + from + row]!;
  }
  return numbers;
}
