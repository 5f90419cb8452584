/** Opens an export: white where its weights are a family's and are proved to be, else as a black box, and says which. */
import {
  canonicalJson,
  type Context,
  type Model,
  type ModelInfo,
  type ScoreRequest,
  type ScoreResult,
  sha256,
  UserError,
} from "../../../core/mod.ts";
import { nameOf } from "../batching.ts";
import { createTextChecker } from "../checker.ts";
import type { SessionOptions } from "../session/session.ts";
import { createTokenizer } from "../tokenizer.ts";
import { nameAt } from "../weights/file.ts";
import type { Checkpoint } from "../weights/types.ts";
import { type BlackBox, checkPorts, openBlackBox } from "./black_box.ts";
import { type Foreign, openWhite } from "./checkpoint.ts";
import { isHalf } from "./half.ts";

/** Largest difference of a logit between a graph and the family's own with the same weights, beside the largest logit: both are float32 and sum in
 * other orders. */
const PROOF = 1e-4;
/** Lengths of the texts that prove it: positions tell in the longer, and where angles go by a text's length the shorter is on the other side of a
 * small model's border. */
const PROOF_TOKENS = [24, 5];
/** Logits of a call: 64 MB of float32. */
const LOGITS = 2 ** 24;

/** What can be said of a black box. */
export function describeBox({ path, graph, modelType, weightsHash, tokenizer: source, context }: Foreign) {
  const { vocab } = checkPorts(graph), { tokenizer, hash, chatTemplateHash } = createTokenizer(source, path);
  const layers = graph.inputs.filter(({ name }) => name.endsWith(".key")).length;
  const info: ModelInfo = {
    name: nameAt(path),
    architecture: modelType,
    parameters: graph.count,
    layers,
    contextLength: context,
    vocab,
    hash: {
      weights: weightsHash,
      tokenizer: hash,
      chatTemplate: chatTemplateHash,
      config: sha256(canonicalJson({
        blackBox: modelType,
        context,
        ...(isHalf(graph) && { computed: "float32" }),
      })),
    },
  };
  const units: Model["units"] = (tap) => {
    throw new UserError(
      `Cannot find tap ${tap} in ${info.name}: it is a black box, wanted a model whose inside is known`,
    );
  };
  return { info, tokenizer, units };
}

/** The family's model, proved; or the black box, with the reason in the log. @param make opens the family's model */
export async function openForeign(
  foreign: Foreign,
  make: (checkpoint: Checkpoint) => Model,
  { context, session }: { readonly context: Context; readonly session: SessionOptions },
): Promise<Model> {
  const name = nameAt(foreign.path), box = await openBlackBox(foreign, session);
  if (isHalf(foreign.graph)) context.log(`${name} holds float16 numbers, which are computed in float32`);
  await using opened = new AsyncDisposableStack();
  opened.use(box);
  const black = (why: string) => {
    context.log(`${name} opens as a black box, to score and to generate: ${why}`);
    opened.move();
    return boxModel(foreign, box);
  };
  if (foreign.white.missing !== undefined) {
    await box.logits([[0]]); // what the runtime refuses is told now
    return black(foreign.white.missing);
  }
  await using made = new AsyncDisposableStack();
  const model = made.use(make(await openWhite(foreign.white, context)));
  let gap: number;
  try {
    gap = await gapOf(model, box);
  } catch (error) {
    // The family's graph cannot be run with these weights; the file may be.
    if (!(error instanceof UserError)) throw error;
    await box.logits([[0]]);
    return black(error.message.replace(/^Cannot [^:]*: /, ""));
  }
  if (!(gap <= PROOF)) {
    return black(
      `with the weights found in it ${foreign.modelType} gives other logits (apart by ${
        gap.toPrecision(2)
      } of the largest, wanted ${PROOF})`,
    );
  }
  context.log(
    `${name} opens as ${foreign.modelType}: with its weights the family's graph gives its logits (apart by ${
      gap.toPrecision(2)
    } of the largest, on texts of up to ${Math.max(...PROOF_TOKENS)} tokens)`,
  );
  made.move();
  return model;
}

/** How far apart logits are on texts of drawn ids, beside the largest. */
async function gapOf(model: Model, box: BlackBox): Promise<number> {
  let worst = 0;
  for (const tokens of PROOF_TOKENS) {
    const length = Math.min(tokens, model.info.contextLength);
    // Every id is as good as another; a step prime to the vocabulary visits many.
    const ids = Array.from({ length }, (_, i) => (7 + i * 7919) % model.info.vocab);
    const own = await model.logits(ids), [theirs] = await box.logits([ids]);
    if (own.length !== theirs!.length) return Infinity;
    let gap = 0, largest = 0;
    own.forEach((value, i) => {
      gap = Math.max(gap, Math.abs(value - theirs![i]!));
      largest = Math.max(largest, Math.abs(theirs![i]!));
    });
    worst = Math.max(worst, gap / largest);
  }
  return worst;
}

function boxModel(foreign: Foreign, box: BlackBox): Model {
  const { info, tokenizer, units } = describeBox(foreign);
  const refuse = (what: string) => (): never => {
    throw new UserError(
      `Cannot ${what} ${info.name}: it is a black box, wanted a model whose inside is known`,
    );
  };
  const check = createTextChecker(info, tokenizer);
  return {
    info,
    tokenizer,
    can: new Set(["logprobs", "generate"] as const),
    units,
    score(requests, options = {}) {
      check.scoreOptions(options);
      const { edits = [], skip } = options;
      if (edits.length > 0 || requests.some((request) => request.edits?.length)) refuse("edit")();
      requests.forEach((request, index) => void check.texts(request, index));
      return score(box, requests, skip);
    },
    async *generate(prompts, options) {
      check.generateOptions(options);
      const { maxNewTokens, stop, edits = [], patch, promptEdits = [] } = options;
      check.counts(options);
      if (edits.length > 0 || patch || promptEdits.some((each) => each.length > 0)) refuse("edit")();
      prompts.forEach((prompt, index) => check.text(prompt, maxNewTokens, nameOf(index)));
      const ends = new Set(stop ?? [...foreign.ends, ...tokenizer.eos === undefined ? [] : [tokenizer.eos]]);
      for (const [index, prompt] of prompts.entries()) {
        const tokens: number[] = [];
        let finish: "stop" | "length" = "length";
        await using reader = box.reader();
        while (tokens.length < maxNewTokens) {
          const next = best(await reader.read(tokens.length === 0 ? prompt : tokens.slice(-1))).id;
          if (ends.has(next)) {
            finish = "stop";
            break;
          }
          tokens.push(next);
        }
        yield { index, tokens, finish };
      }
    },
    run: () => Promise.resolve().then(refuse("look into")),
    async logits(ids, { edits = [] } = {}) {
      if (edits.length > 0) refuse("edit")();
      check.text(ids, 0, nameOf(0));
      return (await box.logits([ids]))[0]!.slice();
    },
    trainer: () => Promise.resolve().then(refuse("train")),
    adapted: () => Promise.resolve().then(refuse("adapt")),
    [Symbol.asyncDispose]: () => box[Symbol.asyncDispose](),
  };
}

/** Each continuation is a text of its own, but for its last token, and equal texts are run once. Batches hold requests of like length, in an order that
 * depends on them alone; a text longer than the rest of its batch decides how far these are padded. */
async function* score(
  box: BlackBox,
  requests: readonly ScoreRequest[],
  skip: ((indices: readonly number[]) => boolean) | undefined,
) {
  const texts = requests.map(({ prompt, continuations }) => {
    const all = textsOf(prompt, continuations), distinct = new Map(all.map((text) => [text.join(), text]));
    return { distinct, rows: all.map((text) => [...distinct.keys()].indexOf(text.join())) };
  });
  const longest = (index: number) =>
    Math.max(...[...texts[index]!.distinct.values()].map(({ length }) => length));
  const order = [...requests.keys()].sort((a, b) => longest(a) - longest(b) || a - b);
  const batches: number[][] = [];
  let rows = 0;
  for (const index of order) {
    const own = texts[index]!.distinct.size;
    if (batches.length === 0 || (rows + own) * longest(index) * box.vocab > LOGITS) {
      batches.push([]);
      rows = 0;
    }
    batches.at(-1)!.push(index);
    rows += own;
  }
  for (const indices of batches) {
    if (skip?.(indices)) continue;
    const run = indices.flatMap((index) => [...texts[index]!.distinct.values()]), logits: Float32Array[] = [];
    // One request may be more than a call should bring out.
    const most = Math.max(1, Math.floor(LOGITS / (box.vocab * Math.max(...run.map(({ length }) => length)))));
    for (let from = 0; from < run.length; from += most) {
      logits.push(...await box.logits(run.slice(from, from + most)));
    }
    let start = 0;
    const results = indices.map((index): ScoreResult => {
      const { prompt, continuations } = requests[index]!, first = prompt.length - 1;
      const at = (row: number, t: number) =>
        logits[start + row]!.subarray((first + t) * box.vocab, (first + t + 1) * box.vocab);
      const answers = continuations.map((ids, i) =>
        ids.reduce(({ logprob, greedy }, id, t) => {
          const step = at(texts[index]!.rows[i]!, t), { id: top, total } = best(step);
          return { logprob: logprob + step[id]! - total, greedy: greedy && top === id };
        }, { logprob: 0, greedy: true })
      );
      const { id: argmax, logit, total } = best(at(0, 0));
      start += texts[index]!.distinct.size;
      return {
        logprobs: answers.map(({ logprob }) => logprob),
        greedy: answers.map(({ greedy }) => greedy),
        argmax,
        argmaxLogprob: logit - total,
      };
    });
    yield { indices, results, tokens: run.reduce((sum, { length }) => sum + length, 0) };
  }
}

const textsOf = (prompt: readonly number[], continuations: ScoreRequest["continuations"]) =>
  continuations.length === 0 ? [prompt] : continuations.map((ids) => [...prompt, ...ids.slice(0, -1)]);

/** The most probable token of a row, its logit, and the row's log-sum-exp in float64. */
function best(row: Float32Array): { readonly id: number; readonly logit: number; readonly total: number } {
  let id = 0;
  for (let i = 1; i < row.length; i++) if (row[i]! > row[id]!) id = i;
  const logit = row[id]!;
  let sum = 0;
  for (const value of row) sum += Math.exp(value - logit);
  return { id, logit, total: logit + Math.log(sum) };
}
