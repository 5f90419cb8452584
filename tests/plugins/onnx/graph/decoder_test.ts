/** A whole decoder, small and random: the interpreter, the runtime and the gradient read the same graph alike. */
import { assertEquals } from "@std/assert";
import { drawDecoder, type Drawing } from "../../../../plugins/onnx/architectures/decoder.ts";
import { llama } from "../../../../plugins/onnx/architectures/llama.ts";
import { drawReadout } from "../../../../plugins/onnx/architectures/readout.ts";
import { createRotary } from "../../../../plugins/onnx/architectures/rope.ts";
import { columnsOf, shapeOf } from "../../../../plugins/onnx/architectures/shape.ts";
import { feedsOf } from "../../../../plugins/onnx/feeds.ts";
import { encode } from "../../../../plugins/onnx/graph/encode.ts";
import { gradient, type Seed } from "../../../../plugins/onnx/graph/gradient.ts";
import { interpret } from "../../../../plugins/onnx/graph/interpret.ts";
import { distinctTokens } from "../../../../plugins/onnx/run/distinct.ts";
import { openSession } from "../../../../plugins/onnx/session/session.ts";
import type { Checkpoint, ModelConfig, TensorRef } from "../../../../plugins/onnx/weights/types.ts";
import { SITES, type Tap } from "../../../../core/mod.ts";
import type { Tensor } from "../../../../plugins/onnx/graph/ops/op.ts";
import {
  assertClose,
  CLOSE,
  createTensors,
  dot,
  feed,
  type Given,
  objectiveOf,
  slope,
} from "./differences.ts";

/** Of the largest entry: float32 rounds each of some hundred steps on the way by 6e-8. */
const FLOAT32 = 1e-5;

const CONFIG: ModelConfig = {
  model_type: "llama",
  hidden_size: 6,
  intermediate_size: 7,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 4,
  hidden_act: "silu",
  rms_norm_eps: 1e-3,
  rope_theta: 10,
  rope_scaling: null,
  vocab_size: 9,
  max_position_embeddings: 16,
  tie_word_embeddings: true,
  attention_bias: false,
  mlp_bias: false,
  bos_token_id: null,
  eos_token_id: [],
};
const CONFIGS = {
  "grouped queries and a tied output matrix": CONFIG,
  "biases and an output matrix of its own": {
    ...CONFIG,
    num_key_value_heads: 4,
    tie_word_embeddings: false,
    attention_bias: true,
    mlp_bias: true,
  },
};

/** A branch of the second token, and a shorter row, padded. */
const PARENTS = [[-1, 0, 1, 1, 3], [-1, 0, 1]];

function weightShapes(config: ModelConfig): Readonly<Record<string, readonly number[]>> {
  const { layers, width, vocab, projections } = shapeOf(config, llama);
  const shapes: Record<string, readonly number[]> = {
    [llama.embed]: [vocab, width],
    [`${llama.finalNorm}.weight`]: [width],
    ...(config.tie_word_embeddings ? {} : { [llama.unembed]: [vocab, width] }),
  };
  const { q, k, v, attentionOut, gate, up, down } = llama;
  const sites = {
    "attn.q": q,
    "attn.k": k,
    "attn.v": v,
    "attn.out": attentionOut,
    "mlp.gate": gate,
    "mlp.up": up,
    "mlp.out": down,
  };
  for (let layer = 0; layer < layers; layer++) {
    const prefix = llama.layer(layer);
    for (const norm of [llama.attentionNorm, llama.mlpNorm]) shapes[`${prefix}${norm}.weight`] = [width];
    for (const [site, name] of Object.entries(sites) as [keyof typeof sites, string][]) {
      shapes[`${prefix}${name}.weight`] = projections[site];
      shapes[`${prefix}${name}.bias`] = projections[site].slice(0, 1);
    }
  }
  return shapes;
}

/** Random weights in a file, which is removed after `work`. */
async function withCheckpoint(
  config: ModelConfig,
  work: (checkpoint: Checkpoint, weights: Given) => Promise<void> | void,
): Promise<void> {
  const file = await Deno.makeTempFile({ prefix: "plumbline-decoder-" }),
    { floats } = createTensors("weights");
  const weights: Given = {}, tensors = new Map<string, TensorRef>(), numbers: number[] = [];
  for (const [name, shape] of Object.entries(weightShapes(config))) {
    const { data } = weights[name] = name.includes("norm") ? floats(shape, 0.5) : floats(shape, -1, 1);
    tensors.set(name, { name, shape, file, offset: 4 * numbers.length, length: 4 * data.length });
    numbers.push(...data);
  }
  try {
    await Deno.writeFile(file, new Uint8Array(Float32Array.from(numbers).buffer));
    await work({
      path: "made",
      config,
      shapes: new Map(),
      parameters: numbers.length,
      weightsHash: "",
      tokenizer: { kind: "files", tokenizer: "", config: "{}" },
      tensors,
    }, weights);
  } finally {
    await Deno.remove(file);
  }
}

/** Inputs of the drawing, with random gains and offsets at every tap. */
function inputsOf({ shape, taps }: Drawing): Given {
  const { floats, ids } = createTensors("inputs");
  const rows = PARENTS.map((parents) => ({
    tokens: parents.map((parent) => ({ id: ids([1], shape.vocab).data[0]!, parent, generated: false })),
    start: 0,
    edits: [],
  }));
  const rotary = shape.attentions.map(({ theta }) => createRotary({ theta, headDim: shape.headDim }));
  const given: Given = {};
  for (const [name, { dims, data }] of Object.entries(feedsOf(rows, { shape, rotary, taps: [], past: 0 }))) {
    given[name] = { dims, data: Float64Array.from(data as Iterable<number | bigint>, Number) };
  }
  for (const tap of taps.keys()) {
    const dims = [PARENTS.length, PARENTS[0]!.length, columnsOf(shape, tap)];
    given[`${tap}.gain`] = floats(dims, 0.5);
    given[`${tap}.offset`] = floats(dims, -0.5, 0.5);
  }
  return given;
}

interface Found {
  readonly at: string;
  readonly tensor: Tensor;
}

/** Adding up the same float64 numbers in the same order; only rows of products are computed elsewhere. */
const SAME = { tolerance: 1e-13, floor: 1e-15 };

for (const [name, config] of Object.entries(CONFIGS)) {
  Deno.test(`drawDecoder() with ${name}: sharing tokens changes no logit and no sample's gradient at any tap`, () =>
    withCheckpoint(config, (checkpoint, weights) => {
      // Three tokens in common, the last of them read by two; a branch; and a text that stands twice.
      const texts = [[3, 1, 4, 1, 5], [3, 1, 4, 2, 2], [3, 1, 4, 2, 2]];
      const parents = [[-1, 0, 1, 1, 3], [-1, 0, 1, 2, 3], [-1, 0, 1, 2, 3]];
      const rows = texts.map((ids, row) => ({
        tokens: ids.map((id, t) => ({ id, parent: parents[row]![t]!, generated: false })),
        start: 0,
        edits: [],
      }));
      const shape = shapeOf(config, llama),
        rotary = shape.attentions.map(({ theta }) => createRotary({ theta, headDim: shape.headDim }));
      const { first, index } = distinctTokens(rows);
      assertEquals(first.length, 7);
      const table = (numbers: readonly number[], dims = [numbers.length]) => ({
        dims,
        data: Float64Array.from(numbers),
      });
      const edited: Tap[] = ["layers.0.mlp.gate", "layers.1.attn.head"], { floats } = createTensors("shared");
      const given: Given = {
        ...weights,
        rows: table([4, 7, 14, 2]),
        picks: table([0, 8, 9, 20, 30]),
        dpicked: floats([5]),
        dlogsumexp: floats([4]),
        "share.first": table(first.map(({ row, token }) => 5 * row + token)),
        "share.index": table(index.flat(), [3, 5]),
      };
      for (
        const [name, { dims, data }] of Object.entries(feedsOf(rows, { shape, rotary, taps: [], past: 0 }))
      ) {
        given[name] = { dims, data: Float64Array.from(data as Iterable<number | bigint>, Number) };
      }
      for (const tap of edited) {
        given[`${tap}.gain`] = floats([1, 1, columnsOf(shape, tap)], 0.5);
        given[`${tap}.offset`] = floats([1, 1, columnsOf(shape, tap)]);
      }
      const [plain, shared] = (["plain", "shared"] as const).map((rows) => {
        const drawing = drawDecoder(llama, checkpoint, { edits: edited, rows }), { b, taps } = drawing;
        const { logits, logsumexp, picked } = drawReadout(drawing);
        const slopes = gradient(b, {
          seeds: [
            { value: picked, cotangent: b.input("dpicked", "float32", ["picks"]) },
            { value: logsumexp, cotangent: b.input("dlogsumexp", "float32", ["rows"]) },
          ],
          wanted: [...taps.values()],
        });
        const found = [
          ["logits", logits] as const,
          ...[...taps].map(([tap, value]) => [`gradient at ${tap}`, slopes.get(value.name)!] as const),
          ...[...taps].map(([tap, value]) => [`activation at ${tap}`, value] as const),
        ];
        for (const [, value] of found) b.output(value);
        const values = interpret(b.finish(), given);
        return found.map(([at, { name }]) => ({ at, tensor: values.get(name)! }));
      }) as [Found[], Found[]];
      plain.forEach(({ at, tensor }, i) => assertClose(shared[i]!.tensor, tensor, { ...SAME, at }));
    }));

  Deno.test(`drawDecoder() with ${name}: the runtime agrees with float64, and gradients at every tap with central differences`, () =>
    withCheckpoint(config, async (checkpoint, weights) => {
      const edits: Tap[] = ["embed"];
      for (let layer = 0; layer < config.num_hidden_layers; layer++) {
        edits.push(...SITES.map((site): Tap => `layers.${layer}.${site}`));
      }
      const drawing = drawDecoder(llama, checkpoint, { edits, rows: "plain" }), { b, taps } = drawing;
      const { logits, logsumexp, picked } = drawReadout(drawing),
        { floats, ids } = createTensors("objective");
      // Rows that are read: some twice or not at all; never the padding, of which nothing is promised.
      const given: Given = {
        ...weights,
        ...inputsOf(drawing),
        rows: { dims: [4], data: Float64Array.of(7, 2, 4, 2) },
        picks: ids([5], 4 * config.vocab_size),
        dpicked: floats([5]),
        dlogsumexp: floats([4]),
      };
      const seeds: Seed[] = [
        { value: picked, cotangent: b.input("dpicked", "float32", ["picks"]) },
        { value: logsumexp, cotangent: b.input("dlogsumexp", "float32", ["rows"]) },
      ];
      const objective = objectiveOf(b, seeds, given);
      const slopes = gradient(b, { seeds, wanted: [...taps.values()] });
      assertEquals(slopes.size, edits.length);
      for (const value of [logits, ...slopes.values()]) b.output(value);
      const graph = b.finish(), values = interpret(graph, given);

      for (const [tap, value] of taps) {
        const found = values.get(slopes.get(value.name)!.name)!, { dims } = given[`${tap}.offset`]!;
        assertEquals([...found.dims], [...dims], tap);
        for (let time = 0; time < 2; time++) {
          const direction = floats(dims, -1, 1).data;
          const along = slope(objective, given, { name: `${tap}.offset`, direction });
          const number = (value: number) => ({ dims: [], data: Float64Array.of(value) });
          assertClose(number(dot(found.data, direction)), number(along), {
            ...CLOSE,
            at: `gradient at ${tap}`,
          });
        }
      }

      await using session = await openSession(encode(graph), { threads: 1, packed: false });
      const { outputs } = await session.run({
        feeds: Object.fromEntries(graph.inputs.map(({ name, dtype }) => [name, feed(given[name]!, dtype)])),
        fetch: graph.outputs.map(({ name }) => name),
      });
      for (const { name } of graph.outputs) {
        assertClose(outputs[name]!, values.get(name)!, { tolerance: FLOAT32, at: name });
      }
    }));
}
