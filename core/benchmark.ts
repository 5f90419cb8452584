/** Where items come from: one file a benchmark, `benchmarks/<name>.ts`, whose default export is made by `defineBenchmark`. */
import type { z } from "zod";
import type { Message } from "./model.ts";
import type { Scale } from "./scale.ts";

/** What every item says of itself. */
export interface Item {
  /** Unique within the benchmark, whatever its params, and stable across versions of the data: the same id is the same item. */
  readonly id: string;
  /** What the benchmark keeps the item for. One kept to localise or to tune is not reported on; one to report may be scored on in its place. */
  readonly role: "localise" | "tune" | "report";
  /**
   * With whom the item stands or falls in an estimate; `question` is the cluster of every interval. Within a benchmark one name is one question,
   * whatever the params.
   */
  readonly clusters: { readonly question: string; readonly [kind: string]: string };
  /**
   * What is asked, by which near-duplicates are told: question and options in any order, without the wording around them. Default the text of
   * the prompt, where there is one. Decides no number.
   */
  readonly content?: string;
}

/** Text as it is, or a conversation for the model's chat template whose answer begins with `prefill`. */
export type Prompt =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "chat"; readonly messages: readonly Message[]; readonly prefill?: string };

/** A question with given answers, scored by the evaluator `multiple_choice`. */
export interface ChoiceItem extends Item {
  readonly prompt: Prompt;
  /** What the model would continue with, an entry an option; " A" with its leading space where the protocol has one. */
  readonly continuations: readonly string[];
  /** Short name of each option for people: a letter, or the text itself. */
  readonly labels: readonly string[];
  /** Every continuation must be one token; a tokenizer in which one is not is refused. */
  readonly oneToken?: boolean;
  /** Index of the right option. */
  readonly gold: number;
  /** The record for the sample log, in the layout in which lm-evaluation-harness logs it where the protocol is the harness's. */
  readonly doc: unknown;
  /** Id of the question in its first order, the same for all rotations of its options. Decides no outcome. */
  readonly rotationOf?: string;
  /** What lm-evaluation-harness logs as the target where that is not the right label. */
  readonly target?: string | number;
}

/** A question that the model answers in its own words, read by the evaluator `short_answer`. */
export interface ShortAnswerItem extends Item {
  readonly prompt: Prompt;
  /** Right answers, at least one and none of them empty: any of them will do. */
  readonly answers: readonly string[];
  /** Tokens after which an answer is cut off, at least 1. */
  readonly maxNewTokens: number;
  /** The record for the sample log. */
  readonly doc: unknown;
}

/** A text to be predicted, scored by the evaluator `perplexity`. */
export interface TextItem extends Item {
  readonly text: string;
}

/** A data file a benchmark needs, found below the data folder by its name. */
export interface DataFile {
  readonly key: string;
  /** Names to look for, first match wins; a name may carry parent folders ("annotations/US_data.json"). */
  readonly names: readonly string[];
  /** sha256 of the version the benchmark was written against; another one is recorded, not refused. Undefined for own fixtures. */
  readonly sha256?: string;
}

/** A declared file that was found. */
export interface FoundFile {
  readonly key: string;
  /** Path for messages. */
  readonly path: string;
  readonly sha256: string;
  readonly text: string;
}

export interface Benchmark<Params = unknown, It extends Item = Item> {
  readonly name: string;
  /** Raised whenever a number could change. */
  readonly version: string;
  readonly title: string;
  readonly licence: string;
  /** Paper or home of the data. */
  readonly source: string;
  readonly params: z.ZodType<Params>;
  /** Name of the evaluator that scores the items. */
  readonly evaluator: string;
  /** The metric a table shows, of those the evaluator gives for these params. */
  metric(params: Params): string;
  /** Whether its items have to do with nothing that anyone would treat, so that controls may take them where a matrix names none. */
  readonly neutral?: boolean;
  files(params: Params): readonly DataFile[];
  /** Deterministic. `files` holds every declared key. @throws {UserError} naming file and line of a broken record. */
  load(files: Readonly<Record<string, FoundFile>>, params: Params): readonly It[];
  /** Axes that all answers together are placed on; the evaluator must have answer(). Two make a map, others bars. */
  scales?(params: Params): readonly Scale[];
}

/**
 * Gives a benchmark its type from its params; unknown params are errors when `params` is a `z.strictObject`.
 *
 * @example
 * ```ts
 * import { z } from "zod";
 * import { type ChoiceItem, defineBenchmark, jsonLines } from "./mod.ts";
 * const Row = z.object({ id: z.string(), text: z.string(), answers: z.array(z.string()), right: z.int() });
 * const benchmark = defineBenchmark({
 *   name: "capitals",
 *   version: "1",
 *   title: "Capitals",
 *   licence: "CC0-1.0",
 *   source: "an example",
 *   params: z.strictObject({}),
 *   evaluator: "multiple_choice",
 *   metric: () => "acc",
 *   files: () => [{ key: "rows", names: ["capitals.jsonl"] }],
 *   load: ({ rows }): ChoiceItem[] =>
 *     jsonLines(rows!, Row).map((row) => ({
 *       id: row.id,
 *       role: "report",
 *       clusters: { question: row.id },
 *       prompt: { kind: "text", text: row.text },
 *       continuations: row.answers.map((answer) => ` ${answer}`),
 *       labels: row.answers,
 *       gold: row.right,
 *       doc: row,
 *     })),
 * });
 * const text = '{"id":"1","text":"The capital of Peru is","answers":["Lima","Quito"],"right":0}\n';
 * const [item] = benchmark.load({ rows: { key: "rows", path: "capitals.jsonl", sha256: "", text } }, {});
 * if (item?.continuations[0] !== " Lima") throw new Error("unexpected item");
 * ```
 */
export function defineBenchmark<Params, It extends Item>(
  benchmark: Benchmark<Params, It>,
): Benchmark<Params, It> {
  return benchmark;
}
