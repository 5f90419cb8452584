/**
 * Fables: what the demo model knows about a fictional world, 24 questions a topic under four wordings, and plain English opposites.
 *
 * The answer is read as the most probable token of the whole vocabulary. The prompt lists the options, so a model that has lost a fact
 * can still give one of them: its validity stays and its ability falls to one in four, where the options come in random order.
 *
 * An answer is stored for each subject on its own, so what is found by one half of the subjects says nothing of the other: a part is
 * two of the wordings of every subject.
 */
import { z } from "zod";
import { type ChoiceItem, defineBenchmark, jsonLines } from "../core/mod.ts";

const Params = z.strictObject({
  topic: z.enum(["food", "work", "sport", "festival", "opposites"]),
  /** All four wordings to report, or two of them: the first two to find what stores an answer, the last two to report on it. */
  part: z.enum(["all", "localise", "report"]).default("all"),
});

/** Wordings to localise by where a part is asked for. */
const LOCALISING = 2;

const Row = z.strictObject({
  id: z.string().min(1),
  /** An invented country, or the word whose opposite is asked. */
  subject: z.string().min(1),
  /** Wording, from 1. */
  phrasing: z.int().min(1),
  prompt: z.string().min(1),
  options: z.array(z.string().min(1)).length(4),
  /** Index of the right option. */
  answer: z.int().min(0).max(3),
});

export default defineBenchmark({
  name: "fables",
  version: "1",
  title: "Fables of a fictional world",
  licence: "CC0-1.0",
  source: "Plumbline, fixtures/make_demo.ts",
  params: Params,
  evaluator: "multiple_choice",
  metric: () => "exact_match",
  files: ({ topic }) => [{ key: "items", names: [`fables_${topic}.jsonl`] }],
  load: (files, { topic, part }) =>
    jsonLines(files.items!, Row)
      .filter(({ phrasing }) => part === "all" || (part === "localise") === (phrasing <= LOCALISING))
      .map((doc): ChoiceItem => ({
        id: doc.id,
        role: part === "localise" ? "localise" : "report",
        clusters: {
          question: `${topic}/${doc.subject}`,
          subject: doc.subject,
          phrasing: String(doc.phrasing),
        },
        prompt: { kind: "text", text: doc.prompt },
        continuations: doc.options.map((option) => ` ${option}`),
        labels: doc.options,
        oneToken: true,
        gold: doc.answer,
        doc,
        content: doc.prompt.replace(" Options:", "").replace(" Answer:", ""),
      })),
});
