import { assert, assertThrows } from "@std/assert";
import { UserError } from "../../../../core/mod.ts";
import { createRotary, type RopeScaling } from "../../../../plugins/onnx/architectures/rope.ts";

const LONGROPE: RopeScaling = {
  rope_type: "longrope",
  short_factor: Array.from({ length: 32 }, (_, i) => 1 + 0.05 * i),
  long_factor: Array.from({ length: 32 }, (_, i) => 1 + 0.9 * i),
  factor: 32,
  original_max_position_embeddings: 4096,
};

/**
 * Cosines by LlamaRotaryEmbedding of transformers 5.23, with yarn by Qwen2RotaryEmbedding and longrope by
 * Phi3RotaryEmbedding of 5.24, in float32, headDim 64, at positions 0, 1, 100, 5000 and 100000 (rows) for
 * pairs 0, 5, 12, 20 and 31 (columns); printed with 6 decimals.
 */
const REFERENCE: readonly {
  theta: number;
  scaling: RopeScaling | null;
  /** Whether the text is longer than longrope's original context. */
  long?: boolean;
  /** What cosines and sines are multiplied by; 1 unless said. */
  gain?: number;
  cos: readonly (readonly number[])[];
}[] = [
  {
    theta: 10000,
    scaling: null,
    cos: [
      [1, 1, 1, 1, 1],
      [0.540302, 0.972014, 0.9995, 0.999995, 1],
      [0.862319, 0.151208, -0.999786, 0.950415, 0.999911],
      [0.154668, -0.261387, 0.511163, -0.994656, 0.785829],
      [-0.999361, 0.544521, -0.261742, -0.477425, 0.718715],
    ],
  },
  {
    theta: 10000,
    scaling: { rope_type: "linear", factor: 4 },
    cos: [
      [1, 1, 1, 1, 1],
      [0.968912, 0.998243, 0.999969, 1, 1],
      [0.991203, 0.937733, 0.703441, 0.996877, 0.999994],
      [0.938037, 0.442885, -0.255693, -0.688589, 0.986139],
      [0.700758, -0.969222, 0.442967, -0.869242, -0.981584],
    ],
  },
  {
    theta: 500000,
    scaling: {
      rope_type: "llama3",
      factor: 32,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    },
    cos: [
      [1, 1, 1, 1, 1],
      [0.540302, 0.991731, 0.999973, 1, 1],
      [0.862319, 0.954634, 0.745663, 1, 1],
      [0.154668, -0.831161, 0.328779, 0.999082, 1],
      [-0.999361, 0.71458, 0.914315, 0.654689, 0.999956],
    ],
  },
  {
    theta: 1_000_000,
    scaling: { rope_type: "yarn", factor: 4, original_max_position_embeddings: 32768 },
    gain: 1.138629436111989,
    cos: [
      [1.138629, 1.138629, 1.138629, 1.138629, 1.138629],
      [0.615204, 1.131046, 1.138614, 1.138629, 1.138629],
      [0.981862, 0.597326, 0.990672, 1.138618, 1.138629],
      [0.17611, 0.89807, 0.912449, 1.110615, 1.138627],
      [-1.137902, 0.889446, 1.100839, -0.300075, 1.137786],
    ],
  },
  {
    theta: 10000,
    scaling: {
      rope_type: "yarn",
      factor: 40,
      original_max_position_embeddings: 4096,
      mscale: 1,
      mscale_all_dim: 0.707,
      beta_fast: 16,
      beta_slow: 2,
    },
    gain: 1.0857263992561355,
    cos: [
      [1.085726, 1.085726, 1.085726, 1.085726, 1.085726],
      [0.586621, 1.055342, 1.085184, 1.085726, 1.085726],
      [0.936242, 0.164171, -1.085494, 1.084761, 1.085726],
      [0.167928, -0.283795, 0.554983, -0.555777, 1.085576],
      [-1.085032, 0.5912, -0.28418, -0.266295, 1.025948],
    ],
  },
  {
    theta: 10000,
    scaling: LONGROPE,
    long: false,
    gain: 1.1902380714238083,
    cos: [
      [1.190238, 1.190238, 1.190238, 1.190238, 1.190238],
      [0.643088, 1.168884, 1.190006, 1.190237, 1.190238],
      [1.026365, 1.181473, -0.469662, 1.175391, 1.190222],
      [0.184092, 1.163705, -0.164904, -0.061523, 1.149782],
      [-1.189477, -0.550727, -1.113182, 0.608406, 0.588416],
    ],
  },
  {
    theta: 10000,
    scaling: LONGROPE,
    long: true,
    gain: 1.1902380714238083,
    cos: [
      [1.190238, 1.190238, 1.190238, 1.190238, 1.190238],
      [0.643088, 1.189132, 1.190234, 1.190238, 1.190238],
      [1.026365, -0.464378, 1.147753, 1.190073, 1.190238],
      [0.184092, -0.441843, 0.800526, 0.801348, 1.189921],
      [-1.189477, 0.29163, -0.688222, -0.706206, 1.065761],
    ],
  },
];

const POSITIONS = [0, 1, 100, 5000, 100000], PAIRS = [0, 5, 12, 20, 31];

/** One unit in the last place of a float32 frequency moves the angle at position 100000 by 0.006 at most, at 5000 by 3e-4. */
const toleranceAt = (position: number) => 1e-6 + position * 6e-8;

for (const { theta, scaling, long = false, gain = 1, cos } of REFERENCE) {
  Deno.test(`createRotary() with ${scaling?.rope_type ?? "no"} scaling by ${scaling?.factor ?? 1}${long ? " of long texts" : ""} equals transformers'`, () => {
    const tables = createRotary({ theta, headDim: 64, scaling, long })(100001);
    POSITIONS.forEach((position, p) =>
      PAIRS.forEach((pair, i) => {
        const actual = tables.cos[position * 32 + pair]!, sine = tables.sin[position * 32 + pair]!;
        const off = Math.abs(actual - cos[p]![i]!);
        assert(
          off < toleranceAt(position),
          `position ${position}, pair ${pair}: ${actual}, expected ${cos[p]![i]}`,
        );
        assert(Math.abs(actual ** 2 + sine ** 2 - gain ** 2) < 1e-6, "cosine and sine are of one angle");
      })
    );
  });
}

Deno.test("createRotary() divides frequencies by the factors of a GGUF", () => {
  const factors = new Float32Array(32).fill(4);
  const own = createRotary({ theta: 10000, headDim: 64, factors })(50);
  const linear = createRotary({ theta: 10000, headDim: 64, scaling: { rope_type: "linear", factor: 4 } })(50);
  assert(own.sin.every((value, i) => value === linear.sin[i]));
});

Deno.test("createRotary() refuses a scaling rule that is not known", () => {
  const refused = (scaling: RopeScaling, message: string) =>
    assertThrows(() => createRotary({ theta: 1e4, headDim: 64, scaling }), UserError, message);
  refused({ rope_type: "ntk" }, '"ntk", wanted default, linear, llama3, yarn or longrope');
  refused({ rope_type: "longrope", short_factor: [1, 2] }, "short_factor has 2 numbers, wanted 32");
  refused({ rope_type: "yarn", factor: 4 }, "yarn has no original_max_position_embeddings");
});
