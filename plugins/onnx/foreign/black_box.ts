/**
 * Another program's graph as it is: token ids in, logits out. It scores and generates; nothing inside it can be seen or changed.
 *
 * Inputs are those of Optimum's decoders: input_ids, attention_mask, position_ids, past_key_values.N.key and .value, each where it is wanted.
 */
import { toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema, TensorProto_DataLocation, TensorProto_DataType } from "onnx-buf";
import { dirname, join } from "node:path";
import { UserError } from "../../../core/mod.ts";
import { openSession, type SessionOptions } from "../session/session.ts";
import { isPast, presentName, type TensorData } from "../session/door.ts";
import type { Foreign } from "./checkpoint.ts";
import type { ForeignGraph, Port } from "./graph.ts";
import { isHalf, widened } from "./half.ts";

/** Logits of texts. */
export interface BlackBox extends AsyncDisposable {
  readonly vocab: number;
  /** Logits at every position of each text, [tokens, vocab]. */
  logits(texts: readonly (readonly number[])[]): Promise<readonly Float32Array[]>;
  /** Reads one text piece by piece. */
  reader(): Reader;
}

export interface Reader extends AsyncDisposable {
  /** Logits after the last of these tokens, which follow those read so far, [vocab]. Keys and values are kept where the graph gives them out; else
   * the whole text is read again. */
  read(ids: readonly number[]): Promise<Float32Array>;
}

/** @throws {UserError} for inputs that a decoder has not, or a graph without logits. */
export function checkPorts({ path, inputs, outputs }: ForeignGraph): { readonly vocab: number } {
  const fail = (state: string, wanted: string) =>
    new UserError(`Cannot open ${path}: ${state}, wanted ${wanted}`);
  const odd = inputs.find(({ name }) =>
    !["input_ids", "attention_mask", "position_ids"].includes(name) && !isPast(name)
  );
  if (odd) {
    throw fail(
      `it has an input ${odd.name}`,
      "those of a decoder: input_ids, attention_mask, position_ids, past_key_values",
    );
  }
  if (!inputs.some(({ name }) => name === "input_ids")) {
    throw fail("it has no input input_ids", "a decoder's");
  }
  const isFloat = (port: Port) =>
    port.type === TensorProto_DataType.FLOAT || port.type === TensorProto_DataType.FLOAT16;
  const other = inputs.find((port) => isPast(port.name) && !isFloat(port));
  if (other) throw fail(`its input ${other.name} is neither float32 nor float16`, "an export in one of them");
  const logits = outputs.find(({ name }) => name === "logits"), vocab = logits?.shape.at(-1);
  if (!logits) throw fail("it has no output logits", "a causal model's");
  if (!isFloat(logits)) throw fail("its logits are neither float32 nor float16", "an export in one of them");
  if (vocab === undefined) throw fail("its logits do not say how many tokens there are", "a size");
  return { vocab };
}

/** @throws {UserError} as checkPorts(), and where the runtime refuses the graph. */
export async function openBlackBox(
  { graph, keys }: Pick<Foreign, "graph" | "keys">,
  options: SessionOptions,
): Promise<BlackBox> {
  const { vocab } = checkPorts(graph);
  const taken = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (cause) {
      const state = cause instanceof Error ? cause.message.split("\n")[0]! : String(cause);
      throw new UserError(`Cannot run ${graph.path}: the runtime says ${state}`, { cause });
    }
  };
  const session = await taken(openSession(bytesOf(graph), options));
  return {
    vocab,
    async logits(texts) {
      const tokens = Math.max(...texts.map(({ length }) => length));
      const { outputs } = await taken(session.run({
        feeds: feedsOf(graph.inputs, texts, { tokens, keys, from: 0 }),
        fetch: ["logits"],
      }));
      const data = outputs["logits"]!.data as Float32Array;
      return texts.map(({ length }, row) =>
        data.subarray(row * tokens * vocab, (row * tokens + length) * vocab)
      );
    },
    reader() {
      const pasts = graph.inputs.filter(({ name }) => isPast(name));
      const given = new Set(graph.outputs.map(({ name }) => name));
      const keep = pasts.length > 0 && pasts.every(({ name }) => given.has(presentName(name)));
      const read: number[] = [];
      let cache: number | undefined;
      const drop = async () => {
        if (cache !== undefined) await session.drop(cache);
        cache = undefined;
      };
      return {
        async read(ids) {
          const from = keep ? read.length : 0;
          read.push(...ids);
          const text = read.slice(from),
            ports = from === 0 ? graph.inputs : graph.inputs.filter((port) => !isPast(port.name));
          const { outputs, cache: kept } = await taken(session.run({
            feeds: feedsOf(ports, [text], { tokens: text.length, keys, from }),
            fetch: ["logits"],
            ...(cache !== undefined && { past: { cache, rows: [0] } }),
            keep,
          }));
          await drop();
          cache = kept;
          return (outputs["logits"]!.data as Float32Array).subarray(-vocab);
        },
        [Symbol.asyncDispose]: drop,
      };
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

interface Feeding {
  readonly tokens: number;
  readonly keys: Foreign["keys"];
  /** Tokens before these, of which keys and values are there. */
  readonly from: number;
}

const feedsOf = (ports: readonly Port[], texts: readonly (readonly number[])[], feeding: Feeding) =>
  Object.fromEntries(ports.map((port) => [port.name, feedOf(port, texts, feeding)]));

/** Texts are padded on the right with token 0, which nothing before it sees. */
function feedOf(
  { name, shape }: Port,
  texts: readonly (readonly number[])[],
  { tokens, keys, from }: Feeding,
): TensorData {
  const batch = texts.length;
  if (isPast(name)) {
    const dims = [batch, shape[1] ?? keys.heads, 0, shape[3] ?? keys.columns];
    return { data: new Float32Array(0), dims };
  }
  // The mask is of all tokens, those before these too.
  const before = name === "attention_mask" ? from : 0, width = before + tokens;
  const data = new BigInt64Array(batch * width);
  texts.forEach((text, row) => {
    for (let t = -before; t < tokens; t++) {
      data[row * width + before + t] = BigInt(
        name === "input_ids" ? text[t] ?? 0 : name === "position_ids" ? from + t : t < text.length ? 1 : 0,
      );
    }
  });
  return { data, dims: [batch, width] };
}

/** The graph for a session whose external data folder is "/". */
function bytesOf(graph: ForeignGraph): Uint8Array {
  const { path, model } = graph, whole = isHalf(graph) ? widened(graph) : model;
  for (const { dataLocation, externalData } of whole.graph!.initializer) {
    if (dataLocation !== TensorProto_DataLocation.EXTERNAL) continue;
    const place = externalData.find(({ key }) => key === "location")!;
    if (!place.value.includes("/")) place.value = join(dirname(path), place.value).slice(1);
  }
  return toBinary(ModelProtoSchema, whole);
}
