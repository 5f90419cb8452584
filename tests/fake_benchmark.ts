/** Numbered riddles for the fake model; by --plugin a benchmark of the command line's tests. */
import { z } from "zod";
import { defineBenchmark } from "../core/mod.ts";

export default defineBenchmark({
  name: "riddles",
  version: "1",
  title: "Riddles",
  licence: "CC0-1.0",
  source: "tests",
  params: z.strictObject({
    count: z.int().default(24),
    first: z.int().default(0),
    perQuestion: z.int().default(1),
  }),
  evaluator: "pick",
  metric: () => "acc",
  files: () => [],
  load: (_, { count, first, perQuestion }) =>
    Array.from({ length: count }, (_, i) => ({
      id: `r${first + i}`,
      role: "report" as const,
      clusters: { question: `q${Math.floor((first + i) / perQuestion)}` },
    })),
});
