/** Which files of a repository are of use here: never pickled weights, which can run code when they are read. */
import { posix } from "node:path";
import { UserError } from "../error.ts";
import type { HubFile } from "./cache.ts";
import { type HubName, hubText } from "./name.ts";

/** Names the shard that holds each tensor. */
export const INDEX = "model.safetensors.index.json";

/** What decides a number, where a repository has it. */
const NEEDED: readonly string[] = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "chat_template.jinja",
  INDEX,
];

/** What other programs read the same from. Small, and taken so that they find the snapshot whole. */
const COMPANIONS: readonly string[] = [
  "added_tokens.json",
  "chat_template.json",
  "merges.txt",
  "sentencepiece.bpe.model",
  "special_tokens_map.json",
  "spiece.model",
  "tokenizer.model",
  "vocab.json",
  "vocab.txt",
];

const PICKLE = /\.(bin|pt|pth|ckpt|pkl|pickle)$/;
const DATA = /\.(jsonl?|csv|tsv|txt)$/;
/** Who made data and what may be done with it. */
const ABOUT = /^(readme|licen[cs]e|notice)(\.\w+)?$/i;

export interface Picked {
  readonly file: HubFile;
  /** Whether an evaluation reads it. */
  readonly needed: boolean;
}

/**
 * The files to take, in the order of the listing.
 *
 * @param readIndex The text of model.safetensors.index.json; asked for only where the listing has that file.
 * @throws {UserError} when the repository has nothing that can be evaluated.
 */
export function pickFiles(name: HubName, files: readonly HubFile[], readIndex: () => string): Picked[] {
  if (name.kind === "datasets") return pickData(name, files);
  if (name.path !== undefined) return pickOne(name, files, name.path);
  const weights = new Set(weightNames(name, files, readIndex));
  if (!files.some(({ path }) => path === "config.json")) throw refusal(name, "it has no config.json");
  return files.flatMap((file) => {
    const needed = weights.has(file.path) || NEEDED.includes(file.path);
    return needed || COMPANIONS.includes(file.path) ? [{ file, needed }] : [];
  });
}

/** Whether pickFiles() will ask for the index. */
export function hasIndex(name: HubName, files: readonly HubFile[]): boolean {
  return name.kind === "models" && name.path === undefined && files.some(({ path }) => path === INDEX);
}

function pickOne(name: HubName, files: readonly HubFile[], wanted: string): Picked[] {
  const file = files.find(({ path }) => path === wanted);
  if (file === undefined) throw refusal(name, `it has no such file`, singlesOf(name, files));
  return wanted.endsWith(".gguf") ? [{ file, needed: true }] : pickGraph(name, files, wanted);
}

/** Another program's export: the graph, the files beside it that hold its weights, and what says how to read a text. */
function pickGraph(name: HubName, files: readonly HubFile[], graph: string): Picked[] {
  const own = posix.dirname(graph), names = new Set(files.map(({ path }) => path));
  const has = (folder: string) => names.has(posix.join(folder, "config.json"));
  // Transformers.js keeps graphs in a folder of their own, below the rest.
  const folder = !has(own) && posix.basename(own) === "onnx" ? posix.dirname(own) : own;
  const missing = ["config.json", "tokenizer.json"].find((each) => !names.has(posix.join(folder, each)));
  if (missing) throw refusal(name, `${graph} has no ${missing} in its folder`, "wanted one with both");
  return files.flatMap((file) => {
    const beside = posix.relative(folder, file.path);
    const needed = beside !== INDEX && NEEDED.includes(beside) || file.path === graph ||
      isDataOf(graph, file.path);
    return needed || COMPANIONS.includes(beside) ? [{ file, needed }] : [];
  });
}

/** Whether a file is called as exporters call what holds the weights of a graph: model.onnx_data, _data_1, model.onnx.data, model.data. */
const isDataOf = (graph: string, path: string) =>
  [graph, graph.replace(/\.onnx$/, "")].some((stem) =>
    path.startsWith(stem) && /^[._]data(_\d+)?$/.test(path.slice(stem.length))
  );

function pickData(name: HubName, files: readonly HubFile[]): Picked[] {
  const { path: wanted } = name;
  const below = files.filter(({ path }) =>
    wanted === undefined || path === wanted || path.startsWith(`${wanted}/`)
  );
  const picked = below.filter(({ path }) => path === wanted || DATA.test(path) || ABOUT.test(path));
  if (picked.some(({ path }) => path === wanted || DATA.test(path))) {
    return picked.map((file) => ({ file, needed: !ABOUT.test(file.path) }));
  }
  const state = wanted !== undefined && below.length === 0 ? "it has no such path" : "it has no such file";
  throw refusal(name, state, "wanted .json, .jsonl, .csv, .tsv or .txt files");
}

/** The weights of the repository's root: those of the index, else the one file there is. */
function weightNames(name: HubName, files: readonly HubFile[], readIndex: () => string): string[] {
  if (hasIndex(name, files)) return shardNames(name, files, readIndex());
  const found = files.map(({ path }) => path).filter((path) =>
    path.endsWith(".safetensors") && !path.includes("/")
  );
  if (found.includes("model.safetensors")) return ["model.safetensors"];
  if (found.length === 1) return found;
  if (found.length > 1) {
    throw refusal(
      name,
      `it has ${found.length} .safetensors files and no index`,
      `wanted model.safetensors or ${INDEX}`,
    );
  }
  const singles = singlesOf(name, files);
  if (singles !== undefined) throw refusal(name, "it has no .safetensors file", singles);
  const pickle = files.find(({ path }) => PICKLE.test(path));
  throw refusal(
    name,
    pickle === undefined
      ? "it has no weights"
      : `its weights are pickles (${pickle.path}), which can run code when they are read`,
    "wanted a repository with .safetensors, .gguf or .onnx files",
  );
}

function shardNames(name: HubName, files: readonly HubFile[], text: string): string[] {
  const shards = new Set(valuesOf(text));
  const missing = [...shards].find((shard) => !files.some(({ path }) => path === shard));
  if (shards.size === 0) throw refusal(name, `${INDEX} names no file`, "wanted the shards of the weights");
  if (missing !== undefined || [...shards].some((shard) => shard !== posix.basename(shard))) {
    throw refusal(name, `${INDEX} names ${missing ?? "a file in a folder"}`, "wanted files beside it");
  }
  const pickle = [...shards].find((shard) => !shard.endsWith(".safetensors"));
  if (pickle !== undefined) throw refusal(name, `${INDEX} names ${pickle}`, "wanted .safetensors files");
  return [...shards];
}

/** The strings of `weight_map`; none where the text is not such an index. */
function valuesOf(text: string): string[] {
  try {
    const map: unknown = JSON.parse(text)?.weight_map;
    return Object.values(map ?? {}).filter((value): value is string => typeof value === "string");
  } catch {
    return [];
  }
}

/** "wanted hf:org/name/a.gguf or ...", for a message. */
function singlesOf(name: HubName, files: readonly HubFile[]): string | undefined {
  const singles = files.map(({ path }) => path).filter((path) => /\.(gguf|onnx)$/.test(path));
  if (singles.length === 0) return undefined;
  const named = singles.slice(0, 8).map((path) => hubText({ ...name, path }));
  const more = singles.length > named.length ? ` or one of ${singles.length - named.length} more` : "";
  return `wanted ${named.join(" or ")}${more}`;
}

function refusal(name: HubName, state: string, wanted = "wanted another name"): UserError {
  return new UserError(`Cannot use ${hubText(name)}: ${state}, ${wanted}`);
}
