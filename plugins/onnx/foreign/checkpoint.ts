/** Another program's export as a checkpoint: config.json and tokenizer.json from its folder, weights from the graph, where they are found. */
import { basename, dirname, join } from "node:path";
import { canonicalJson, type Context, sha256, UserError } from "../../../core/mod.ts";
import type { Architecture } from "../architectures/architecture.ts";
import { findArchitecture } from "../architectures/mod.ts";
import { rotariesOf } from "../architectures/rope.ts";
import { shapeOf } from "../architectures/shape.ts";
import { joinHashes, summary, tensorsOf, tokenizerOf } from "../weights/checkpoint.ts";
import { modelTypeOf, parseConfig } from "../weights/config.ts";
import { exists, hashFile, parseObject, readText, readTextIfAny } from "../weights/file.ts";
import type { SourceTensor } from "../weights/gguf_names.ts";
import { arrange } from "../weights/layout.ts";
import type { Checkpoint, CheckpointInfo, TokenizerSource } from "../weights/types.ts";
import { widen } from "../weights/widen.ts";
import { filesOf, type ForeignGraph, readForeign } from "./graph.ts";
import { checkHalves, isHalf } from "./half.ts";
import { findWeights } from "./weights.ts";

/** An export, inspected: the graph as a black box, and its weights as a family's, or why they are not. */
export interface Foreign {
  /** Names the model. */
  readonly path: string;
  readonly graph: ForeignGraph;
  readonly modelType: string;
  readonly weightsHash: string;
  readonly tokenizer: TokenizerSource;
  /** Ids that end a text. */
  readonly ends: readonly number[];
  /** Most tokens of a text. */
  readonly context: number;
  /** Heads of keys and their columns, for graphs that do not say: they come in empty. */
  readonly keys: { readonly heads: number; readonly columns: number };
  readonly white:
    | {
      readonly info: CheckpointInfo;
      readonly sources: readonly SourceTensor[];
      readonly missing?: undefined;
    }
    | { readonly missing: string };
}

/** The graph of a path that is one, or of a folder that has one and no safetensors; undefined for any other path.
 * @throws {UserError} for a folder with several graphs. */
export function foreignFile(path: string): string | undefined {
  if (!exists(path)) return undefined;
  if (!Deno.statSync(path).isDirectory) return path.endsWith(".onnx") ? path : undefined;
  const names = (folder: string) =>
    exists(folder) ? [...Deno.readDirSync(folder)].map(({ name }) => name) : [];
  if (names(path).some((name) => name.endsWith(".safetensors"))) return undefined;
  const graphs = [path, join(path, "onnx")].flatMap((folder) =>
    names(folder).filter((name) => name.endsWith(".onnx")).map((name) => join(folder, name))
  );
  if (graphs.length < 2) return graphs[0];
  const whole = graphs.find((graph) => basename(graph) === "model.onnx");
  if (whole) return whole;
  throw new UserError(
    `Cannot open ${path}: it has ${
      graphs.map((graph) => basename(graph)).sort().join(", ")
    }, wanted the path of one of them`,
  );
}

/** @throws {UserError} as readForeign(), and for a folder without config.json or tokenizer.json. */
export async function inspectForeign(path: string, context: Context): Promise<Foreign> {
  const graph = readForeign(path);
  if (isHalf(graph)) checkHalves(graph);
  const folder = folderOf(path), at = (name: string) => join(folder, name);
  const fields = parseObject(readText(at("config.json")), at("config.json"));
  const generation = parseObject(
    readTextIfAny(at("generation_config.json")) ?? "{}",
    at("generation_config.json"),
  );
  const hashes: string[] = [];
  for (const file of filesOf(graph)) hashes.push(await hashFile(file, context));
  const common = {
    // A graph that is called as all are is called after its folder.
    path: basename(path) === "model.onnx" ? folder : path,
    graph,
    modelType: modelTypeOf(fields, at("config.json")),
    weightsHash: joinHashes(hashes),
    tokenizer: tokenizerOf(folder),
    ends: [fields.eos_token_id, generation.eos_token_id].flat().filter((id): id is number =>
      typeof id === "number"
    ),
    keys: keysOf(fields),
    context: [fields.max_position_embeddings, fields.n_positions].find((size) => typeof size === "number") ??
      2048,
  };
  return { ...common, white: whiteOf(common, { fields, generation, file: at("config.json") }) };
}

function keysOf(fields: Readonly<Record<string, unknown>>): Foreign["keys"] {
  const number = (...names: string[]) =>
    names.map((name) => fields[name]).find((value) => typeof value === "number");
  const heads = number("num_attention_heads", "n_head") ?? 1, width = number("hidden_size", "n_embd") ?? 1;
  return { heads: number("num_key_value_heads") ?? heads, columns: number("head_dim") ?? width / heads };
}

/** Transformers.js keeps graphs in a folder of their own, below the rest. */
function folderOf(path: string): string {
  const own = dirname(path);
  return exists(join(own, "config.json")) || basename(own) !== "onnx" ? own : dirname(own);
}

function whiteOf(
  { path, graph, weightsHash, tokenizer, modelType }: Omit<Foreign, "white">,
  { fields, generation, file }: {
    readonly fields: Readonly<Record<string, unknown>>;
    readonly generation: Readonly<Record<string, unknown>>;
    readonly file: string;
  },
): Foreign["white"] {
  try {
    const architecture = findArchitecture(modelType, path);
    const config = parseConfig(fields, generation, { path: file, rules: architecture.config });
    const shape = shapeOf(config, architecture);
    rotariesOf(shape); // whose rule of scaling may not be known
    const more = {
      shape,
      tied: config.tie_word_embeddings,
      biases: { attention: config.attention_bias, mlp: config.mlp_bias },
    };
    const missing: string[] = [];
    for (const each of [architecture, ...packedByExporter(architecture)]) {
      const found = findWeights(graph, { architecture: each, ...more });
      if (found.sources) {
        const sources = arrange(found.sources, { architecture: each, shape, transposed: false });
        return { info: { path, config, ...summary(sources), weightsHash, tokenizer }, sources };
      }
      missing.push(found.missing);
    }
    return { missing: missing[0]! };
  } catch (error) {
    // What keeps the family's graph from being drawn leaves the file a black box, and is said.
    if (error instanceof UserError) return { missing: error.message.replace(/^Cannot [^:]*: /, "") };
    throw error;
  }
}

/** The family with its queries, keys and values in one matrix, as ONNX Runtime's Model Builder writes them. */
function packedByExporter(architecture: Architecture): Architecture[] {
  const { layout = {} } = architecture;
  if (Object.values(layout.packed ?? {}).some((sites) => sites.includes("attn.q"))) return [];
  return [{
    ...architecture,
    layout: { ...layout, packed: { ...layout.packed, qkv: ["attn.q", "attn.k", "attn.v"] } },
  }];
}

/** The checkpoint with its weights in reach. */
export async function openWhite(
  { info, sources }: Exclude<Foreign["white"], { readonly missing: string }>,
  context: Context,
): Promise<Checkpoint> {
  // Where each weight lies in a file is found out, and may be found otherwise by another version of this program.
  const files = [...new Set(sources.map(({ file }) => file))];
  const places = canonicalJson(sources.map(({ file, ...rest }) => ({ ...rest, file: files.indexOf(file) })));
  const weightsHash = sha256(`${info.weightsHash} ${places}`);
  return { ...info, tensors: tensorsOf(await widen(sources, { ...info, weightsHash }, context)) };
}
