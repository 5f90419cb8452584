import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { type ChoiceItem, type Outcome, type Tokenizer, UserError } from "../../../core/mod.ts";
import { multipleChoice, pythonFloat } from "../../../plugins/nlu/multiple_choice.ts";

/** A token a character. */
const tokenizer: Tokenizer = {
  bos: undefined,
  eos: undefined,
  hasChatTemplate: false,
  encode: (text) => [...text].map((c) => c.codePointAt(0) as number),
  decode: (ids) => String.fromCodePoint(...ids),
  chat: () => "",
};

const item: ChoiceItem = {
  id: "1",
  role: "report",
  clusters: { question: "1" },
  prompt: { kind: "text", text: "Q:" },
  continuations: ["A", "B", "C"],
  labels: ["A", "B", "C"],
  oneToken: true,
  gold: 1,
  doc: { é: [1, { a: "b" }], none: [] },
};

function outcome(logprobs: readonly number[], given: string, it: ChoiceItem = item): Outcome {
  const argmax = given.codePointAt(0) as number;
  const greedy = it.continuations.map((each) => each === given);
  return multipleChoice.outcome(it, { logprobs, greedy, argmax, argmaxLogprob: -0.5 }, tokenizer);
}

Deno.test("plan() gives the ids of the prompt and of every option", () => {
  assertEquals(multipleChoice.plan([item], tokenizer), [{
    prompt: [81, 58],
    continuations: [[65], [66], [67]],
  }]);
});

Deno.test("plan() refuses a label that is not one token, naming it and its ids", () => {
  const long = { ...item, continuations: ["A", "BB", "C"] };
  assertThrows(() => multipleChoice.plan([long], tokenizer), UserError, '"BB" is 2 tokens (66, 66)');
  assertEquals(multipleChoice.plan([{ ...long, oneToken: false }], tokenizer).length, 1);
});

Deno.test("outcome() takes the first of equal options, as numpy.argmax", () => {
  assertEquals(outcome([-2, -1, -1], "B").values.acc, 1);
  assertEquals(outcome([-1, -1, -2], "B").values.acc, 0);
});

Deno.test("outcome() divides by the option's code points, without the space before it", () => {
  // -3 / 1 against -4 / 2: the harness counts the emoji as one and not the delimiter.
  const it = { ...item, continuations: [" a", " 😀b", " cccc"], labels: ["a", "b", "c"] };
  const { acc, acc_norm } = outcome([-3, -4, -9], "x", it).values;
  assertEquals([acc, acc_norm], [0, 1]);
});

Deno.test("outcome() matches the vocabulary's favourite with the label exactly", () => {
  const cases: readonly [string, number, number][] = [["B", 1, 1], ["A", 0, 1], ["b", 0, 0], [" ", 0, 0], [
    "x",
    0,
    0,
  ]];
  for (const [given, exact, valid] of cases) {
    const { values, detail } = outcome([-3, -1, -2], given);
    assertEquals([values.exact_match, values.valid, detail.given], [exact, valid, given]);
  }
});

Deno.test("outcome() counts a first token of an option as a valid answer, and greedy decoding of all of it as a match", () => {
  const it = { ...item, continuations: [" yes", " no"], labels: ["yes", "no"] };
  const yes = { ...tokenizer, decode: () => " n" };
  const score = (greedy: boolean[], decode = yes) =>
    multipleChoice.outcome(it, { logprobs: [-2, -1], greedy, argmax: 5, argmaxLogprob: -0.1 }, decode).values;
  assertEquals([score([false, false]).valid, score([false, false]).exact_match], [1, 0]);
  assertEquals([score([false, true]).valid, score([false, true]).exact_match], [1, 1]);
  assertEquals(score([false, false], { ...tokenizer, decode: () => " " }).valid, 0);
});

Deno.test("outcome() tells choice, margin and the right option's log-probability", () => {
  const { values, detail } = outcome([-3, -1.5, -2], "x");
  assertEquals(values.gold_logprob, -1.5);
  assertEquals([detail.choice, detail.gold, detail.margin, detail.argmaxLogprob], ["B", "B", 0.5, -0.5]);
});

Deno.test("parts() of exact_match sum to the change for every pair of outcomes", () => {
  const outcomes = [[-3, -1, -2], [-1, -2, -3]].flatMap((logprobs) =>
    ["A", "B", "x"].map((given) => outcome(logprobs, given).values)
  );
  for (const before of outcomes) {
    for (const after of outcomes) {
      const { validity = NaN, ability = NaN } = multipleChoice.parts?.("exact_match", before, after) ?? {};
      // Halves and ones are exact in binary: no tolerance.
      assertEquals(
        validity + ability,
        (after.exact_match ?? NaN) - (before.exact_match ?? NaN),
      );
    }
  }
});

Deno.test("parts() puts a lost answer that is still known down to validity, and a wrong choice to ability", () => {
  const right = outcome([-3, -1, -2], "B").values;
  assertEquals(multipleChoice.parts?.("exact_match", right, outcome([-3, -1, -2], "x").values), {
    validity: -1,
    ability: 0,
  });
  assertEquals(multipleChoice.parts?.("exact_match", right, outcome([-1, -2, -3], "A").values), {
    validity: 0,
    ability: -1,
  });
  assertEquals(multipleChoice.parts?.("acc", right, right), undefined);
});

Deno.test("sample() has the layout and the hashes of lm-evaluation-harness", () => {
  const result = outcome([-3, -1, -2], "B");
  const sample = multipleChoice.sample(4, item, result, tokenizer);
  assertEquals(sample.doc_id, 4);
  assertEquals(sample.arguments, {
    gen_args_0: { arg_0: "Q:", arg_1: "A" },
    gen_args_1: { arg_0: "Q:", arg_1: "B" },
    gen_args_2: { arg_0: "Q:", arg_1: "C" },
  });
  assertEquals(sample.resps, [[["-3.0", "False"]], [["-1.0", "True"]], [["-2.0", "False"]]]);
  assertEquals(sample.filtered_resps, [["-3.0", "False"], ["-1.0", "True"], ["-2.0", "False"]]);
  assertEquals([sample.target, sample.filter, sample.acc], ["B", "none", 1]);
  // hashlib.sha256(json.dumps(doc, indent=2, ensure_ascii=False).encode()) and of "Q:" and "B", in CPython.
  assertEquals(sample.doc_hash, "93d48038776456edac6004fd4773b4421db8f02e9c5279eb77da6dcab19e2e97");
  assertEquals(sample.prompt_hash, "c042f940a639b9cdf6730c3883fb63804de8d57753baefe21047906aeff7c623");
  assertEquals(sample.target_hash, "df7e70e5021544f4834bbee64a9e3789febc4be81470df629cad6ddb03320a5c");
  assertAlmostEquals(sample.margin as number, 1);
  assert(sample.metrics.includes("exact_match"));
});

Deno.test("pythonFloat() spells numbers as CPython's repr", () => {
  // python3 -c "print([repr(x) for x in (-3.0, 0.0, -0.0, 1e-5, 1.5e-7, 0.0001, 123456.75, 1e16, 1e22, -0.1)])"
  const spelled = [-3, 0, -0, 1e-5, 1.5e-7, 0.0001, 123456.75, 1e16, 1e22, -0.1].map(pythonFloat);
  assertEquals(spelled, [
    "-3.0",
    "0.0",
    "-0.0",
    "1e-05",
    "1.5e-07",
    "0.0001",
    "123456.75",
    "1e+16",
    "1e+22",
    "-0.1",
  ]);
});
