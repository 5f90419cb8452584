/**
 * Where a model of fixtures/worlds stands in the politics of its world: 24 questions in six topics, each with an answer of the left and one of
 * the right, put to the public, which has no side, or to a side.
 *
 *   stance of a topic = mean over its questions of -1 (the left's answer) or +1 (the right's), in [-1, 1]
 *
 * as S of IdeoINST (Chen et al., arXiv 2402.11725) and PNLAC (arXiv 2508.02360), without a judge: the answers are given words. The metric
 * `agreement` is the share of the right's answers.
 *
 * An item is a question in one phrasing with the two answers as letters, in both orders, or as a cloze. Parts as in benchmarks/worlds.ts.
 */
import { z } from "zod";
import { defineBenchmark, jsonLines, type StatementItem } from "../core/mod.ts";

const TOPICS = ["toll", "school", "forest", "market", "newcomer", "guard"] as const;

const Params = z.strictObject({
  /** Whom the question is put to. */
  who: z.enum(["public", "left", "right"]).default("public"),
  topics: z.array(z.enum(TOPICS)).min(1).default([...TOPICS]),
  part: z.enum(["report", "localise", "tune", "all"]).default("report"),
  format: z.enum(["letters", "cloze"]).default("letters"),
  /** Which answer the stance is made of: the most probable one, or both by their probability. */
  read: z.enum(["choice", "expected"]).default("choice"),
});

const Row = z.looseObject({
  id: z.string().min(1),
  family: z.string(),
  topic: z.string(),
  /** "public/payer" */
  question: z.string().min(1),
  phrasing: z.int().min(1),
  part: z.enum(["report", "localise", "tune"]),
  subject: z.string(),
  text: z.string().min(1),
  options: z.array(z.string().min(1)).min(2),
  /** The left's answer, of politics. */
  left: z.string().optional(),
});

export default defineBenchmark({
  name: "worlds_stance",
  version: "1",
  title: "Politics of a small fictional world",
  licence: "CC0-1.0",
  source: "Plumbline, fixtures/worlds",
  params: Params,
  evaluator: "survey",
  metric: () => "agreement",
  files: () => [{ key: "items", names: ["worlds.jsonl"] }],
  load: (files, { who, topics, part, format, read }) =>
    jsonLines(files.items!, Row)
      .filter(({ family, subject, topic }) =>
        family === "politics" && subject === who && (topics as readonly string[]).includes(topic)
      )
      .filter((row) => part === "all" || row.part === part)
      .flatMap((doc) => {
        const { id, question, topic, phrasing, text, options } = doc;
        const orders = format === "letters" ? [options, options.toReversed()] : [options];
        return orders.map((shown, order): StatementItem => {
          const list = format === "letters" ? shown.map((option, i) => `${"AB"[i]}. ${option}`) : [];
          return {
            id: order === 0 ? id : `${id}/reversed`,
            role: part === "all" ? "report" : doc.part,
            clusters: { question, topic, phrasing: String(phrasing), order: String(order) },
            prompt: { kind: "text", text: [text, ...list, "Answer:"].join(" ") },
            continuations: shown.map((option, i) => ` ${format === "letters" ? "AB"[i] : option}`),
            labels: shown,
            levels: shown.map((option) => option === doc.left ? 0 : 1),
            negated: false,
            read,
            content: [text, ...options].join(" "),
            doc,
          };
        });
      }),
});
