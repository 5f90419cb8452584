import { assert, assertEquals } from "@std/assert";
import type { ScoreRequest } from "../../../core/mod.ts";
import { createRandom } from "../../../core/random.ts";
import { type Batch, planBatches, type Row } from "../../../plugins/onnx/batching.ts";

/** Prompts of 5 to 60 tokens; those of one family begin alike. */
function madeUp(count: number, families: number, shared: number): ScoreRequest[] {
  const random = createRandom("batching");
  const heads = Array.from(
    { length: families },
    () => Array.from({ length: shared }, () => random.below(500)),
  );
  return Array.from({ length: count }, (_, i) => ({
    prompt: [
      ...heads[i % families]!,
      ...Array.from({ length: 5 + random.below(55) }, () => random.below(500)),
    ],
    continuations: Array.from(
      { length: 3 },
      () => Array.from({ length: 1 + random.below(4) }, () => random.below(500)),
    ),
  }));
}

/** The text from the row's start to a token. */
function path(row: Row, token: number): number[] {
  return token < 0 ? [] : [...path(row, row.tokens[token]!.parent), row.tokens[token]!.id];
}

Deno.test("planBatches() places every request once, and its row spells prompt and continuations", () => {
  const requests = madeUp(300, 7, 40);
  const seen = new Set<number>();
  for (const { prefix, batches } of planBatches(requests, 1024)) {
    for (const { rows, indices } of batches) {
      assertEquals(indices, rows.flatMap((row) => row.requests.map((r) => r.index)));
      for (const row of rows) {
        for (const { index, last, continuations } of row.requests) {
          assert(!seen.has(index), `request ${index} stands twice`);
          seen.add(index);
          assertEquals([...prefix, ...path(row, last)], requests[index]!.prompt);
          continuations.forEach((picks, c) => {
            assertEquals(picks.map((pick) => pick.id), requests[index]!.continuations[c]);
            picks.forEach((pick, i) =>
              assertEquals([...prefix, ...path(row, pick.token)], [
                ...requests[index]!.prompt,
                ...requests[index]!.continuations[c]!.slice(0, i),
              ])
            );
          });
        }
      }
    }
  }
  assertEquals(seen.size, requests.length);
});

Deno.test("planBatches() keeps a batch under its budget of padded tokens", () => {
  for (const { batches } of planBatches(madeUp(300, 1, 0), 256)) {
    for (const { rows } of batches) {
      const padded = rows.length * Math.max(...rows.map((row) => row.tokens.length));
      assert(padded <= 256 || rows.length === 1, `${rows.length} rows make ${padded} padded tokens`);
    }
  }
});

Deno.test("planBatches() pads few tokens when lengths are mixed", () => {
  const batches = planBatches(madeUp(1000, 1, 0), 1024).flatMap((group) => group.batches);
  const real = (batch: Batch) => batch.rows.reduce((sum, row) => sum + row.tokens.length, 0);
  const padded = (batch: Batch) =>
    batch.rows.length * Math.max(...batch.rows.map((row) => row.tokens.length));
  const sum = (of: (batch: Batch) => number) => batches.reduce((total, batch) => total + of(batch), 0);
  assert(sum(real) / sum(padded) > 0.95, `only ${sum(real)} of ${sum(padded)} tokens are real`);
});

Deno.test("planBatches() computes a prefix once when it is shared by families of prompts", () => {
  const requests = madeUp(200, 4, 100);
  const groups = planBatches(requests, 1024);
  assertEquals(groups.length, 4);
  for (const group of groups) assert(group.prefix.length >= 100, `prefix of ${group.prefix.length}`);
});

Deno.test("planBatches() joins two prompts that part late into one row", () => {
  const stem = Array.from({ length: 50 }, (_, i) => i);
  const requests = [[100, 101], [102]].map((tail) => ({ prompt: [...stem, ...tail], continuations: [[7]] }));
  const rows = planBatches(requests, 1024).flatMap((group) => group.batches.flatMap((batch) => batch.rows));
  assertEquals(rows.map((row) => row.tokens.length), [53]);
});

Deno.test("planBatches() keeps rows with different edits in groups of their own", () => {
  const edit = { tap: "layers.0.mlp.gate", units: [1], op: "scale", value: 0 } as const;
  const [first, second] = madeUp(2, 1, 30) as [ScoreRequest, ScoreRequest];
  const groups = planBatches([first, { ...second, edits: [edit] }], 1024);
  assertEquals(groups.map((group) => group.edits), [[], [edit]]);
});
