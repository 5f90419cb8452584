/**
 * An estimate of what a model holds while it works, before it is opened: weights, in every form that a session keeps them in; what stands at once
 * in a layer, or in all of them where a gradient wants it kept; logits; keys and values; parameters that are trained.
 */
import type { MemoryPart, MemoryWork } from "../../core/mod.ts";
import type { Hyperparameters } from "./architectures/shape.ts";
import { countTrained } from "./train/meant.ts";
import { VALUES } from "./train/budget.ts";
import type { OnnxParams } from "./describe.ts";
import type { Architecture } from "./architectures/architecture.ts";
import { SLICES } from "./weights/slices.ts";
import type { Checkpoint } from "./weights/types.ts";

const FLOAT = 4;
/** Tensors as wide as the residual, and as the inner layer, that stand at once in a layer. */
const WIDE = { residual: 6, inner: 3 };
/** Copies of a trained number: its value, gradient and two moments here; its value and gradient in the runtime and on the way there and back. */
const TRAINED = 4 + 4;
/** Of logits, with their exponentials. */
const LOGITS = 2;

/** The model that is asked about. */
export interface MemoryOf {
  /** For messages. */
  readonly name: string;
  readonly checkpoint: Pick<Checkpoint, "parameters" | "tensors" | "config">;
  readonly architecture: Architecture;
  readonly shape: Hyperparameters;
  readonly params: OnnxParams;
  /** Whether opening it will compare it with float32, which is then mapped in its place (disagreement.ts). */
  readonly isCompared?: boolean;
}

/** The parts that a kind of work holds at once. @throws {UserError} for a recipe that names nothing that the model has. */
export function memoryOf(model: MemoryOf, work: MemoryWork): readonly MemoryPart[] {
  const { checkpoint, architecture, shape, params: { precision = "float32" } } = model;
  const { width, mlp, layers, vocab, kvHeads, headDim } = shape, residual = WIDE.residual * width;
  const weights = weightsOf(model, work.kind);
  // Three products of slices and what they add up to, of the widest product.
  const slices = precision === "split" ? 4 * Math.max(width, mlp) : 0;
  const part = (what: string, numbers: number): MemoryPart => ({ what, bytes: FLOAT * numbers });
  switch (work.kind) {
    case "score": {
      const own = [
        weights,
        part("activations", work.tokens * (residual + WIDE.inner * mlp + slices)),
        part("logits at most", LOGITS * vocab * work.rows),
      ];
      const reference = part(
        "float32 weights to compare with, once",
        model.isCompared ? checkpoint.parameters : 0,
      );
      // One before the other.
      return reference.bytes > own.reduce((sum, { bytes }) => sum + bytes, 0) ? [reference] : own;
    }
    case "write":
      // Those that came in and those that go out.
      return [
        weights,
        part("keys and values", 2 * 2 * layers * kvHeads * headDim * work.batch * work.tokens),
        part("logits", LOGITS * vocab * work.batch),
      ];
    case "gradients":
      return [
        weights,
        part("activations kept for gradients", work.tokens * layers * (residual + WIDE.inner * mlp)),
        part("weights made whole for the way back", precision === "float32" ? 0 : 3 * width * mlp),
      ];
    case "train": {
      const trained = countTrained(checkpoint, work.parameters, {
        architecture,
        shape,
        task: `train ${model.name}`,
      });
      return [
        weights,
        { what: "activations kept for gradients", bytes: VALUES },
        part("what is trained, with its gradients and moments", TRAINED * trained),
      ];
    }
  }
}

/**
 * Weights that one session keeps. Packed, those that products read are a copy in the place of those mapped from their file: one copy going
 * forward, one more going back, where slices are read as they lie. An embedding that is the output matrix too is kept beside its packed copy.
 */
function weightsOf(
  { checkpoint: { parameters, config }, shape, params: { packed = true, precision = "float32" } }: MemoryOf,
  kind: MemoryWork["kind"],
): MemoryPart {
  const { projections, gated, layers, vocab, width } = shape;
  const isTwice = packed && kind !== "score" && kind !== "write";
  const tied = packed && !isTwice && config.tie_word_embeddings ? FLOAT * vocab * width : 0;
  const how = isTwice ? ", twice (packed)" : "";
  if (precision === "float32") {
    return {
      what: `float32 weights${how}`,
      bytes: FLOAT * parameters * (isTwice ? 2 : 1) + tied,
    };
  }
  const inLayer = Object.entries(projections).reduce(
    (sum, [site, [rows, columns]]) => site === "mlp.up" && !gated ? sum : sum + rows * columns,
    0,
  );
  const sliced = layers * inLayer;
  return {
    what: `weights in ${precision}${how}`,
    bytes: (SLICES[precision] * sliced + FLOAT * (parameters - sliced)) * (isTwice ? 2 : 1) + tied,
  };
}
