/**
 * What a score in multiple choice may come from besides knowing the answer, as params that any benchmark of choices can take:
 *
 * orders: a model that likes a letter is right wherever the right option has it. "cyclic" asks once for each rotation of the options; an
 * item counts in consistent_* only where all of its rotations are right (the cyclic permutations of Zheng et al., ICLR 2024,
 * arXiv 2309.03882, with the conjunction in place of their average).
 *
 * ask: options can betray the right one. "answers_only" leaves the question out; what is still right, was right without it (the
 * partial-input baseline of Poliak et al., *SEM 2018, arXiv 1805.01042).
 *
 * country: answers can be the usual ones anywhere. "swapped" names another country in the question, and the right option stays.
 *
 * chat: the same words in the model's chat template, or as plain text.
 *
 * A param that is not given, or given as the usual value, is not in a cell's key: cells of before there were such params are still found.
 */
import { z } from "zod";
import type { ChoiceItem, Prompt } from "./benchmark.ts";
import { UserError } from "./error.ts";
import type { Random } from "./random.ts";

/** `usual` becomes undefined, so that it has one spelling; the others stay. */
function either<const Usual extends string, const Other extends string>(usual: Usual, other: Other) {
  return z.enum([usual, other]).optional().transform((value): Other | undefined =>
    value === usual ? undefined : value as Other | undefined
  );
}

/** "given" (undefined) or "cyclic". */
export const OrdersParam = either("given", "cyclic");
/** "question" (undefined) or "answers_only". */
export const AskParam = either("question", "answers_only");
/** "own" (undefined) or "swapped". */
export const CountryParam = either("own", "swapped");
/** true (undefined) or false, for benchmarks whose prompts are conversations. */
export const ChatParam = z.boolean().optional().transform((chat): false | undefined =>
  chat === false ? chat : undefined
);

/**
 * Params of a benchmark that asks under several wordings of its own, to be read by chosenTemplates().
 *
 * @param count of wordings, at least 1
 */
export function templateParams(count: number) {
  const template = z.int().min(0).max(count - 1);
  return {
    /** Wordings, each an item of its own; default all. */
    templates: z.array(template).min(1)
      .refine((list) => new Set(list).size === list.length, "wanted different templates").optional(),
    /** One of them. */
    template: template.optional(),
  };
}

/** For .transform() of the params: `template` becomes the one entry of `templates`, none of the two becomes all. */
export function chosenTemplates(count: number) {
  return <P extends { readonly templates?: number[] | undefined; readonly template?: number | undefined }>(
    { templates, template, ...params }: P,
    context: z.RefinementCtx,
  ) => {
    if (templates !== undefined && template !== undefined) {
      context.addIssue({ code: "custom", path: ["template"], message: "template stands without templates" });
    }
    const all = () => Array.from({ length: count }, (_, i) => i);
    return { ...params, templates: template === undefined ? templates ?? all() : [template] };
  };
}

/**
 * Params of a benchmark that is asked as lm-evaluation-harness does ("lm-eval", in its one wording) or in the set-up of CULNIG ("culnig", in
 * wordings of our own), to be read by chosenProtocol().
 *
 * @param count of own wordings
 */
export function protocolParams(count: number) {
  return {
    protocol: z.enum(["lm-eval", "culnig"]).default("lm-eval"),
    ...templateParams(count),
    ask: AskParam,
    /** Default true for "culnig", false for "lm-eval". */
    chat: z.boolean().optional(),
  };
}

interface ProtocolParams {
  readonly protocol: "lm-eval" | "culnig";
  readonly templates?: number[] | undefined;
  readonly template?: number | undefined;
  readonly chat?: boolean | undefined;
}

/** For .transform() of the params: wordings as chosenTemplates() has them, and `chat` only where it is not as usual for the protocol. */
export function chosenProtocol(count: number) {
  const choose = chosenTemplates(count);
  return <P extends ProtocolParams>({ chat, ...params }: P, context: z.RefinementCtx) => {
    const { protocol, templates, template } = params, isOurs = protocol === "culnig";
    // What is written out into results has all templates, whatever the protocol.
    if (!isOurs && (template !== undefined || (templates !== undefined && templates.length < count))) {
      context.addIssue({
        code: "custom",
        path: ["templates"],
        message: 'template and templates belong to the protocol "culnig"',
      });
    }
    return { ...choose(params, context), ...(chat !== undefined && chat !== isOurs && { chat }) };
  };
}

/** A wording with its slots filled: "{question}" and the like, each of which must have a value. */
export function filledTemplate(template: string, slots: Readonly<Record<string, string>>): string {
  return template.replaceAll(/\{(\w+)\}/g, (_, slot: string) => slots[slot]!);
}

/** Params by which an item's id is told from that of the usual item. */
export interface ChoiceArm {
  readonly ask?: "answers_only" | undefined;
  readonly country?: "swapped" | undefined;
  /** Undefined where it is as usual for the protocol. */
  readonly chat?: boolean | undefined;
}

/** The id in an arm, so that no two arms share one: "q1", "q1/answers_only", "q1/swapped/text". */
export function armId(id: string, { ask, country, chat }: ChoiceArm): string {
  const form = chat === undefined ? undefined : chat ? "chat" : "text";
  return [id, ask, country, form].filter((part) => part !== undefined).join("/");
}

/** Options in one order. */
export interface OrderedOptions<T> {
  readonly options: readonly T[];
  /** Index of the right one among them. */
  readonly gold: number;
}

/**
 * The items of one question: one with its options as they are, or one for each of the k rotations of k options. Labels stay where they
 * are and the texts move: under rotation r the text at place i is the one that was at place (i + r) modulo k.
 *
 * @param make gives the item for one order; its id is that of the question and gains "#r" for rotation r
 *
 * @example
 * ```ts
 * import { type ChoiceItem, inOrders } from "./mod.ts";
 * const make = ({ options, gold }: { options: readonly string[]; gold: number }): ChoiceItem => ({
 *   id: "1", role: "report", clusters: { question: "1" }, prompt: { kind: "text", text: options.join() },
 *   continuations: ["A", "B"], labels: ["A", "B"], gold, doc: null,
 * });
 * const items = inOrders({ options: ["Lima", "Quito"], gold: 0 }, "cyclic", make);
 * const shown = items.map(({ id, prompt, gold }) => `${id} ${prompt.kind === "text" && prompt.text} ${gold}`);
 * if (shown.join("; ") !== "1#0 Lima,Quito 0; 1#1 Quito,Lima 1") throw new Error("gold follows its text");
 * ```
 */
export function inOrders<T>(
  { options, gold }: OrderedOptions<T>,
  orders: "cyclic" | undefined,
  make: (ordered: OrderedOptions<T>) => ChoiceItem,
): ChoiceItem[] {
  if (orders === undefined) return [make({ options, gold })];
  const k = options.length;
  return options.map((_, r) => {
    const item = make({
      options: [...options.slice(r), ...options.slice(0, r)],
      gold: (gold - r + k) % k,
    });
    return { ...item, id: `${item.id}#${r}`, rotationOf: item.id };
  });
}

/** Not in any text; where the question would stand. */
const GAP = "\u0000";

/**
 * A prompt with the lines of the question left out, by rendering it with the question or without.
 *
 * @param render the benchmark's own wording of a question; the question stands on lines of its own, with no more than a name before it
 *
 * @example
 * ```ts
 * import { promptOf } from "./mod.ts";
 * const render = (question: string) => `Question: ${question}\nA. Lima\nB. Quito\nAnswer:`;
 * const text = promptOf(render, "What is the capital of Peru?", "answers_only");
 * if (text !== "A. Lima\nB. Quito\nAnswer:") throw new Error("the question is still there");
 * ```
 */
export function promptOf(
  render: (question: string) => string,
  question: string,
  ask: "answers_only" | undefined,
): string {
  if (ask === undefined) return render(question);
  return render(GAP).split("\n").filter((line) => !line.includes(GAP)).join("\n")
    .replaceAll(/\n{3,}/g, "\n\n").trimStart();
}

/**
 * A message whose answer is a label: one turn of a conversation and the bare labels, or plain text that ends with a colon ("Answer:" is put
 * below it where it does not) and labels after a space.
 */
export function labelPrompt(
  message: string,
  labels: readonly string[],
  isChat: boolean,
): Pick<ChoiceItem, "prompt" | "continuations"> {
  if (isChat) {
    return {
      prompt: { kind: "chat", messages: [{ role: "user", content: message }] },
      continuations: labels,
    };
  }
  const text = message.endsWith(":") ? message : `${message}\nAnswer:`;
  return { prompt: { kind: "text", text }, continuations: labels.map((label) => ` ${label}`) };
}

/** A message whose answer begins with `prefill`: one turn of a conversation, or plain text whose last line it is. */
export function prefilledPrompt(message: string, prefill: string, isChat: boolean): Prompt {
  return isChat
    ? { kind: "chat", messages: [{ role: "user", content: message }], prefill }
    : { kind: "text", text: `${message}\n${prefill}` };
}

/**
 * A permutation of 0 to n - 1 that leaves nothing in its place, every such one as likely: permutations are drawn until one does
 * (e = 2.72 draws on average).
 *
 * @throws {UserError} for fewer than two places.
 *
 * @example
 * ```ts
 * import { createRandom, derangement } from "./mod.ts";
 * const other = derangement(16, createRandom("0/countries"));
 * if (other.some((to, from) => to === from) || new Set(other).size !== 16) throw new Error("one stayed");
 * ```
 */
export function derangement(n: number, random: Random): number[] {
  if (n < 2) throw new UserError(`Cannot swap names: there are ${n}, wanted two or more`);
  for (;;) {
    const drawn = random.sample(n, n);
    if (drawn.every((to, from) => to !== from)) return drawn;
  }
}
