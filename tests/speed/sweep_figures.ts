/**
 * What a sweep over all 270 heads of SmolLM2 costs, each silenced in turn, in plain runs: one plain run scores all items under one arm's
 * edits by itself. Measures an exact sweep, and a race for the 20 heads whose mean effect is largest, which begins from one backward pass
 * an item; prints both in plain runs a head, and how many of the race's heads are the exact sweep's. About ten minutes for 48 items.
 *
 * What is measured is the log-probability of the right answer, or with --measure lead its lead over the mean of the other answers. On letters,
 * which the model hardly tells apart, the effect of a head on the lead changes sign from item to item: its mean is small beside its spread, so
 * that a race has to see most items before it may drop a head.
 *
 *   deno task sweeps [--items 48] [--measure logprob]
 */
import { parseArgs } from "node:util";
import {
  type ChoiceItem,
  type Edit,
  predictAblation,
  type ScoreResult,
  sweep,
  type Tap,
} from "../../core/mod.ts";
import { findFiles } from "../../core/data.ts";
import commonsenseQa from "../../benchmarks/commonsense_qa.ts";
import { multipleChoice } from "../../plugins/nlu/multiple_choice.ts";
import { backend } from "../../plugins/onnx/model.ts";
import { REAL_MODEL, SHARED_DATA, testContext } from "../support.ts";
import { median } from "./quiet.ts";
import { LAYERS } from "./smollm2.ts";

const { values } = parseArgs({
  options: {
    items: { type: "string", default: "48" },
    measure: { type: "string", default: "logprob" },
  },
  args: Deno.args,
});
if (values.measure !== "logprob" && values.measure !== "lead") {
  throw new Error(`Cannot measure ${values.measure}: wanted logprob or lead`);
}
const ITEMS = Number(values.items), HEADS = 9, TOP = 20, WANTED = { exact: 0.5, raced: 0.15, overlap: 0.95 };
const params = commonsenseQa.params.parse({ protocol: "lm-eval" });
const items = commonsenseQa.load(
  findFiles(SHARED_DATA, commonsenseQa.files(params), commonsenseQa.name),
  params,
)
  .slice(0, ITEMS) as readonly ChoiceItem[];

const taps = Array.from({ length: LAYERS }, (_, layer): Tap => `layers.${layer}.attn.head`);
await using model = await backend.open({ path: REAL_MODEL }, { taps }, testContext());
const requests = multipleChoice.plan(items, model.tokenizer);
const arms = taps.flatMap((tap, layer) =>
  Array.from({ length: HEADS }, (_, head) => ({
    name: `${layer}.${head}`,
    edits: [{ tap, units: [head], op: "scale", value: 0 }] as readonly Edit[],
  }))
);
const measure = ({ logprobs }: ScoreResult, index: number) => {
  const gold = items[index]!.gold, others = logprobs.filter((_, i) => i !== gold);
  if (values.measure === "logprob") return logprobs[gold]!;
  return logprobs[gold]! - others.reduce((sum, value) => sum + value, 0) / others.length;
};
const timed = async <T>(work: () => Promise<T>) => {
  const start = performance.now(), result = await work();
  return { result, seconds: (performance.now() - start) / 1000 };
};
const plain = async (edits: readonly Edit[]) =>
  (await timed(() => Array.fromAsync(model.score(requests, { edits })))).seconds;
const exactly = () => sweep(model, requests, { arms, measure });
const racing = async () => {
  const predicted = await predictAblation(model, requests, {
    taps,
    objective: values.measure === "lead" ? { kind: "cloze", answer: items.map(({ gold }) => gold) } : {
      kind: "logprob",
      target: requests.map(({ continuations }, i) => continuations[items[i]!.gold]![0]!),
    },
  });
  return await sweep(model, requests, { arms, measure, race: { top: TOP, by: "magnitude", predicted } });
};

// Sessions open and memory is allocated outside of what is measured.
await plain(arms[0]!.edits);
await sweep(model, requests.slice(0, 2), { arms: arms.slice(100, 140), measure });
const alone: number[] = [];
const some = async () => {
  for (let i = 0; i < 3; i++) alone.push(await plain(arms[(alone.length * 97) % arms.length]!.edits));
};
/** Seconds as plain runs a head. */
const inPlainRuns = (seconds: number) => (seconds / median(alone) / arms.length).toFixed(3);

await some();
const exact = await timed(exactly);
await some();
console.log(`${ITEMS} items, ${arms.length} heads, a plain run ${median(alone).toFixed(2)} s`);
console.log(`exact sweep: ${inPlainRuns(exact.seconds)} of a plain run a head, wanted ${WANTED.exact}`);
const raced = await timed(racing);
await some();

const strength = new Map(exact.result.arms.map(({ name, effect }) => [name, Math.abs(effect!.value)]));
const best = [...strength.keys()].sort((a, b) => strength.get(b)! - strength.get(a)!).slice(0, TOP);
const found = raced.result.arms.filter(({ status }) => status === "in").map(({ name }) => name);
const common = found.filter((name) => best.includes(name)).length;
console.log(
  `race for the top ${TOP}: ${inPlainRuns(raced.seconds)} of a plain run a head, wanted ${WANTED.raced}; ` +
    `${common} of ${best.length} heads the same, wanted ${
      WANTED.overlap * TOP
    }; ${raced.result.order.length} items seen`,
);
