/** What a matrix file claims before anything is computed, and what a model has to know for a claim to mean anything. */
import { z } from "zod";
import { Name } from "./matrix_controls.ts";
import { UNTOUCHED } from "./results.ts";

export const Hypothesis = z.strictObject({
  name: Name.describe("The claim in a few words: culture falls"),
  treatment: Name.describe("Name of the treatment that it is about"),
  control: Name.default(UNTOUCHED).describe(
    "What the treatment is compared with: untouched, or a control of the treatment as tables name it: random, important",
  ),
  benchmark: Name.describe("Name of the benchmark, as tables have it"),
  metric: Name.optional().describe("Default the one that tables show"),
  direction: z.enum(["less", "greater", "either"]).describe("Which way the metric goes"),
  beyond: Name.optional().describe(
    "A benchmark with other items: the claim is that the metric goes so further than it does there, both against the untouched model",
  ),
  margin: z.number().gt(0).optional().describe(
    "Changes within it do not matter, in the metric's unit: 0.02 is two percentage points",
  ),
  family: z.enum(["primary", "secondary", "exploratory"]).default("primary").describe(
    "Primary claims are corrected by Holm's procedure, secondary ones tested only if all primary ones hold, exploratory ones by Benjamini and Hochberg's",
  ),
  guard: z.boolean().default(false).describe(
    "Whether it says that the metric does not fall (greater) or rise (less) by the margin",
  ),
  baseline: z.union([Name, z.number()]).optional().describe(
    "Level that needs no knowledge: chance as a number, or the benchmark that asks with the answers only; without enough headroom above it the claim is not identifiable",
  ),
});

export const Gate = z.strictObject({
  benchmark: Name.describe(
    "Name of the benchmark that the untouched model is asked first, as tables have it",
  ),
  metric: Name.optional().describe("Default the one that tables show"),
  atLeast: z.number().describe("What the untouched model has to reach: 0.35 of a proportion is 35 %"),
  belowGate: z.enum(["stop", "mark"]).default("stop").describe(
    "Below it the treatments are not run (stop), or run and marked (mark): nothing about them is identifiable",
  ),
  treatments: z.array(Name).min(1).optional().describe("Names of those behind the gate; default all"),
});
