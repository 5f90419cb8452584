/** One question given as params; by --plugin a benchmark that does not suit the demo model. */
import { z } from "zod";
import { type ChoiceItem, defineBenchmark } from "../../core/mod.ts";

const Params = z.strictObject({
  text: z.string().default("What food do people in Velmora eat? Answer:"),
  chat: z.boolean().default(false),
  labels: z.array(z.string()).default(["gubrin", "velchip"]),
});

export default defineBenchmark({
  name: "tiny",
  version: "1",
  title: "One question",
  licence: "CC0-1.0",
  source: "tests",
  params: Params,
  evaluator: "multiple_choice",
  metric: () => "acc",
  files: () => [],
  load: (_, { text, chat, labels }): ChoiceItem[] => [{
    id: "only-1",
    role: "report",
    clusters: { question: "only" },
    prompt: chat ? { kind: "chat", messages: [{ role: "user", content: text }] } : { kind: "text", text },
    continuations: labels.map((label) => ` ${label}`),
    labels,
    oneToken: true,
    gold: 0,
    doc: text,
  }],
});
