/** From examples to rows that can be fed, in micro-batches of like length; whatever cannot be trained on is refused here. */
import {
  type Example,
  type ModelInfo,
  type Preference,
  type TrainObjective,
  UserError,
} from "../../../core/mod.ts";
import type { Hyperparameters } from "../architectures/shape.ts";
import { type RowToken, run } from "../batching.ts";

/** An example as one row. A pair is a tree: the prompt once, then both responses, each behind its own copy of the prompt's last token, so that
 * each token that is predicted has a place of its own. */
export interface Sample {
  /** Position in the list of examples. */
  readonly index: number;
  readonly tokens: readonly RowToken[];
  /** Places whose next token is predicted, ascending. */
  readonly reads: readonly Read[];
  readonly group: string | undefined;
}

export interface Read {
  readonly token: number;
  readonly target: number;
  /** -1 in a response that was rejected. */
  readonly sign: 1 | -1;
}

export interface SampleOptions {
  readonly info: ModelInfo;
  readonly shape: Hyperparameters;
  readonly objective: TrainObjective;
  readonly maxTokens: number;
  readonly overlong: "refuse" | "leaveOut";
  readonly task: string;
}

/** @throws {UserError} for an example that the objective or the model cannot take. */
export function samplesOf(examples: readonly Example[], options: SampleOptions): readonly Sample[] {
  const { maxTokens, overlong, task } = options;
  examples.forEach((example, index) => checkExample(example, index, options));
  const isLong = (example: Example) => lengthOf(example) > maxTokens;
  const long = examples.findIndex(isLong);
  if (long >= 0 && overlong === "refuse") {
    const count = examples.filter(isLong).length;
    throw new UserError(
      `Cannot ${task}: ${count} of ${examples.length} examples ${
        count === 1 ? "is" : "are"
      } too long (example ${long + 1} has ${
        lengthOf(examples[long]!)
      } tokens), wanted at most ${maxTokens} or overlong "leaveOut"`,
    );
  }
  const samples = examples.flatMap((example, index) =>
    isLong(example) ? [] : [sampleOf(example, index, options)]
  );
  if (samples.length === 0) {
    throw new UserError(
      `Cannot ${task}: no example is left, wanted one or more of at most ${maxTokens} tokens`,
    );
  }
  return samples;
}

const isPair = (example: Example): example is Preference => "chosen" in example || "rejected" in example;

/** Tokens of the prompt and the longest response. */
function lengthOf(example: Example): number {
  const responses = isPair(example) ? [example.chosen, example.rejected] : [example.completion];
  return example.prompt.length + Math.max(...responses.map(({ length }) => length));
}

function checkExample(example: Example, index: number, { shape, objective, task }: SampleOptions): void {
  const refuse = (state: string, wanted: string): never => {
    throw new UserError(`Cannot ${task}: example ${index + 1} ${state}, wanted ${wanted}`);
  };
  const parts = objective.kind === "dpo" ? ["prompt", "chosen", "rejected"] : ["prompt", "completion"];
  const given = example as unknown as Readonly<Record<string, unknown>>;
  for (const part of parts) {
    const ids = given[part];
    if (!Array.isArray(ids) || ids.length === 0) {
      refuse(ids === undefined ? `has no ${part}` : `has an empty ${part}`, parts.join(", "));
    }
    const strange = (ids as readonly unknown[]).find((id) =>
      !(Number.isInteger(id) && (id as number) >= 0 && (id as number) < shape.vocab)
    );
    if (strange !== undefined) refuse(`has token id ${strange}`, `ids in [0, ${shape.vocab})`);
  }
  if (isPair(example) && example.chosen.join() === example.rejected.join()) {
    refuse("has twice the same response", "two that differ");
  }
}

function sampleOf(example: Example, index: number, { objective }: SampleOptions): Sample {
  const { prompt, group } = example;
  if (!isPair(example)) {
    const text = [...prompt, ...example.completion];
    const first = objective.kind === "crossEntropy" && objective.over === "all" ? 1 : prompt.length;
    return {
      index,
      group,
      tokens: run(text.slice(0, -1), false),
      reads: text.slice(first).map((target, i) => ({ token: first - 1 + i, target, sign: 1 })),
    };
  }
  const tokens = run(prompt.slice(0, -1), false), reads: Read[] = [], stem = tokens.length - 1;
  for (const [ids, sign] of [[example.chosen, 1], [example.rejected, -1]] as const) {
    [prompt.at(-1)!, ...ids.slice(0, -1)].forEach((id, t) => {
      tokens.push({ id, parent: t === 0 ? stem : tokens.length - 1, generated: t > 0 });
      reads.push({ token: tokens.length - 1, target: ids[t]!, sign });
    });
  }
  return { index, tokens, reads, group };
}

/** Samples of one group and of like length, longest first, under the budgets of padded tokens and of rows that are read. */
export function microBatches(
  samples: readonly Sample[],
  { tokens: budget, reads: most }: { readonly tokens: number; readonly reads: number },
): readonly (readonly Sample[])[] {
  const sorted = samples.toSorted((a, b) =>
    compare(a.group ?? "", b.group ?? "") || b.tokens.length - a.tokens.length || a.index - b.index
  );
  const batches: Sample[][] = [];
  let reads = 0;
  for (const sample of sorted) {
    const current = batches.at(-1), first = current?.[0];
    const fits = current && first && first.group === sample.group &&
      (current.length + 1) * first.tokens.length <= budget && reads + sample.reads.length <= most;
    if (fits) current.push(sample);
    else batches.push([sample]);
    reads = fits ? reads + sample.reads.length : sample.reads.length;
  }
  return batches;
}

const compare = (a: string, b: string) => a < b ? -1 : a > b ? 1 : 0;
