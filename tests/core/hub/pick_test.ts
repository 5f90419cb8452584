import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UserError } from "../../../core/error.ts";
import type { HubFile } from "../../../core/hub/cache.ts";
import { parseHubName } from "../../../core/hub/name.ts";
import { INDEX, pickFiles } from "../../../core/hub/pick.ts";

const files = (...paths: string[]): HubFile[] => paths.map((path) => ({ path, size: 1, blobId: "" }));
const none = () => {
  throw new Error("there is no index to read");
};

function picked(name: string, paths: readonly string[], index: () => string = none): string[] {
  return pickFiles(parseHubName(name), files(...paths), index).map(({ file }) => file.path);
}

function message(name: string, paths: readonly string[], index: () => string = none): string {
  return (assertThrows(() => picked(name, paths, index), UserError) as UserError).message;
}

Deno.test("pickFiles() takes config, tokenizer and weights of the root, and no pickle, folder or second copy", () => {
  const paths = [
    ".gitattributes",
    "README.md",
    "config.json",
    "model.safetensors",
    "model.fp16.safetensors",
    "consolidated.safetensors",
    "onnx/model.onnx",
    "onnx/config.json",
    "pytorch_model.bin",
    "tokenizer.json",
    "vocab.json",
    "chat_template.jinja",
  ];
  assertEquals(picked("hf:o/n", paths), [
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "vocab.json",
    "chat_template.jinja",
  ]);
  const needed = pickFiles(parseHubName("hf:o/n"), files(...paths), none).filter((each) => each.needed);
  assertEquals(needed.some(({ file }) => file.path === "vocab.json"), false);
});

Deno.test("pickFiles() takes the shards that the index names, and no other weights", () => {
  const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
  const index = () => JSON.stringify({ weight_map: { a: shards[0], b: shards[1], c: shards[0] } });
  const paths = ["config.json", "consolidated.safetensors", ...shards, INDEX];
  assertEquals(picked("hf:o/n", paths, index), ["config.json", ...shards, INDEX]);
  const odd = (shard: string) => () => JSON.stringify({ weight_map: { a: shard } });
  assertStringIncludes(message("hf:o/n", paths, odd("gone.safetensors")), "names gone.safetensors");
  assertStringIncludes(
    message("hf:o/n", [...paths, "a.bin"], odd("a.bin")),
    "names a.bin, wanted .safetensors",
  );
  assertStringIncludes(
    message("hf:o/n", [...paths, "x/a.safetensors"], odd("x/a.safetensors")),
    "in a folder",
  );
  for (const text of ["{", "null", "[]", '{"weight_map": {}}', '{"weight_map": 3}']) {
    assertStringIncludes(message("hf:o/n", paths, () => text), "names no file");
  }
});

Deno.test("pickFiles() says what a repository without safetensors has in their place", () => {
  assertEquals(
    message("hf:o/n", ["config.json", "pytorch_model.bin"]),
    "Cannot use hf:o/n: its weights are pickles (pytorch_model.bin), which can run code when they are read, " +
      "wanted a repository with .safetensors, .gguf or .onnx files",
  );
  assertEquals(
    message("hf:o/n@v1", ["a.gguf", "b.gguf"]),
    "Cannot use hf:o/n@v1: it has no .safetensors file, wanted hf:o/n/a.gguf@v1 or hf:o/n/b.gguf@v1",
  );
  assertStringIncludes(message("hf:o/n", ["README.md"]), "it has no weights");
  assertStringIncludes(message("hf:o/n", ["model.safetensors"]), "it has no config.json");
  assertStringIncludes(message("hf:o/n", ["config.json", "a.safetensors", "b.safetensors"]), "no index");
});

Deno.test("pickFiles() takes one .gguf file alone, and names those there are when it is not one of them", () => {
  assertEquals(picked("hf:o/n/b.gguf", ["config.json", "a.gguf", "b.gguf"]), ["b.gguf"]);
  assertStringIncludes(message("hf:o/n/c.gguf", ["a.gguf"]), "no such file, wanted hf:o/n/a.gguf");
});

Deno.test("pickFiles() takes an export with its weights and its folder's config, or that above a folder onnx", () => {
  const above = ["README.md", "config.json", "tokenizer.json", "vocab.json", "model.safetensors", INDEX];
  const graphs = [
    "model.onnx",
    "model.onnx_data",
    "model.onnx_data_1",
    "model_q4.onnx",
    "model_q4.onnx_data",
  ];
  const paths = [...above, ...graphs.map((graph) => `onnx/${graph}`), "onnx/model.bin"];
  assertEquals(picked("hf:o/n/onnx/model.onnx", paths), [
    ...["config.json", "tokenizer.json", "vocab.json"],
    ...["model.onnx", "model.onnx_data", "model.onnx_data_1"].map((graph) => `onnx/${graph}`),
  ]);
  const both = ["config.json", "tokenizer.json"];
  const below = [
    "cpu/int4/config.json",
    "cpu/int4/a.onnx",
    "cpu/int4/a.onnx.data",
    "cpu/int4/tokenizer.json",
  ];
  assertEquals(picked("hf:o/n/cpu/int4/a.onnx", ["config.json", ...below]), below);
  assertEquals(picked("hf:o/n/a.onnx", [...both, "a.onnx", "a.data", "ab.data", "a.onnx.data.py"]), [
    ...both,
    "a.onnx",
    "a.data",
  ]);
  assertStringIncludes(
    message("hf:o/n/b/a.onnx", [...both, "b/a.onnx"]),
    "b/a.onnx has no config.json in its folder, wanted one with both",
  );
  assertStringIncludes(
    message("hf:o/n/onnx/a.onnx", [...both, "onnx/config.json", "onnx/a.onnx"]),
    "onnx/a.onnx has no tokenizer.json in its folder",
  );
  assertStringIncludes(
    message("hf:o/n", ["config.json", "onnx/a.onnx"]),
    "it has no .safetensors file, wanted hf:o/n/onnx/a.onnx",
  );
});

Deno.test("pickFiles() takes what can be read of data, of all or below a path, and never a program", () => {
  const paths = ["README.md", "LICENSE", "load.py", "a/x.jsonl", "a/y.parquet", "b/z.tsv", "b/odd.gz"];
  assertEquals(picked("hf:datasets/o/n", paths), ["README.md", "LICENSE", "a/x.jsonl", "b/z.tsv"]);
  assertEquals(picked("hf:datasets/o/n/b", paths), ["b/z.tsv"]);
  assertEquals(picked("hf:datasets/o/n/b/odd.gz", paths), ["b/odd.gz"]);
  assertStringIncludes(message("hf:datasets/o/n/c", paths), "no such path");
  assertStringIncludes(message("hf:datasets/o/n", ["README.md", "a.parquet"]), "no such file, wanted .json");
});
