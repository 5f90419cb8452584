import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { UserError } from "../../core/error.ts";
import type { Edit } from "../../core/model.ts";
import { safeName } from "../../core/plan.ts";
import { type Change, ENGINE, keys, MUTED, newLog, plan } from "../fake_plan.ts";
import { UNITS } from "../fake_model.ts";
import { testContext } from "../support.ts";

Deno.test("planRun() makes a cell for untouched, treated and each control set, in that order", async () => {
  const planned = await plan();
  assertEquals(planned.cells.map(({ arm }) => `${arm.treatment}/${arm.arm}`), [
    "untouched/treated",
    "muted/treated",
    ...[1, 2, 3, 4].map((set) => `muted/random ${set}`),
  ]);
  for (const { arm } of planned.cells.slice(2)) {
    const [edit] = arm.done.edits as unknown as readonly Edit[];
    assertEquals([edit?.tap, edit?.units.length, edit?.op, edit?.value], [
      "layers.0.mlp.gate",
      3,
      "scale",
      0,
    ]);
  }
});

Deno.test("planRun() gives a cell another key when anything that decides its outcomes changes", async () => {
  const [untouched = "", muted = ""] = keys(await plan());
  const changes: Change[] = [
    { matrix: { models: [{ use: "fake", params: { weights: "v" } }] } },
    { matrix: { benchmarks: [{ use: "riddles", params: { first: 1 } }] } },
    { limit: 5 },
    { tokenBudget: 100 },
    { engine: { ...ENGINE, plumbline: "0.0.1" } },
    { engine: { ...ENGINE, runtime: "fake 2" } },
  ];
  for (const change of changes) {
    assertNotEquals(keys(await plan(change))[0], untouched, JSON.stringify(change));
  }
  assertNotEquals(untouched, muted);
});

Deno.test("planRun() keeps a cell's key when only names, threads, paths or other cells change", async () => {
  const [untouched, muted] = keys(await plan());
  const changes: Change[] = [
    { matrix: { name: "other", models: [{ use: "fake", name: "label", params: { delayMs: 1 } }] } },
    { matrix: { benchmarks: [{ use: "riddles", name: "label" }] } },
    { matrix: { treatments: [{ ...MUTED, name: "hushed", controls: [] }] } },
    { context: testContext({ threads: 7, baseDir: "/elsewhere" }) },
    { engine: { ...ENGINE, deno: "9.9.9" } },
  ];
  for (const change of changes) {
    assertEquals(keys(await plan(change)).slice(0, 2), [untouched, muted], JSON.stringify(change));
  }
});

Deno.test("planRun() gives equal edits one key however they are written", async () => {
  const edit = (units: unknown) => ({ edit: { use: "mute", units } });
  const tap = "layers.0.mlp.gate";
  const spellings = [
    [edit([{ tap, units: [1, 2] }, { tap: "layers.1.mlp.gate", index: 0 }])],
    [edit([{ tap: "layers.1.mlp.gate", units: [0] }, { tap, index: 2 }, { tap, index: 1 }])],
    [edit([{ tap, index: 2 }]), edit([{ tap: "layers.1.mlp.gate", index: 0 }]), edit([{ tap, index: 1 }])],
  ];
  const found = await Promise.all(
    spellings.map(async (steps) => keys(await plan({ matrix: { treatments: [{ name: "x", steps }] } }))[1]),
  );
  assertEquals(new Set(found).size, 1);
  const treatments = spellings.slice(0, 2).map((steps, i) => ({ name: `t${i}`, steps }));
  await assertRejects(
    () => plan({ matrix: { treatments } }),
    UserError,
    'treatments "t0" and "t1" are the same',
  );
});

Deno.test("planRun() refuses what cannot be run before a model is opened", async () => {
  const steps = (units: unknown, use = "mute") => ({
    treatments: [{ name: "t", steps: [{ edit: { use, units } }] }],
  });
  const cases: [Record<string, unknown>, string][] = [
    [{ models: [{ use: "fakes" }] }, 'did you mean "fake"'],
    [{ models: [{ use: "fake", params: { weigths: "x" } }] }, 'did you mean "weights"'],
    [{ models: [{ use: "fake", params: { contextLength: 2 } }] }, "is 3 tokens, wanted at most 2"],
    [{ models: [{ use: "fake" }, { use: "fake", params: { delayMs: 1 } }] }, '"fake-w" stands twice'],
    [{ benchmarks: [{ use: "riddle" }] }, 'did you mean "riddles"'],
    [
      { benchmarks: [{ use: "riddles" }, { use: "riddles", params: { count: 24 } }] },
      '"riddles" stands twice',
    ],
    [{ benchmarks: [{ use: "riddles", params: { count: 0 } }] }, "it has no items"],
    [
      steps([{ tap: "layers.0.mlp.gate", index: UNITS }]),
      `unit 16 of layers.0.mlp.gate does not exist, wanted 0 to 15`,
    ],
    [steps([{ tap: "layers.9.mlp.gate", index: 0 }]), "the model has no such tap"],
    [steps([{ tap: "layers.0.mlp.gate", index: 0 }], "mut"), 'did you mean "mute"'],
    [steps("missing.json"), "Cannot read units /m/missing.json"],
  ];
  for (const [matrix, message] of cases) {
    const log = newLog();
    await assertRejects(() => plan({ matrix, log }), UserError, message);
    assertEquals(log.opened, []);
  }
});

Deno.test("planRun() names one benchmark that stands twice by the params that differ", async () => {
  const benchmarks = [{ use: "riddles" }, { use: "riddles", params: { first: 50 } }];
  const planned = await plan({ matrix: { benchmarks } });
  assertEquals(planned.benchmarks.map(({ record }) => record.label), [
    "riddles (first=0)",
    "riddles (first=50)",
  ]);
});

Deno.test("safeName() leaves no path, no hidden file and no empty name", () => {
  assertEquals(safeName("food silenced"), "food-silenced");
  assertEquals(safeName("../../etc/passwd"), "etc-passwd");
  assertEquals(safeName("///"), "run");
  assertEquals(safeName("Überblick (a=1)"), "Überblick-a-1");
});

Deno.test("planRun() gives a run another id when its results would differ, though its cells are the same", async () => {
  const { id, cells, limit } = await plan();
  const all = cells[0]!.benchmark.items.length;
  const changes: Change[] = [{ matrix: { seed: 1, treatments: [] } }, {
    matrix: { seed: 0, treatments: [] },
  }];
  const [seeded, unseeded] = await Promise.all(changes.map((change) => plan(change)));
  assertEquals(seeded!.cells.map((cell) => cell.key), unseeded!.cells.map((cell) => cell.key));
  assertNotEquals(seeded!.id, unseeded!.id);
  assertNotEquals((await plan({ limit: 5 })).id, id);
  // A limit that leaves nothing out is none: the run stays what it was, and may be reported.
  const generous = await plan({ limit: all + 1 });
  assertEquals([generous.id, generous.limit, limit], [id, null, null]);
  // Texts that a control grows by are shortened too, where the benchmark's own items are fewer.
  const on = { use: "riddles", params: { first: 30, count: 6 } };
  const grown = {
    benchmarks: [{ use: "riddles", params: { first: 0, count: 3 } }],
    treatments: [{ ...MUTED, controls: [{ use: "matchedDamage", on }] }],
  };
  assertEquals((await plan({ matrix: grown, limit: 4 })).limit, 4);
  assertEquals((await plan({ matrix: grown, limit: 6 })).limit, null);
});
