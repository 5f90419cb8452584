/** What run() refuses, and that it does so before it computes. */
import { assert, assertRejects, assertThrows } from "@std/assert";
import {
  type Edit,
  type GenerateOptions,
  type Objective,
  type Observation,
  type RunRequest,
  type RunSample,
  type Tap,
  UserError,
} from "../../../core/mod.ts";
import { folder } from "./gradients_golden.ts";
import { open } from "./open.ts";
import { inCopy } from "./other_weights.ts";

/** Of the model "gqa", whose output matrix is that of the embedding, and a token that no text here has. */
const WIDTH = 48, UNREAD = 90;

const TEXT = { prompt: [4, 5, 6] } as const;
const logprob = (target: Extract<Objective, { kind: "logprob" }>["target"]): RunRequest => ({
  objective: { kind: "logprob", target },
});
const seen = (tap: string, quantity: Observation["quantity"] = "activation"): RunRequest => ({
  observe: [{ tap: tap as Tap, quantity, pool: "last" }],
});
const difference: Objective = { kind: "logitDifference", target: 5, against: 6 };
const cloze: Objective = { kind: "cloze", answer: 0 };

/** What is asked, of which samples, and what the refusal says of it. */
const REFUSED: Readonly<Record<string, readonly [RunRequest, readonly RunSample[], string]>> = {
  "a target of two tokens": [logprob("w5 w6"), [TEXT], "w5 w6"],
  "a target outside of the vocabulary, as text": [
    logprob("velchp"),
    [TEXT],
    'target "velchp" is not in the vocabulary, wanted one token of it, or an id',
  ],
  "a target of no token": [logprob(""), [TEXT], "one token"],
  "a contrast of two tokens": [{ objective: { ...difference, against: "w5 w6" } }, [TEXT], "w5 w6"],
  "a target outside of the vocabulary": [logprob(96), [TEXT], "96"],
  "a target below 0": [logprob([4, -1]), [TEXT, TEXT], "-1"],
  "a target that is no whole number": [logprob(1.5), [TEXT], "1.5"],
  "fewer targets than samples": [logprob([4]), [TEXT, TEXT], "1 targets for 2 samples"],
  "more targets than samples": [logprob([4, 5]), [TEXT], "2 targets for 1 samples"],
  "an unknown site": [seen("layers.0.attn.out_proj"), [TEXT], "layers.0.attn.out_proj"],
  "nothing to look at": [{}, [TEXT], "there is nothing to look at, wanted an objective or observe"],
  "an unknown kind of objective": [
    { objective: { kind: "logprb", target: 4 } as unknown as Objective },
    [TEXT],
    "there is no such kind, wanted probability",
  ],
  "an unknown stretch of an edit": [
    {
      ...seen("embed"),
      edits: [{ tap: "embed", units: [0], op: "set", value: 0, at: "completion" as "prompt" }],
    },
    [TEXT],
    'at is "completion", wanted all, prompt, generated',
  ],
  "a last token outside of the vocabulary": [
    seen("embed"),
    [{ ...TEXT, continuations: [[5, 96]] }],
    "token id 96",
  ],
  "a token that is no whole number": [seen("embed"), [{ prompt: [4, 1.5] }], "token id 1.5"],
  "an unknown op": [
    { ...seen("embed"), edits: [{ tap: "embed", units: [0], op: "scal" as "scale", value: 0 }] },
    [TEXT],
    'op is "scal", wanted scale, set, add',
  ],
  "an unknown key of an edit": [
    { ...seen("embed"), edits: [{ tap: "embed", units: [0], op: "set", value: 0, valu: 1 } as Edit] },
    [TEXT],
    'unknown key "valu"',
  ],
  "a recording that goes on beyond the text": [
    {
      ...seen("embed"),
      edits: [{
        tap: "embed",
        units: [0],
        op: "set",
        from: { tap: "embed", positions: [0, 3], values: new Float32Array(96) },
      }],
    },
    [TEXT],
    "the recording has position 3, wanted positions of a text of 3 tokens",
  ],
  "a value beyond float32": [
    { ...seen("embed"), edits: [{ tap: "embed", units: [0], op: "set", value: 1e39 }] },
    [TEXT],
    "wanted a finite float32 number",
  ],
  "a layer with a leading zero": [seen("layers.01.mlp.out"), [TEXT], "layers.01.mlp.out"],
  "an unknown pool": [
    { observe: [{ tap: "embed", quantity: "activation", pool: "men" as "mean" }] },
    [TEXT],
    'pool is "men", wanted none, mean, max',
  ],
  "an unknown stretch": [
    { observe: [{ tap: "embed", quantity: "activation", pool: "mean", over: "promt" as "prompt" }] },
    [TEXT],
    'over is "promt", wanted all, prompt, completion',
  ],
  "an observation that does not say what": [
    { ...logprob(4), observe: [{ tap: "embed", pool: "mean" } as Observation] },
    [TEXT],
    "quantity is undefined, wanted activation, gradient, product, direct",
  ],
  "an observation that does not say how": [
    { observe: [{ tap: "embed", quantity: "activation" } as Observation] },
    [TEXT],
    "pool is undefined, wanted none",
  ],
  "an unknown key of an observation": [
    { observe: [{ tap: "embed", quantity: "activation", pool: "mean", paddng: "zero" } as Observation] },
    [TEXT],
    'unknown key "paddng", wanted tap, quantity, pool, over, padding',
  ],
  "the last token of a completion": [
    { observe: [{ tap: "embed", quantity: "activation", pool: "last", over: "completion" }] },
    [{ ...TEXT, continuations: [[7, 8, 9]] }],
    "last token of the prompt, wanted another pool over the completion",
  ],
  "an unknown option": [
    { ...seen("embed"), edit: [] } as RunRequest,
    [TEXT],
    'unknown option "edit", wanted objective, observe, edits, tokenBudget, batch',
  ],
  "a sample that has a name": [seen("embed"), [{ id: "food_7", prompt: [] }], "Cannot run item food_7 on "],
  "cross-entropy of an unknown stretch": [
    { objective: { kind: "crossEntropy", span: "answer" as "prompt" } },
    [TEXT],
    'prompt 1 has the span "answer", wanted completion, prompt, all or [from, to)',
  ],
  "cross-entropy of no stretch": [
    { objective: { kind: "crossEntropy" } as Objective },
    [TEXT],
    "has the span undefined",
  ],
  "a budget that is none": [{ ...seen("embed"), tokenBudget: 0 }, [TEXT], "tokenBudget is 0"],
  "an unknown place": [seen("unembed"), [TEXT], "unembed"],
  "a layer out of range": [seen("layers.3.mlp.out"), [TEXT], "layers.3.mlp.out"],
  "a gradient without an objective": [seen("embed", "gradient"), [TEXT], "objective"],
  "a product without an objective": [seen("layers.1.mlp.gate", "product"), [TEXT], "objective"],
  "direct parts without an objective": [seen("embed", "direct"), [TEXT], "objective"],
  "direct parts of a log-probability": [{ ...seen("embed", "direct"), ...logprob(4) }, [TEXT], "logprob"],
  "direct parts of a probability": [
    { ...seen("embed", "direct"), objective: { kind: "probability", target: 4 } },
    [TEXT],
    "probability",
  ],
  "direct parts at a tap that writes nothing": [
    { ...seen("layers.1.mlp.gate", "direct"), objective: difference },
    [TEXT],
    "layers.1.mlp.gate",
  ],
  "direct parts pooled otherwise": [
    { observe: [{ tap: "embed", quantity: "direct", pool: "mean" }], objective: difference },
    [TEXT],
    "mean",
  ],
  "cloze without continuations": [{ objective: cloze }, [TEXT], "0 continuations"],
  "cloze with one continuation": [
    { objective: cloze },
    [{ ...TEXT, continuations: [[7], [8]] }, { ...TEXT, continuations: [[7]] }],
    "1 continuations",
  ],
  "an answer that is no continuation": [
    { objective: { kind: "cloze", answer: 2 } },
    [{ ...TEXT, continuations: [[7], [8]] }],
    "2",
  ],
  "fewer answers than samples": [
    { objective: { kind: "cloze", answer: [0] } },
    [{ ...TEXT, continuations: [[7], [8]] }, { ...TEXT, continuations: [[7], [8]] }],
    "1 answers for 2 samples",
  ],
  "cross-entropy of a completion that is not there": [
    { objective: { kind: "crossEntropy", span: "completion" } },
    [TEXT],
    "continuations",
  ],
  "cross-entropy of a stretch past the end": [
    { objective: { kind: "crossEntropy", span: [1, 4] } },
    [TEXT],
    "[1, 4)",
  ],
  "cross-entropy of the first token": [
    { objective: { kind: "crossEntropy", span: [0, 2] } },
    [TEXT],
    "[0, 2)",
  ],
  "cross-entropy of a prompt of one token": [
    { objective: { kind: "crossEntropy", span: "prompt" } },
    [TEXT, { prompt: [4] }],
    "[1, 1)",
  ],
  "an empty prompt": [{}, [TEXT, { prompt: [] }], "no tokens"],
  "an empty continuation": [{}, [{ ...TEXT, continuations: [[]] }], "empty"],
  "a token outside of the vocabulary": [{}, [{ prompt: [4, 96] }], "96"],
};

Deno.test("run() refuses in one line, before it computes, what cannot be run", async (t) => {
  const copy = await Deno.makeTempDir({ prefix: "plumbline-gradients-" });
  try {
    for (const file of ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]) {
      await Deno.copyFile(`${folder("gqa")}/${file}`, `${copy}/${file}`);
    }
    await using model = await open(copy);
    // Without its weights the model can be asked, but cannot compute.
    await Deno.remove(`${copy}/model.safetensors`);
    const failure = await assertRejects(() => model.run([TEXT], seen("embed")));
    assert(!(failure instanceof UserError), `${failure}`);
    for (const [what, [request, samples, said]] of Object.entries(REFUSED)) {
      await t.step(what, async () => {
        const { message } = await assertRejects(() => model.run(samples, request), UserError, said) as Error;
        assert(message.startsWith("Cannot ") && !message.includes("\n"), message);
      });
    }
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
});

Deno.test("run() and logits() name the first layer where values are not finite, with and without an objective", async () => {
  await using model = await open(folder("gqa"));
  const edits: Edit[] = ["set", "scale"].map((op) => ({
    tap: "layers.1.mlp.act",
    units: [0],
    op: op as "set",
    value: 3e38,
  }));
  const says = "are not finite, they first appear in layer 1";
  const prompt = [4, 5, 6];
  await assertRejects(() => model.run([{ prompt }], { ...seen("layers.2.mlp.out"), edits }), UserError, says);
  await assertRejects(
    () => model.run([{ prompt }], { ...logprob(4), edits }),
    UserError,
    `its logits ${says}`,
  );
  await assertRejects(
    () => model.run([{ prompt, id: "food_7" }], { ...logprob(4), edits }),
    UserError,
    `Cannot run item food_7 on gqa: its logits ${says}`,
  );
  await assertRejects(() => model.logits(prompt, { edits }), UserError, `its logits ${says}`);
});

Deno.test("run(), score() and a sweep refuse a logit of minus infinity, which its log-sum-exp does not show", async () => {
  const prompt = [4, 5, 6], continuations = [[UNREAD], [6]], head: Tap = "layers.0.attn.head";
  const arms = [0, 1].map((unit): Edit[] => [{ tap: head, units: [unit], op: "scale", value: 0.99 }]);
  // One of the two makes it minus infinity, whatever the sign of the residual.
  for (const sign of [1, -1]) {
    const tensor = (name: string, data: Float32Array) => {
      if (name === "model.embed_tokens.weight") data[UNREAD * WIDTH] = sign * Infinity;
    };
    await inCopy({ tensor }, async (folder) => {
      await using model = await open(folder);
      const refuses = (task: () => Promise<unknown>) =>
        assertRejects(task, UserError, "its logits are not finite, they first appear after the last layer");
      await refuses(() => model.run([{ prompt }], logprob(UNREAD)));
      await refuses(() => Array.fromAsync(model.score([{ prompt, continuations }])));
      const rows = arms.map((edits) => ({ prompt, continuations, edits }));
      await refuses(() => Array.fromAsync(model.score(rows)));
    });
  }
});

Deno.test("run() refuses what is not finite under a maximum, which leaves NaN out", async () => {
  const tensor = (name: string, data: Float32Array) => {
    if (name === "model.embed_tokens.weight") data[UNREAD * WIDTH] = NaN;
  };
  await inCopy({ tensor }, async (folder) => {
    await using model = await open(folder);
    const prompt = Array.from({ length: 33 }, (_, i) => i === 1 ? UNREAD : 6 + i);
    for (const tap of ["embed", "layers.1.attn.q"] as const) {
      await assertRejects(
        () => model.run([{ prompt }], { observe: [{ tap, quantity: "activation", pool: "max" }] }),
        UserError,
        "are not finite, they first appear in the embedding",
      );
    }
  });
});

Deno.test("logits() and generate() refuse a recording that goes on beyond the text", async () => {
  await using model = await open(folder("gqa"));
  const from = { tap: "embed", positions: [0, 4], values: new Float32Array(2 * WIDTH) } as const;
  const edits: Edit[] = [{ tap: "embed", units: [0], op: "set", from }], prompt = [4, 5, 6];
  const refuses = (task: () => unknown, tokens: number) =>
    void assertThrows(
      task,
      UserError,
      `the recording has position 4, wanted positions of a text of ${tokens} tokens`,
    );
  refuses(() => model.logits(prompt, { edits }), 3);
  // The last new token is read and not run.
  refuses(() => model.generate([prompt], { maxNewTokens: 2, edits }), 4);
  refuses(() => model.generate([prompt], { maxNewTokens: 2, promptEdits: [edits] }), 4);
  model.generate([prompt], { maxNewTokens: 3, edits });
});

Deno.test("score() and generate() refuse an unknown option", async () => {
  await using model = await open(folder("gqa"));
  const edits = { edit: [] } as object;
  assertThrows(
    () => model.score([{ prompt: [4], continuations: [[5]] }], edits),
    UserError,
    'unknown option "edit"',
  );
  assertThrows(
    () => model.generate([[4]], { maxNewTokens: 1, ...edits }),
    UserError,
    'unknown option "edit", wanted maxNewTokens, edits, promptEdits, patch, stop, batch',
  );
  const patch = { from: model, unit: [] } as unknown as NonNullable<GenerateOptions["patch"]>;
  assertThrows(
    () => model.generate([[4]], { maxNewTokens: 1, patch }),
    UserError,
    'Cannot patch gqa: unknown option "unit", wanted from, units',
  );
});
