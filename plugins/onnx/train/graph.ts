/**
 * Draws what a training step computes: log-probabilities of the tokens that are read, and the objective's gradient at what is trained.
 *
 *   normed [rows, width] -> per chunk of rows: logits, log-sum-exp, P U -> log P and its gradient at `normed`, written down:
 *
 *   d log P_t / d normed = U_t - P U,      cotangent of normed = w (P U - U_t),  w [rows] = -d objective / d log P
 *
 * so that only one chunk's logits are there at a time; the reverse walk does the rest. Cross-entropy's w is an input; that of DPO is drawn
 * from the log-probabilities (see core/trainer.ts), so one pass does both.
 */
import type { TrainObjective } from "../../../core/mod.ts";
import type { Architecture } from "../architectures/architecture.ts";
import { drawDecoder, type Drawing } from "../architectures/decoder.ts";
import { capped, drawLogits } from "../architectures/readout.ts";
import { gradient } from "../graph/gradient.ts";
import type { Builder, Graph, Value } from "../graph/graph.ts";
import type { Plan } from "./parameters.ts";

export interface TrainingSpec {
  readonly plan: Pick<Plan, "parameters" | "inputs" | "checkpoint" | "unembed" | "embed">;
  readonly objective: TrainObjective;
  /** Parts in which logits are computed. */
  readonly chunks: number;
}

/** Output with the gradient of a parameter. Of embeddings it is that of each token's, [batch, tokens, width], under "embed"; of an output
 * matrix, and of its B, the part without the tokens that are read: -w of a row times "normed", or scale times "low", is left to add to their
 * rows. */
export const gradientOf = (name: string) => `gradient.${name}`;

/** Inputs, beside those of the decoder and the parameters: `rows` [rows], `targets` [rows], `chunk.K` [...] ascending parts of 0 ... rows - 1;
 * `weights` [rows, 1] for cross-entropy; `signs` [pairs, rows] (1 chosen, -1 rejected), `reference` [pairs, 1] (beta times the reference's
 * difference) and `share` [pairs, 1] (beta over the batch's pairs) for DPO. Outputs: `logprobs` [rows, 1], gradients, and where the output
 * matrix is trained `normed`, `low` and `row.weights`. */
export function drawTraining(
  architecture: Architecture,
  { plan, objective, chunks }: TrainingSpec,
): Graph {
  const drawing = drawDecoder(architecture, plan.checkpoint, {
    edits: [],
    rows: "plain",
    whole: [],
    trained: plan.inputs,
  });
  const { b } = drawing;
  const normed = drawing.finalNorm.apply("final.norm", drawing.last())[0];
  const targets = b.input("targets", "int64", ["rows"]);
  const kept = drawing.unembedUpdate && plan.inputs.dropout
    ? b.input(`dropout.${moduleOf(drawing.unembedUpdate.up.name)}`, "float32", normed.shape)
    : undefined;
  const parts = Array.from(
    { length: chunks },
    (_, k) => drawChunk(drawing, { normed, targets, kept, k, chunks }),
  );
  const logprobs = b.named("logprobs", joinRows(b, "logprob", parts.map(({ logprob }) => logprob)));
  b.output(logprobs);
  const weights = drawWeights(b, objective, logprobs);
  const slope = joinRows(b, "slope", parts.map(({ slope }) => slope));
  const cotangent = b.node("Mul", "d.normed", [slope, weights]);
  drawHead(drawing, { plan, parts, weights, normed });
  const embed = plan.inputs.embeddings ? [drawing.ids] : [];
  const inside = plan.parameters.filter(({ name }) =>
    name !== plan.embed?.name && !isHead(plan, drawing, name)
  );
  const wanted = [...inside.map(({ name, shape }) => b.sharedInput(name, "float32", shape)), ...embed];
  const found = gradient(b, { seeds: [{ value: normed, cotangent }], wanted });
  for (const [name, value] of found) b.output(b.named(gradientOf(name), value));
  return b.finish();
}

/** What chunks gave, one below the other: of all rows. */
function joinRows(b: Builder, name: string, values: readonly Value[]): Value {
  return values.reduce((before, value, k) =>
    b.concat(`${name}.${k}`, [before, value], {
      axis: 0,
      size: k === values.length - 1 ? "rows" : `rows.${k}`,
    })
  );
}

interface Chunk {
  /** log P of the targets, [chunk, 1]. */
  readonly logprob: Value;
  /** P U - U_t with the output matrix' update in U, [chunk, width]. */
  readonly slope: Value;
  /** With a cap of logits times its slope, [chunk, vocab]. */
  readonly probabilities: Value;
  /** The slope of the cap at the targets, [chunk, 1]. */
  readonly ownSlope: Value | undefined;
  readonly rows: Value | undefined;
  /** P B - B_t, [chunk, rank]. */
  readonly lowSlope: Value | undefined;
  readonly low: Value | undefined;
  readonly normed: Value;
  /** What the output matrix' update reads: normed, but for dropout. */
  readonly seen: Value;
}

function drawChunk(drawing: Drawing, { normed: all, targets: every, kept: kept0, k, chunks }: {
  readonly normed: Value;
  readonly targets: Value;
  /** Dropout of the output matrix' update, [rows, width]. */
  readonly kept: Value | undefined;
  readonly k: number;
  readonly chunks: number;
}): Chunk {
  const { b, unembed, unembedUpdate } = drawing, at = (name: string) => `head.${k}.${name}`;
  const rows = chunks === 1 ? undefined : b.input(`chunk.${k}`, "int64", [`chunk.${k}`]);
  const part = (name: string, value: Value) => rows ? b.node("Gather", at(name), [value, rows]) : value;
  const normed = part("normed", all), targets = part("targets", every);
  const kept = unembedUpdate && kept0 && part("kept", kept0);
  const seen = kept ? b.node("Mul", at("seen"), [normed, kept]) : normed;
  const { logits, low } = drawLogits(drawing, normed, seen);
  const total = b.node("ReduceLogSumExp", at("logsumexp"), [logits, b.ints([-1])]);
  const softmax = b.node("Softmax", at("probabilities"), [logits], { axis: -1n });
  const slope = slopeOf(drawing, at("capped"), logits);
  const probabilities = slope ? b.node("Mul", at("probabilities.sloped"), [softmax, slope]) : softmax;
  const dot = (name: string, x: Value, y: Value) =>
    b.node("ReduceSum", at(name), [b.node("Mul", at(`${name}.products`), [x, y]), b.ints([-1])]);
  const own = b.node("Gather", at("rows"), [unembed, targets]);
  const update = unembedUpdate && low ? { ...unembedUpdate, low } : undefined;
  const ownLow = update && b.node("Gather", at("low.rows"), [update.up, targets]);
  const plain = dot("picked", normed, own);
  const uncapped = update
    ? b.node("Add", at("picked.all"), [
      plain,
      b.node("Mul", at("low.scaled"), [
        dot("low.picked", update.low, ownLow!),
        b.scalar(update.adapter.scale),
      ]),
    ])
    : plain;
  const picked = capped(drawing, at("picked.capped"), uncapped);
  const ownSlope = slopeOf(drawing, at("picked.slope"), picked);
  /** P U - U_t, or the same of another matrix with a row a token; with a cap each row times its slope. */
  const difference = (name: string, matrix: Value, ownRow: Value) =>
    b.node("Sub", at(`${name}slope`), [
      b.node("FusedMatMul", at(`${name}mean`), [probabilities, matrix]),
      ownSlope ? b.node("Mul", at(`${name}rows.sloped`), [ownRow, ownSlope]) : ownRow,
    ]);
  const plainSlope = difference("", unembed, own);
  const common = {
    logprob: b.node("Sub", at("logprob"), [picked, total]),
    probabilities,
    ownSlope,
    rows,
    normed,
    seen,
  };
  if (!update) return { ...common, slope: plainSlope, low: undefined, lowSlope: undefined };
  const { down, up, adapter: { scale } } = update, lowSlope = difference("low.", up, ownLow!);
  const through = b.node(
    "FusedMatMul",
    at("slope.low"),
    [lowSlope, down],
    scale === 1 ? {} : { alpha: scale },
  );
  return {
    ...common,
    slope: b.node("Add", at("slope.all"), [
      plainSlope,
      kept ? b.node("Mul", at("slope.kept"), [through, kept]) : through,
    ]),
    low: update.low,
    lowSlope,
  };
}

/** d logit / d logit before the cap, 1 - (logit / cap)^2, or undefined where there is no cap. */
function slopeOf({ b, shape: { logitCap: cap } }: Drawing, at: string, logits: Value): Value | undefined {
  if (cap === undefined) return undefined;
  const share = b.node("Mul", `${at}.share`, [logits, b.scalar(1 / cap)]);
  return b.node("Sub", at, [b.scalar(1), b.node("Mul", `${at}.squared`, [share, share])]);
}

/** -d objective / d log P of each row, [rows, 1]. */
function drawWeights(b: Builder, objective: TrainObjective, logprobs: Value): Value {
  if (objective.kind === "crossEntropy") return b.input("weights", "float32", ["rows", 1]);
  const { beta, labelSmoothing: smooth = 0 } = objective;
  const signs = b.input("signs", "float32", ["pairs", "rows"]);
  const reference = b.input("reference", "float32", ["pairs", 1]);
  const share = b.input("share", "float32", ["pairs", 1]);
  const z = b.node("Sub", "z", [
    b.node("FusedMatMul", "z.policy", [signs, logprobs], beta === 1 ? {} : { alpha: beta }),
    reference,
  ]);
  // -d loss / d z = (1 - s) sigmoid(-z) - s sigmoid(z); sigmoid(-z) keeps its digits where z is large, 1 - sigmoid(z) would not.
  const right = b.node("Sigmoid", "z.wrong", [b.node("Neg", "z.negative", [z])]);
  const pull = smooth === 0 ? right : b.node("Sub", "z.pull", [
    b.node("Mul", "z.right.share", [right, b.scalar(1 - smooth)]),
    b.node("Mul", "z.wrong.share", [b.node("Sigmoid", "z.right", [z]), b.scalar(smooth)]),
  ]);
  const each = b.node("Mul", "z.weights", [pull, share]);
  return b.node("FusedMatMul", "weights", [signs, each], { transA: 1n });
}

/** The output matrix' own gradient, chunk by chunk: of its weights P^T (w normed), of its update's factors the same through B and A. */
function drawHead({ b, unembed, unembedUpdate }: Drawing, { plan, parts, weights, normed }: {
  readonly plan: TrainingSpec["plan"];
  readonly parts: readonly Chunk[];
  readonly weights: Value;
  readonly normed: Value;
}): void {
  const whole = plan.unembed !== undefined;
  const update = unembedUpdate && plan.inputs.tensors.has(unembedUpdate.up.name) ? unembedUpdate : undefined;
  if (!whole && !update) return;
  const sum = (name: string, values: readonly Value[]) =>
    b.output(b.named(name, values.reduce((x, y) => b.node("Add", `${name}.sum`, [x, y]))));
  const weighted = parts.map(({ rows, normed, low, lowSlope }, k) => {
    const own = rows ? b.node("Gather", `head.${k}.weights`, [weights, rows]) : weights;
    const times = (name: string, value: Value) => b.node("Mul", `head.${k}.${name}.weighted`, [value, own]);
    return {
      normed: times("normed", normed),
      ...(low && lowSlope ? { low: times("low", low), lowSlope: times("low.slope", lowSlope) } : {}),
    };
  });
  if (whole) {
    sum(
      gradientOf(unembed.name),
      parts.map(({ probabilities }, k) =>
        b.node("FusedMatMul", `head.${k}.d.weight`, [probabilities, weighted[k]!.normed], { transA: 1n })
      ),
    );
    b.output(b.named("normed", normed));
  }
  if (update) {
    const { scale } = update.adapter, scaled = { transA: 1n, ...(scale === 1 ? {} : { alpha: scale }) };
    sum(
      gradientOf(update.up.name),
      parts.map(({ probabilities }, k) =>
        b.node("FusedMatMul", `head.${k}.d.up`, [probabilities, weighted[k]!.low!], scaled)
      ),
    );
    sum(
      gradientOf(update.down.name),
      parts.map(({ seen }, k) =>
        b.node("FusedMatMul", `head.${k}.d.down`, [weighted[k]!.lowSlope!, seen], scaled)
      ),
    );
    b.output(b.named("low", joinRows(b, "low", parts.map(({ low }) => low!))));
  }
  const slopes = parts.map(({ ownSlope }) => ownSlope).filter((slope) => slope !== undefined);
  const sloped = slopes.length > 0
    ? b.node("Mul", "row.weights.sloped", [weights, joinRows(b, "own.slope", slopes)])
    : weights;
  b.output(b.named("row.weights", sloped));
}

/** Whether a parameter's gradient is drawn with the head. */
function isHead(plan: TrainingSpec["plan"], { unembedUpdate }: Drawing, name: string): boolean {
  return name === plan.unembed || name === unembedUpdate?.up.name || name === unembedUpdate?.down.name;
}

/** The module of a factor's name. */
export const moduleOf = (name: string) => name.replace(/\.lora_[AB]\.weight$/, "");
