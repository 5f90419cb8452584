/**
 * A model, an evaluator and an intervention without weights, as a plugin: an answer follows from the prompt's hash and is turned into
 * another where the unit `prompt % 16` of layer 0's gate is edited. For tests of the runner and, by --plugin, of the command line.
 */
import { z } from "zod";
import {
  definePlugin,
  type Edit,
  type Evaluator,
  type GenerateOptions,
  type Item,
  type MemoryPart,
  type MemoryWork,
  type Model,
  type ModelBackend,
  type ModelInfo,
  type OpenOptions,
  type Plugin,
  type RunSample,
  type ScoreRequest,
  type ScoreResult,
  sha256,
  type Tokenizer,
  UserError,
} from "../core/mod.ts";
import { fakeRun, fakeUnits } from "./fake_run.ts";

const Params = z.strictObject({
  /** What stands for the weights: another value is another model. */
  weights: z.string().default("w"),
  delayMs: z.number().default(0),
  contextLength: z.int().default(64),
  /** Another way to compute the same model: some answers are others. */
  coarse: z.boolean().default(false),
});
export type FakeParams = z.output<typeof Params>;

/** What was asked of the model, for assertions. */
export interface FakeLog {
  readonly opened: OpenOptions[];
  /** Edits and indices of each batch that was computed. */
  readonly batches: { readonly edits: readonly Edit[]; readonly indices: readonly number[] }[];
  /** Samples of each call of run(), where they are wanted. */
  readonly runs?: (readonly RunSample[])[];
  /** Prompts and options of each call of generate(), where they are wanted. */
  readonly texts?: { readonly prompts: readonly string[]; readonly options: GenerateOptions }[];
  /** Whether this machine lacks what the coarse way wants. */
  readonly lacking?: boolean;
}

export const UNITS = fakeUnits("layers.0.mlp.gate");
const BATCH = 4;

const tokenizer: Tokenizer = {
  bos: undefined,
  eos: undefined,
  hasChatTemplate: false,
  encode: (text) => [...text].map((char) => char.codePointAt(0) ?? 0),
  decode: (ids) => String.fromCodePoint(...ids),
  chat: () => {
    throw new UserError("Cannot write a chat: the model has no chat template");
  },
};

function infoOf({ weights, contextLength, coarse }: FakeParams): ModelInfo {
  const config = sha256(coarse ? "coarse" : "c");
  const hash = { weights: sha256(weights), tokenizer: sha256("t"), chatTemplate: "", config };
  return {
    name: `fake-${weights}${coarse ? " (coarse)" : ""}`,
    ...(coarse && { variant: "coarse" }),
    architecture: "fake",
    parameters: 1234,
    layers: 2,
    contextLength,
    vocab: 128,
    hash,
  };
}

/** 1 GB of weights, half as much where they are coarse, with 0.1 MB a token beside them; 1 MB a token of gradients. */
function memory({ coarse }: FakeParams, work: MemoryWork): readonly MemoryPart[] {
  return [
    { what: "weights", bytes: coarse ? 0.5e9 : 1e9 },
    ...coarse && work.kind === "score" ? [{ what: "sums of slices", bytes: 1e5 * work.tokens }] : [],
    ...work.kind === "gradients"
      ? [{ what: "activations kept for gradients", bytes: 1e6 * work.tokens }]
      : [],
    ...work.kind === "write" ? [{ what: "keys and values", bytes: 1e6 * work.batch * work.tokens }] : [],
    ...work.kind === "train" ? [{ what: "what is trained", bytes: 3e9 }] : [],
  ];
}

/** Whether the prompt's own unit is edited. */
function isHit(prompt: readonly number[], edits: readonly Edit[]): boolean {
  const id = Number(tokenizer.decode(prompt).replace(/\D/g, ""));
  return edits.some(({ tap, units, op, value }) =>
    tap === "layers.0.mlp.gate" && units.includes(id % UNITS) && !(op === "scale" && value === 1)
  );
}

function answer(
  { prompt, continuations }: ScoreRequest,
  edits: readonly Edit[],
  coarse: boolean,
): ScoreResult {
  const hit = isHit(prompt, edits) || (coarse && parseInt(sha256(`${prompt}/coarse`).slice(0, 2), 16) < 128);
  const chance = (salt: string) => parseInt(sha256(`${prompt}/${salt}`).slice(0, 8), 16) / 2 ** 32;
  const logprobs = continuations.map((_, i) => -1 - chance(`${hit}/${i}`));
  // Right (option 0) in four of five, unless the unit is edited.
  if (!hit && chance("known") < 0.8) logprobs[0] = -0.5;
  return { logprobs, greedy: logprobs.map((value) => value > -1), argmax: 65, argmaxLogprob: -0.1 };
}

/** The backend; batches run from the last requests to the first, so that order of computing is not order of items. */
export function fakeBackend(log: FakeLog = { opened: [], batches: [] }): ModelBackend<FakeParams> {
  return {
    inspect: (params) =>
      Promise.resolve({
        info: infoOf(params),
        ...(params.coarse && { can: new Set(["logprobs", "edit"] as const) }),
        units: fakeUnits,
        tokenizer,
        memory: (work) => memory(params, work),
        ...(params.coarse && {
          ready: () =>
            log.lacking
              ? Promise.reject(new UserError("Cannot compute on it: it is not here"))
              : Promise.resolve(),
        }),
        // As a backend that measures it when it opens: nothing before.
        ...(params.coarse && {
          disagreement: () =>
            log.opened.length > 0
              ? { reference: "fine", places: 12, same: 9, mean: 0.25, most: 1.5 }
              : undefined,
        }),
      }),
    open(params, options, context) {
      log.opened.push(options);
      const model: Model = {
        info: infoOf(params),
        tokenizer,
        can: new Set(["logprobs", "edit", "observe", "gradient", "generate"]),
        units: fakeUnits,
        async *score(requests, { edits = [], skip = () => false } = {}) {
          const order = requests.map((_, i) => i).reverse();
          for (let from = 0; from < order.length; from += BATCH) {
            const indices = order.slice(from, from + BATCH);
            if (skip(indices)) continue;
            if (params.delayMs > 0) await new Promise((done) => setTimeout(done, params.delayMs));
            context.signal.throwIfAborted();
            log.batches.push({ edits, indices });
            const results = indices.map((i) => answer(requests[i] as ScoreRequest, edits, params.coarse));
            yield { indices, results, tokens: 10 * indices.length };
          }
        },
        // "It is NUMBER.", or "Nobody knows." where the prompt's unit is edited; shorter texts end first.
        async *generate(prompts, options) {
          if (params.delayMs > 0) await new Promise((done) => setTimeout(done, params.delayMs));
          context.signal.throwIfAborted();
          log.texts?.push({ prompts: prompts.map((prompt) => tokenizer.decode(prompt)), options });
          const texts = prompts.map((prompt, index) => {
            const number = tokenizer.decode(prompt).replace(/\D/g, "");
            const text = isHit(prompt, options.edits ?? []) ? "Nobody knows." : `It is ${number}.`;
            const tokens = tokenizer.encode(text).slice(0, options.maxNewTokens);
            const finish = tokens.length < text.length ? "length" : "stop";
            return { index, tokens, finish } as const;
          });
          yield* texts.toReversed().sort((a, b) => a.tokens.length - b.tokens.length);
        },
        async run(samples, request) {
          if (params.delayMs > 0) await new Promise((done) => setTimeout(done, params.delayMs));
          log.runs?.push(samples);
          return fakeRun(samples, request);
        },
        logits: () => Promise.reject(new Error("the fake has no logits")),
        trainer: () => Promise.reject(new Error("the fake does not train")),
        adapted: () => Promise.reject(new Error("the fake has no deltas")),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
      return Promise.resolve(model);
    },
  };
}

/** Right when the first option is the most probable; the change splits into what rose and what fell. */
export const pick: Evaluator<Item> = {
  name: "pick",
  version: "1",
  metrics: [
    { name: "acc", title: "Accuracy", binary: true, higherIsBetter: true },
    { name: "gold", title: "Log-probability", binary: false, higherIsBetter: true },
    { name: "never", title: "Not given", binary: false, higherIsBetter: true },
  ],
  plan: (items, { encode }) =>
    items.map(({ id }) => ({ prompt: encode(id), continuations: [encode("A"), encode("B"), encode("C")] })),
  gold: () => 0,
  outcome: ({ id }, { logprobs }) => ({
    item: id,
    values: { acc: Number(Math.max(...logprobs) === logprobs[0]), gold: logprobs[0] ?? 0 },
    detail: { logprobs },
  }),
  parts(metric, before, after) {
    if (metric !== "acc") return undefined;
    const change = (after.acc ?? 0) - (before.acc ?? 0);
    return { gained: Math.max(0, change), lost: Math.min(0, change) };
  },
  sample: (doc_id, { id }, outcome) => ({
    doc_id,
    doc: { id },
    target: "A",
    arguments: [],
    resps: outcome.detail.logprobs,
    filtered_resps: [],
    filter: "none",
    metrics: ["acc"],
    ...outcome.values,
  }),
};

export function fakePlugin(log?: FakeLog): Plugin {
  const blank = { version: "1", params: z.strictObject({}) };
  return definePlugin({
    name: "fake",
    version: "1",
    source: "tests",
    backends: [{
      name: "fake",
      version: "1",
      title: "A model without weights",
      params: Params,
      load: () => Promise.resolve(fakeBackend(log)),
    }],
    evaluators: [pick],
    interventions: [{
      ...blank,
      name: "mute",
      title: "Scale by 0",
      edits: (list) =>
        [...Map.groupBy(list, (unit) => unit.tap)].map(([tap, found]) => ({
          tap,
          units: found.map((unit) => unit.index),
          op: "scale",
          value: 0,
        })),
    }],
  });
}

export default fakePlugin();
