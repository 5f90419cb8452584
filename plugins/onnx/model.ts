/** The white-box backend: a checkpoint, its graph, a session, behind the contract of core/model.ts. */
import { resolve } from "node:path";
import {
  type Capability,
  type Context,
  type Edit,
  type GenerateOptions,
  type Inspected,
  type Model,
  type ModelBackend,
  type OpenOptions,
  type ScoreOptions,
  type ScoreRequest,
  UserError,
} from "../../core/mod.ts";
import { rotariesOf } from "./architectures/rope.ts";
import type { Hyperparameters } from "./architectures/shape.ts";
import { nameOf, run } from "./batching.ts";
import { createChecker } from "./checker.ts";
import { architectureOf, describe, type Description, type OnnxParams, refuseSlices } from "./describe.ts";
import { feedsOf } from "./feeds.ts";
import { foreignFile, inspectForeign } from "./foreign/checkpoint.ts";
import { describeBox, openForeign } from "./foreign/model.ts";
import { decodingOf, generate } from "./generate.ts";
import { knownDisagreement, sayDisagreement, willCompare } from "./disagreement.ts";
import { createEngine, drawGraph, type Engine, engineFor } from "./engine.ts";
import { encode } from "./graph/encode.ts";
import { createBuilder } from "./graph/graph.ts";
import { memoryOf } from "./memory.ts";
import { patchOf, registerSource } from "./patch.ts";
import { createRunner } from "./run/runner.ts";
import { refuseNonFinite } from "./non_finite.ts";
import { countTokens, ints, score, scoringSpec } from "./score.ts";
import { openSession, type SessionOptions } from "./session/session.ts";
import { adaptedInfo, openDelta } from "./train/delta.ts";
import { mergeDelta } from "./train/merge.ts";
import { createTrainer } from "./train/trainer.ts";
import { inspectCheckpoint, openCheckpoint, openingAt } from "./weights/checkpoint.ts";
import { unslicedName } from "./weights/slices.ts";
import type { Checkpoint, CheckpointInfo } from "./weights/types.ts";

export const backend: ModelBackend<OnnxParams> = {
  async inspect(params, context) {
    const path = resolve(context.baseDir, params.path), foreign = foreignFile(path);
    refuseSlices(params, foreign);
    if (foreign) {
      const found = await inspectForeign(foreign, context), { white } = found;
      return white.missing === undefined
        ? inspected(white.info, params, context)
        : { ...describeBox(found), ready: () => tryDevice(sessionOf(params, context)) };
    }
    const checkpoint = await inspectCheckpoint(path, context);
    // Drawing costs little and finds every tensor that is missing or of the wrong shape, before anything is computed.
    const nowhere = { file: "", offset: 0, length: 0 };
    const tensors = new Map(
      checkpoint.shapes.entries().map(([name, shape]) => [name, { name, shape, ...nowhere }]),
    );
    const graph = drawGraph(architectureOf(checkpoint), { ...checkpoint, tensors }, {
      kind: "score",
      edits: [],
    });
    refuseUnread(checkpoint, new Set(graph.weights.map(({ name }) => name)));
    const described = describe(checkpoint, params);
    rotariesAt(checkpoint, described.shape);
    return inspected(checkpoint, params, context);
  },
  open: openModel,
  async merge(params, { delta, out }, context) {
    const path = resolve(context.baseDir, params.path);
    if (foreignFile(path)) {
      throw new UserError(`Cannot merge ${delta} into ${path}: it is an ONNX export, wanted a model folder`);
    }
    const base = await openCheckpoint(path, context);
    const { trained: info, shape } = describe(base, params), architecture = architectureOf(base);
    const host = { info, checkpoint: base, architecture, shape, context };
    return mergeDelta(host, { delta: resolve(context.baseDir, delta), out: resolve(context.baseDir, out) });
  },
  countTokens,
};

/** A tensor that the graph does not read would decide numbers in other programs, or in none: which, is not ours to guess.
 * @throws {UserError} naming it. */
function refuseUnread({ path, shapes, config }: CheckpointInfo, read: ReadonlySet<string>): void {
  const harmless = (name: string) =>
    name.endsWith("rotary_emb.inv_freq") || (config.tie_word_embeddings && name === "lm_head.weight");
  const unread = [...shapes.keys()].find((name) => !read.has(name) && !harmless(name));
  if (unread === undefined) return;
  throw new UserError(
    `Cannot open ${path}: tensor ${unread} has no place in the model that config.json describes, wanted only those that have`,
  );
}

/** What is said of a model, with what it will hold. */
function inspected(checkpoint: CheckpointInfo, params: OnnxParams, context: Context): Inspected {
  const { info, tokenizer, units, shape } = describe(checkpoint, params),
    nowhere = { file: "", offset: 0, length: 0 };
  const tensors = new Map(
    checkpoint.shapes.entries().map(([name, shape]) => [name, { name, shape, ...nowhere }]),
  );
  const of = {
    name: info.name,
    checkpoint: { ...checkpoint, tensors },
    architecture: architectureOf(checkpoint),
    shape,
    params,
    isCompared: willCompare(info, params, context),
  };
  const { precision = "float32" } = params;
  return {
    info,
    tokenizer,
    units,
    can: capabilities(params),
    ready: () => tryDevice(sessionOf(params, context)),
    memory: (work) => memoryOf(of, work),
    ...(precision !== "float32" && { disagreement: () => knownDisagreement(info, context) }),
  };
}

/** What is trained begins at float32 weights. */
const capabilities = ({ precision = "float32" }: OnnxParams): ReadonlySet<Capability> =>
  new Set([
    ...["logprobs", "edit", "generate", "observe", "gradient"] as const,
    ...precision === "float32" ? ["train" as const] : [],
  ]);

/** Tables of angles. @throws {UserError} for a rule of scaling that is not known, naming the path. */
function rotariesAt(
  { path, ropeFactors }: CheckpointInfo & Pick<Checkpoint, "ropeFactors">,
  shape: Hyperparameters,
) {
  return openingAt(path, () => rotariesOf(shape, ropeFactors));
}

async function openModel(params: OnnxParams, options: OpenOptions, context: Context): Promise<Model> {
  const path = resolve(context.baseDir, params.path), foreign = foreignFile(path);
  const session = sessionOf(params, context), { precision } = params;
  refuseSlices(params, foreign);
  await tryDevice(session);
  const make = (checkpoint: Checkpoint) =>
    createModel(checkpoint, describe(checkpoint, params), { params, options, context });
  if (!foreign) {
    const checkpoint = await openCheckpoint(path, context, precision);
    if (precision !== undefined && precision !== "float32") {
      // Without a second copy of its weights.
      const reference = { ...params, precision: "float32", packed: false } as const;
      await sayDisagreement(describe(checkpoint, params).info, {
        own: () => Promise.resolve(make(checkpoint)),
        reference: () => openModel(reference, { taps: [] }, context),
      }, context);
    }
    return make(checkpoint);
  }
  return openForeign(await inspectForeign(foreign, context), make, { context, session });
}

const sessionOf = ({ packed = true, device = "cpu" }: OnnxParams, { threads }: Context): SessionOptions => ({
  threads,
  packed,
  device,
});

/** @throws {UserError} where the runtime finds no such device, before weights are read. */
async function tryDevice(options: SessionOptions): Promise<void> {
  if (options.device === "cpu") return;
  const b = createBuilder();
  b.output(b.named("y", b.input("x", "float32", ["batch"])));
  await using _ = await openSession(encode(b.finish()), options);
}

interface Opening {
  readonly params: OnnxParams;
  readonly options: OpenOptions;
  readonly context: Context;
}

function createModel(checkpoint: Checkpoint, described: Description, opening: Opening): Model {
  const { info, trained, tokenizer, shape, units } = described, { params, options, context } = opening;
  const architecture = architectureOf(checkpoint);
  // A tensor that is missing, or that has no place, is found now.
  const drawn = drawGraph(architecture, checkpoint, { kind: "score", edits: options.taps });
  refuseUnread(
    checkpoint,
    new Set(drawn.weights.map(({ name }) => checkpoint.sliced ? unslicedName(name) : name)),
  );
  const session = sessionOf(params, context);
  const engineOptions = {
    name: info.name,
    architecture,
    shape,
    ...rotariesAt(checkpoint, shape),
    taps: options.taps,
    session,
  };
  const engine = createEngine(checkpoint, engineOptions);
  /** In sessions that end with the call, so that they take no memory from what comes after. */
  const scoreOnce = async function* (requests: readonly ScoreRequest[], options: ScoreOptions = {}) {
    await using once = createEngine(checkpoint, { ...engineOptions, taps: [] });
    yield* score(once, requests, options);
  };
  const ends = [...checkpoint.config.eos_token_id, ...tokenizer.eos === undefined ? [] : [tokenizer.eos]];
  const check = createChecker(info, { shape, tokenizer });
  const model: Model = {
    info,
    tokenizer,
    can: capabilities(params),
    units,
    score(requests: readonly ScoreRequest[], options: ScoreOptions = {}) {
      const common = options.edits ?? [];
      check.scoreOptions(options);
      check.edits(common);
      requests.forEach((request, index) => check.request(request, index, common));
      return score(engine, requests, options);
    },
    generate(prompts: readonly (readonly number[])[], options: GenerateOptions) {
      check.generateOptions(options);
      for (const edits of [options.edits, ...options.promptEdits ?? []]) check.edits(edits);
      const lists = options.promptEdits?.length ?? prompts.length;
      if (lists !== prompts.length) {
        throw new UserError(
          `Cannot generate on ${info.name}: ${lists} lists of edits for ${prompts.length} prompts, wanted one each`,
        );
      }
      check.counts(options);
      prompts.forEach((prompt, index) => {
        check.text(prompt, options.maxNewTokens, nameOf(index));
        const edits = [...options.edits ?? [], ...options.promptEdits?.[index] ?? []];
        check.edits(edits.filter(({ from }) => from), prompt.length + options.maxNewTokens - 1);
      });
      const longest = options.maxNewTokens + Math.max(0, ...prompts.map((prompt) => prompt.length));
      const patch = options.patch && patchOf(options.patch, { engine, info, longest });
      return generate(engine, prompts, decodingOf(options, { ends, patch }));
    },
    run: createRunner(engine, { info, tokenizer, text: check.text }),
    logits(ids: readonly number[], { edits = [] }: { readonly edits?: readonly Edit[] } = {}) {
      check.edits(edits, ids.length);
      check.text(ids, 0, nameOf(0));
      return logits(engine, ids, edits);
    },
    trainer(options) {
      if (!model.can.has("train")) {
        throw new UserError(`Cannot train ${info.name}: its weights are slices, wanted precision float32`);
      }
      return createTrainer(
        { info: trained, checkpoint, architecture, engine, session, context, score: scoreOnce },
        options,
      );
    },
    async adapted(folder) {
      const path = resolve(context.baseDir, folder);
      const delta = await openDelta(path, { info: trained, checkpoint, architecture, shape, context });
      return createModel(delta.checkpoint, {
        ...described,
        info: adaptedInfo(info, delta),
        trained: adaptedInfo(trained, delta),
      }, opening);
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
  return registerSource(model, engine);
}

async function logits(every: Engine, ids: readonly number[], edits: readonly Edit[]): Promise<Float32Array> {
  const engine = engineFor(every, ids.length);
  const spec = scoringSpec(engine, edits);
  const feeds = feedsOf([{ tokens: run(ids, false), start: 0, edits }], {
    ...engine,
    taps: spec.edits,
    past: 0,
  });
  const { outputs } = await (await engine.session(spec)).run({
    feeds: { ...feeds, rows: ints(ids.map((_, i) => i)), picks: ints([0]) },
    fetch: ["logits"],
  });
  await refuseNonFinite(engine, outputs["logits"]!, () => ({
    tokens: run(ids, false),
    edits,
    task: `run ${nameOf(0)} on ${engine.name}`,
  }));
  return outputs["logits"]!.data as Float32Array;
}
