/**
 * Fables: what the demo model knows about a fictional world, 24 questions a topic under four wordings, and plain English opposites.
 *
 * The answer is read as the most probable token of the whole vocabulary. The prompt lists the options, so a model that has lost a fact
 * can still give one of them: its validity stays and its ability falls to one in four, where the options come in random order.
 */
import { z } from "zod";
import { type ChoiceItem, defineBenchmark, jsonLines } from "../core/mod.ts";

const Params = z.strictObject({
  topic: z.enum(["food", "work", "sport", "festival", "opposites"]),
});

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
  load: (files) =>
    jsonLines(files.items!, Row).map((doc): ChoiceItem => ({
      id: doc.id,
      role: "report",
      clusters: { question: doc.subject, phrasing: String(doc.phrasing) },
      prompt: { kind: "text", text: doc.prompt },
      continuations: doc.options.map((option) => ` ${option}`),
      labels: doc.options,
      oneToken: true,
      gold: doc.answer,
      doc,
    })),
});
