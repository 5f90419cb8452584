/** Forward, backward and observations of a list of samples: check, plan batches of like length, run, collect. */
import {
  type Edit,
  type ModelInfo,
  type Observation,
  type Observed,
  type RunRequest,
  type RunResult,
  type RunSample,
  type Tap,
  type Tokenizer,
  UserError,
} from "../../core/mod.ts";
import { columnsOf, unitsOf } from "./architectures/shape.ts";
import { type RowToken, run } from "./batching.ts";
import type { Engine, GraphSpec } from "./engine.ts";
import { feedsOf } from "./feeds.ts";
import { checkEdits } from "./graph/edits.ts";
import { type Drawn, outputOf } from "./graph/observe.ts";
import { nonFinite } from "./non_finite.ts";
import { type Reading, readingsOf } from "./objective.ts";
import { ints } from "./score.ts";
import type { Reply, TensorData } from "./session/door.ts";

/** Default of RunRequest.tokenBudget. */
const TOKEN_BUDGET = 1024;
/** Most logits that a batch reads at once, unless one sample alone reads more: 128 MB of float32. */
const LOGITS = 2 ** 25;
/** Added to what a maximum must not see. */
const NEVER = -1e30;

export interface RunnerOptions {
  readonly info: ModelInfo;
  readonly tokenizer: Tokenizer;
  /** Refuses token ids that the model cannot take. */
  readonly text: (ids: readonly number[], more: number, index: number) => void;
}

/** A sample ready to be fed. */
interface Planned {
  readonly index: number;
  readonly tokens: readonly RowToken[];
  readonly promptLength: number;
  readonly edits: readonly Edit[];
  readonly readings: readonly Reading[];
}

/** Gives Model.run() of an engine. */
export function createRunner(engine: Engine, options: RunnerOptions) {
  return async (samples: readonly RunSample[], request: RunRequest = {}): Promise<RunResult> => {
    const { observe = [], objective, tokenBudget = TOKEN_BUDGET } = request;
    const planned = plan(engine, samples, { ...options, request });
    const spec: GraphSpec = {
      kind: "run",
      edits: [...new Set(planned.flatMap(({ edits }) => edits.map(({ tap }) => tap)))].sort(),
      observe: [...new Map(observe.map(drawnOf).map((drawn) => [outputOf(drawn), drawn])).values()],
      objective: objective !== undefined,
    };
    const values = new Float64Array(objective ? samples.length : 0);
    const collected = observe.map(() => new Array<Float32Array | Float64Array>(samples.length));
    const counts = countsOf(planned, request.batch ?? samples.length);
    for (const batch of planBatches(planned, tokenBudget, engine.shape.vocab)) {
      const reply = await (await engine.session(spec)).run(callOf(engine, batch, spec));
      if (objective) await checkFinite(engine, batch, { reply, model: options.info.name });
      batch.forEach((sample, row) => {
        const value = objective ? valueOf(batch, row, reply) : 0;
        const probability = objective?.kind === "probability";
        if (objective) values[sample.index] = probability ? Math.exp(value) : value;
        observe.forEach((observation, o) => {
          const raw = rowOf(reply.outputs[outputOf(drawnOf(observation))]!, batch, { row, sample });
          const scale = probability && observation.quantity !== "activation" ? Math.exp(value) : 1;
          collected[o]![sample.index] = finish(raw, observation, { ...counts(sample, observation), scale });
        });
      });
    }
    return {
      objective: values,
      observed: observe.map((observation, o): Observed => ({
        observation,
        columns: isPerUnit(observation)
          ? unitsOf(engine.shape, observation.tap)
          : columnsOf(engine.shape, observation.tap),
        values: collected[o]!,
      })),
      positions: planned.map(({ tokens }) => positionsOf(tokens)),
      tokens: planned.reduce((sum, { tokens }) => sum + tokens.length, 0),
    };
  };
}

const isPerUnit = ({ quantity }: Observation) => quantity === "product" || quantity === "direct";
const drawnOf = ({ tap, quantity, pool, over = "all" }: Observation): Drawn => ({
  tap,
  quantity,
  pool,
  over,
});

interface PlanOptions extends RunnerOptions {
  readonly request: RunRequest;
}

/** @throws {UserError} for whatever cannot be run. */
function plan(engine: Engine, samples: readonly RunSample[], options: PlanOptions): readonly Planned[] {
  const { info, tokenizer, text, request: { objective, observe = [], edits = [], batch } } = options;
  const { shape } = engine;
  const taps = new Set([...edits, ...samples.flatMap((sample) => sample.edits ?? [])].map(({ tap }) => tap));
  checkEdits(edits, shape, taps);
  for (const observation of observe) checkObservation(engine, observation, { ...options, taps });
  if (batch !== undefined && !(Number.isInteger(batch) && batch > 0)) {
    throw new UserError(
      `Cannot run samples on ${info.name}: batch is ${batch}, wanted a whole number from 1`,
    );
  }
  samples.forEach((sample, index) => {
    checkEdits(sample.edits ?? [], shape, taps);
    const { prompt, continuations = [] } = sample;
    if (continuations.some((ids) => ids.length === 0)) {
      throw new UserError(
        `Cannot run prompt ${index + 1} on ${info.name}: a continuation is empty, wanted one token or more`,
      );
    }
    text(prompt, 0, index);
    for (const ids of continuations) text([...prompt, ...ids.slice(0, -1)], 0, index);
    if (continuations.every((ids) => ids.length < 2)) {
      const bad = observe.find(({ over }) => over === "completion");
      if (bad) {
        throw new UserError(
          `Cannot observe ${bad.tap} over the completion on ${info.name}: sample ${
            index + 1
          } runs no token of one, wanted a continuation of two tokens or more`,
        );
      }
    }
  });
  const readings = objective
    ? readingsOf(objective, samples, { tokenizer, vocab: shape.vocab, model: info.name })
    : [];
  return samples.map((sample, index) => ({
    index,
    tokens: tokensOf(sample),
    promptLength: sample.prompt.length,
    edits: [...edits, ...sample.edits ?? []],
    readings: readings[index] ?? [],
  }));
}

/** @throws {UserError} for a tap the model has not, or a quantity that the objective does not give. */
function checkObservation(
  { shape }: Engine,
  { tap, quantity, pool }: Observation,
  { request: { objective }, info, taps }: PlanOptions & { readonly taps: ReadonlySet<Tap> },
): void {
  const refuse = (state: string, wanted: string) => {
    throw new UserError(`Cannot observe ${quantity} at ${tap} on ${info.name}: ${state}, wanted ${wanted}`);
  };
  unitsOf(shape, tap);
  if (quantity !== "activation" && !objective) refuse("there is no objective", "one");
  if (quantity !== "direct") return;
  const site = tap.replace(/^layers\.\d+\./, "");
  if (objective?.kind !== "logitDifference") refuse(`the objective is ${objective?.kind}`, "logitDifference");
  if (!["embed", "attn.head", "attn.out", "mlp.out"].includes(site)) {
    refuse("it does not write into the residual", "embed, attn.head, attn.out or mlp.out");
  }
  if (pool !== "last") refuse(`pool is ${pool}`, '"last"');
  const changed = [...taps].find((edited) =>
    /\.resid_(pre|post)$/.test(edited) ||
    (site === "attn.head" && edited === tap.replace("attn.head", "attn.out"))
  );
  if (changed) refuse(`${changed} is edited, which changes what arrives`, "edits at other taps");
}

/** The prompt, then each continuation but its last token, as a branch of its own. */
function tokensOf({ prompt, continuations = [] }: RunSample): readonly RowToken[] {
  const tokens = run(prompt, false);
  for (const ids of continuations) {
    ids.slice(0, -1).forEach((id, t) =>
      tokens.push({ id, parent: t === 0 ? prompt.length - 1 : tokens.length - 1, generated: true })
    );
  }
  return tokens;
}

function positionsOf(tokens: readonly RowToken[]): readonly number[] {
  const positions: number[] = [];
  for (const { parent } of tokens) positions.push(parent < 0 ? 0 : positions[parent]! + 1);
  return positions;
}

/** Samples of like length, longest first, under the budgets of tokens and logits. */
function planBatches(
  planned: readonly Planned[],
  budget: number,
  vocab: number,
): readonly (readonly Planned[])[] {
  const sorted = planned.toSorted((a, b) => b.tokens.length - a.tokens.length || a.index - b.index);
  const batches: Planned[][] = [];
  let logits = 0;
  for (const sample of sorted) {
    const current = batches.at(-1), reads = rowsRead(sample).length * vocab;
    const fits = current && (current.length + 1) * current[0]!.tokens.length <= budget &&
      logits + reads <= LOGITS;
    if (fits) current.push(sample);
    else batches.push([sample]);
    logits = fits ? logits + reads : reads;
  }
  return batches;
}

/** Places of a row whose logits are read, each once. */
const rowsRead = ({ readings }: Planned) => [...new Set(readings.map(({ token }) => token))];

function callOf(engine: Engine, batch: readonly Planned[], { edits, observe = [], objective }: GraphSpec) {
  const rows = batch.map(({ tokens, edits }) => ({ tokens, start: 0, edits }));
  const tokens = Math.max(...batch.map((sample) => sample.tokens.length));
  const feeds: Record<string, TensorData> = feedsOf(rows, { ...engine, taps: edits, past: 0 });
  if (objective) Object.assign(feeds, readsOf(batch, { tokens, vocab: engine.shape.vocab }));
  for (const { pool, over, quantity } of observe) {
    if (quantity === "direct" || pool === "none") continue;
    const of = (value: (sample: Planned, t: number) => number) => {
      const data = new Float32Array(batch.length * tokens);
      batch.forEach((sample, row) => {
        for (let t = 0; t < tokens; t++) data[row * tokens + t] = value(sample, t);
      });
      return data;
    };
    if (pool === "max") {
      feeds[`never.${over}`] ??= {
        data: of((sample, t) => isCounted(sample, t, over) ? 0 : NEVER),
        dims: [batch.length, tokens, 1],
      };
    } else if (pool === "last") {
      feeds["last"] ??= {
        data: of((sample, t) => t === sample.promptLength - 1 ? 1 : 0),
        dims: [batch.length, 1, tokens],
      };
    } else {
      feeds[`counts.${over}`] ??= {
        data: of((sample, t) => isCounted(sample, t, over) ? 1 : 0),
        dims: [batch.length, 1, tokens],
      };
    }
  }
  const fetch = [...objective ? ["picked", "logsumexp"] : [], ...observe.map(outputOf)];
  return { feeds, fetch };
}

function isCounted({ tokens, promptLength }: Planned, t: number, over: Drawn["over"]): boolean {
  if (t >= tokens.length) return false;
  return over === "all" || (t < promptLength) === (over === "prompt");
}

/** Which logits are read, and with what weight. */
function readsOf(
  batch: readonly Planned[],
  { tokens, vocab }: { readonly tokens: number; readonly vocab: number },
): Record<string, TensorData> {
  const rows: number[] = [], rowWeights: number[] = [], picks: number[] = [], pickWeights: number[] = [];
  batch.forEach((sample, b) => {
    const start = rows.length, places = rowsRead(sample);
    places.forEach((token) => {
      rows.push(b * tokens + token);
      rowWeights.push(0);
    });
    for (const { token, id, weight, normalised } of sample.readings) {
      const row = start + places.indexOf(token);
      picks.push(row * vocab + id);
      pickWeights.push(weight);
      if (normalised) rowWeights[row]! -= weight;
    }
  });
  return {
    rows: ints(rows),
    picks: ints(picks),
    "weights.rows": { data: Float32Array.from(rowWeights), dims: [rows.length] },
    "weights.picks": { data: Float32Array.from(pickWeights), dims: [picks.length] },
  };
}

/** The objective of one row, summed in float64 from what was read. */
function valueOf(batch: readonly Planned[], row: number, { outputs }: Reply): number {
  const picked = outputs["picked"]!.data, logsumexp = outputs["logsumexp"]!.data;
  const before = batch.slice(0, row);
  const firstPick = before.reduce((sum, { readings }) => sum + readings.length, 0);
  const firstRow = before.reduce((sum, sample) => sum + rowsRead(sample).length, 0);
  const places = rowsRead(batch[row]!);
  return batch[row]!.readings.reduce((sum, { token, weight, normalised }, i) => {
    const total = normalised ? Number(logsumexp[firstRow + places.indexOf(token)]) : 0;
    return sum + weight * (Number(picked[firstPick + i]) - total);
  }, 0);
}

/** One sample's numbers of an output, copied; of raw values those of its own tokens. */
function rowOf(
  { data, dims }: TensorData,
  batch: readonly Planned[],
  { row, sample }: { readonly row: number; readonly sample: Planned },
): Float32Array {
  const size = data.length / batch.length, columns = dims.at(-1)!;
  const isRaw = dims.length === 3 && dims[1] !== 1;
  return (data as Float32Array).slice(
    row * size,
    row * size + (isRaw ? sample.tokens.length * columns : size),
  );
}

/** How many tokens of a sample an observation counts, itself and, with padding as zero, padded. */
function countsOf(planned: readonly Planned[], batch: number) {
  const count = (sample: Planned, over: Drawn["over"]) =>
    sample.tokens.reduce((sum, _, t) => sum + (isCounted(sample, t, over) ? 1 : 0), 0);
  const longest = new Map<string, number>();
  return (sample: Planned, { over = "all", padding = "skip" }: Observation) => {
    const counted = count(sample, over);
    if (padding === "skip") return { counted, padded: counted };
    const first = Math.floor(sample.index / batch) * batch, key = `${first} ${over}`;
    const padded = longest.get(key) ??
      Math.max(...planned.slice(first, first + batch).map((other) => count(other, over)));
    longest.set(key, padded);
    return { counted, padded };
  };
}

/** What the graph leaves to do: means from sums, roots, padding as zero, and P times a gradient of log P, in float64. */
function finish(
  raw: Float32Array,
  { pool }: Observation,
  { counted, padded, scale }: { readonly counted: number; readonly padded: number; readonly scale: number },
): Float32Array | Float64Array {
  if (pool === "max") {
    if (counted === padded && scale === 1) return raw;
    return Float64Array.from(raw, (value) => scale * (counted < padded ? Math.max(value, 0) : value));
  }
  if (pool === "mean") return Float64Array.from(raw, (sum) => scale * sum / padded);
  if (pool === "rms") return Float64Array.from(raw, (sum) => scale * Math.sqrt(sum / padded));
  return scale === 1 ? raw : Float64Array.from(raw, (value) => scale * value);
}

/** @throws {UserError} naming the sample and the first layer, where logits are not finite. */
async function checkFinite(
  engine: Engine,
  batch: readonly Planned[],
  { reply: { outputs }, model }: { readonly reply: Reply; readonly model: string },
): Promise<void> {
  const bad = outputs["logsumexp"]!.data.findIndex((value: number | bigint) =>
    !Number.isFinite(Number(value))
  );
  if (bad < 0) return;
  let seen = 0;
  const sample = batch.find((planned) => bad < (seen += rowsRead(planned).length))!;
  const { tokens, edits } = sample;
  throw await nonFinite(engine, { tokens, edits }, `run prompt ${sample.index + 1} on ${model}`);
}
