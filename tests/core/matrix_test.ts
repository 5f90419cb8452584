import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../core/error.ts";
import { matrixJsonSchema, parseMatrix } from "../../core/matrix.ts";
import { parseUnitsFile } from "../../core/units.ts";

const MINIMAL = { version: 1, models: [{ use: "fake" }], benchmarks: [{ use: "riddles" }] };

function parse(change: Record<string, unknown>) {
  return parseMatrix(JSON.stringify({ ...MINIMAL, ...change }), "demo.json");
}

function message(run: () => unknown): string {
  return (assertThrows(run, UserError) as UserError).message;
}

const treatment = (more: Record<string, unknown> = {}, edit: Record<string, unknown> = {}) => ({
  name: "muted",
  steps: [{ edit: { use: "mute", units: [{ tap: "layers.0.mlp.gate", index: 1 }], ...edit } }],
  ...more,
});

Deno.test("parseMatrix() writes every default out", () => {
  const control = { use: "random", match: "tap" };
  assertEquals(parse({ treatments: [treatment({ controls: [control] })] }), {
    hypotheses: [],
    gates: [],
    version: 1,
    seed: 0,
    allowLeakage: false,
    models: [{ use: "fake", params: {} }],
    benchmarks: [{ use: "riddles", params: {}, optional: false }],
    treatments: [{
      name: "muted",
      steps: [{ edit: { use: "mute", params: {}, units: [{ tap: "layers.0.mlp.gate", index: 1 }] } }],
      controls: [{ use: "random", match: "tap", sets: 200, stopAt: 10, exclude: false }],
    }],
  });
});

Deno.test("parseMatrix() names an unknown key at any depth, its place and the nearest key", () => {
  const start = "Cannot read matrix demo.json: unknown key";
  assertEquals(
    message(() => parse({ benchmarkz: [] })),
    `${start} "benchmarkz" at top level, did you mean "benchmarks"`,
  );
  assertEquals(
    message(() => parse({ models: [{ use: "fake" }, { usr: "fake" }] })),
    `${start} "usr" at models[1], did you mean "use"`,
  );
  assertEquals(
    message(() => parse({ treatments: [treatment({}, { unitz: "x" })] })),
    `${start} "unitz" at treatments[0].steps[0].edit, did you mean "units"`,
  );
  assertEquals(
    message(() => parse({ treatments: [treatment({}, { units: [{ tap: "embed", indx: 1 }] })] })),
    `${start} "indx" at treatments[0].steps[0].edit.units[0], did you mean "index"`,
  );
  assertEquals(
    message(() =>
      parse({ treatments: [treatment({ controls: [{ use: "random", match: "tap", set: 3 }] })] })
    ),
    `${start} "set" at treatments[0].controls[0], did you mean "sets"`,
  );
});

Deno.test("parseMatrix() refuses wrong values in one line that says where", () => {
  for (
    const [change, place] of [
      [{ version: 2 }, "version"],
      [{ seed: 0.5 }, "seed"],
      [
        { treatments: [treatment({ controls: [{ use: "random", match: "tap", sets: 0 }] })] },
        "controls[0].sets",
      ],
      [{ treatments: [treatment({}, { units: [{ tap: "layers.0.mlp.gates", index: 1 }] })] }, "units[0].tap"],
      [{ treatments: [treatment({}, { units: [{ tap: "embed" }] })] }, "units[0]"],
    ] as const
  ) {
    const text = message(() => parse(change));
    assertEquals(text.startsWith("Cannot read matrix demo.json: ") && text.endsWith(place), true, text);
    assertEquals(text.includes("\n"), false);
  }
  assertEquals(message(() => parseMatrix("{", "x.json")).startsWith("Cannot read matrix x.json: "), true);
});

const EDIT = { edit: { use: "mute" } };
const SCORE = { score: { use: "loudness", on: { items: { use: "riddles" } } } };
const SELECT = { select: { top: 0.1 } };
const steps = (...list: readonly unknown[]) => ({ treatments: [{ name: "found", steps: list }] });

Deno.test("parseMatrix() reads score and select with their defaults", () => {
  const [found] = parse(steps(SCORE, SELECT, EDIT)).treatments;
  assertEquals(found?.steps, [
    { score: { use: "loudness", params: {}, on: { items: { use: "riddles", params: {} } } } },
    { select: { top: 0.1, per: "all", order: "highest" } },
    { edit: { use: "mute", params: {} } },
  ]);
});

Deno.test("parseMatrix() refuses steps that do not follow from one another", () => {
  const given = { edit: { use: "mute", units: [{ tap: "embed", index: 0 }] } };
  const cases: [readonly unknown[], string][] = [
    [[SCORE], "scores units and selects none, wanted a select after the score"],
    [[SCORE, given], "scores units and selects none"],
    [[SCORE, SCORE, SELECT, EDIT], "scores units and selects none"],
    [[SCORE, SELECT], "selects units that nothing edits, wanted an edit without units"],
    [[SCORE, SELECT, given], ": the edit names units and a select precedes it, wanted one of the two"],
    [[SCORE, SELECT, SELECT, EDIT], "selects units that nothing edits"],
    [[SELECT, EDIT], "selects before anything is scored, wanted a score before it"],
    [[EDIT], 'has an edit without units, wanted "units", or a score and a select before it'],
    [[given, EDIT], "has an edit without units"],
    [[SCORE, EDIT], "has an edit without units"],
  ];
  for (const [list, state] of cases) {
    assertEquals(
      message(() => parse(steps(...list))).startsWith(
        `Cannot read matrix demo.json: treatment "found"${state.startsWith(":") ? "" : " "}${state}`,
      ),
      true,
      message(() => parse(steps(...list))),
    );
  }
  for (const list of [[SCORE, SELECT, EDIT, SELECT, EDIT], [SCORE, SELECT, given, EDIT, EDIT]]) {
    assertEquals(parse(steps(...list)).treatments[0]?.steps.length, 5);
  }
});

Deno.test("parseMatrix() refuses a step of no kind or of two, and a top that is neither share nor number", () => {
  const start = "Cannot read matrix demo.json:";
  for (const step of [{}, { ...SCORE, ...SELECT }]) {
    assertEquals(
      message(() => parse(steps(step))),
      `${start} wanted one of score, select, edit, tune and open at treatments[0].steps[0]`,
    );
  }
  assertEquals(
    message(() => parse(steps(SCORE, { select: { top: 1, sites: ["mlp.gaet"] } }, EDIT))),
    `${start} unknown value "mlp.gaet" at treatments[0].steps[1].select.sites[0], did you mean "mlp.gate"`,
  );
  assertEquals(
    message(() => parse(steps(SCORE, { select: { top: 1, per: 2 } }, EDIT))),
    `${start} wanted one of "all", "tap", "site" at treatments[0].steps[1].select.per`,
  );
  assertEquals(
    message(() => parse(steps())),
    `${start} empty list at treatments[0].steps, wanted one entry or more`,
  );
  for (const top of [5.5, 0, -1, "all"]) {
    assertEquals(
      message(() => parse(steps(SCORE, { select: { top } }, EDIT))),
      `${start} top is ${JSON.stringify(top)}, wanted a share in (0, 1) or a whole number of units from 1 ` +
        "at treatments[0].steps[1].select.top",
    );
  }
  assertEquals(
    message(() => parse(steps({ score: { use: "x", on: { items: { use: "riddles", parms: {} } } } }))),
    `${start} unknown key "parms" at treatments[0].steps[0].score.on.items, did you mean "params"`,
  );
});

const IMPORTANT = {
  use: "scored",
  name: "important",
  match: "tap",
  score: { use: "loudness", on: { items: { use: "riddles" } } },
};

Deno.test("parseMatrix() reads scored and identity controls with their defaults", () => {
  const [read] =
    parse({ treatments: [treatment({ controls: [IMPORTANT, { use: "identity" }] })] }).treatments;
  assertEquals(read?.controls, [
    {
      ...IMPORTANT,
      score: { use: "loudness", params: {}, on: { items: { use: "riddles", params: {} } } },
      select: { order: "highest" },
      exclude: true,
    } as never,
    { use: "identity" },
  ]);
});

Deno.test("parseMatrix() refuses a control of no kind, keys of another kind, and names that are taken", () => {
  const cases: [readonly Record<string, unknown>[], string][] = [
    [
      [{ ...IMPORTANT, use: "scord" }],
      'unknown value "scord" at treatments[0].controls[0].use, did you mean "scored"',
    ],
    [
      [{ match: "tap" }],
      'wanted one of "random", "scored", "important", "otherTask", "matchedDamage", "prompt", "identity", "shuffled", "tuned" at treatments[0].controls[0].use',
    ],
    [[{ ...IMPORTANT, nam: "x" }], 'unknown key "nam" at treatments[0].controls[0], did you mean "name"'],
    [[{ ...IMPORTANT, sets: 3 }], 'unknown key "sets" at treatments[0].controls[0]'],
    [[{ ...IMPORTANT, select: { top: 3 } }], 'unknown key "top" at treatments[0].controls[0].select'],
    [[{ use: "identity", exclude: true }], 'unknown key "exclude" at treatments[0].controls[0]'],
    ...["untouched", "treated", "identity", "random", "random 3", "seed 1", "shuffled", "shuffled, seed 1"]
      .map((name): [
        readonly Record<string, unknown>[],
        string,
      ] => [
        [{ ...IMPORTANT, name }],
        `the name "${name}" is that of another arm, wanted another at treatments[0].controls[0].name`,
      ]),
    [[{ use: "identity" }, { use: "identity" }], 'control of "muted" "identity" stands twice'],
    [[IMPORTANT, { ...IMPORTANT, name: "again" }], 'control of "muted" "scored" stands twice'],
    [[IMPORTANT, { ...IMPORTANT, match: "count" }], 'control "important" of "muted" stands twice'],
  ];
  for (const [controls, state] of cases) {
    const text = message(() => parse({ treatments: [treatment({ controls })] }));
    assertEquals(text.startsWith(`Cannot read matrix demo.json: ${state}`), true, text);
  }
});

Deno.test("parseMatrix() refuses a training that does anything else, and seeds or trained controls without one", () => {
  const tune = { tune: { use: "fine_tune", on: { items: { use: "riddles" } } } };
  const given = { edit: { use: "mute", units: [{ tap: "embed", index: 0 }] } };
  const cases: [Record<string, unknown>, string][] = [
    [{ steps: [tune, given] }, "has a tune step among 2 steps, wanted it alone"],
    [{ steps: [tune, tune] }, "has a tune step among 2 steps, wanted it alone"],
    [{ steps: [given], seeds: [0, 1] }, "has seeds and no tune step, wanted seeds of a training alone"],
    [{ steps: [tune], seeds: [0, 1, 0] }, "has the seed 0 twice, wanted it once"],
    [
      { steps: [tune], curve: { over: "strength", at: [1, 2] } },
      "trains and has a curve, wanted one of edits",
    ],
    [
      { steps: [tune], controls: [{ use: "identity" }] },
      "trains, and its control identity edits units, wanted shuffled, otherTask, tuned or prompt",
    ],
    [
      { steps: [given], controls: [{ use: "shuffled" }] },
      "edits units, and its control shuffled trains, wanted one that edits units too",
    ],
  ];
  for (const [change, state] of cases) {
    assertEquals(
      message(() => parse({ treatments: [{ name: "taught", ...change }] })),
      `Cannot read matrix demo.json: treatment "taught" ${state}`,
    );
  }
  const [read] = parse({ treatments: [{ name: "taught", steps: [tune], seeds: [3, 1] }] }).treatments;
  assertEquals(read?.seeds, [3, 1]);
});

Deno.test("parseMatrix() refuses an open step that does anything else, or nothing", () => {
  const open = { open: { precision: "int8" } };
  const given = { edit: { use: "mute", units: [{ tap: "embed", index: 0 }] } };
  const cases: [Record<string, unknown>, string][] = [
    [{ steps: [open, given] }, "has an open step among 2 steps, wanted it alone"],
    [{ steps: [open], seeds: [0] }, "has seeds and no tune step, wanted seeds of a training alone"],
    [
      { steps: [open], curve: { over: "strength", at: [1, 2] } },
      "opens the model otherwise and has a curve, wanted one of edits",
    ],
    [
      { steps: [open], controls: [{ use: "identity" }] },
      "opens the model otherwise, and its control identity edits units or trains, wanted prompt",
    ],
    [
      { steps: [open], controls: [{ use: "shuffled" }] },
      "opens the model otherwise, and its control shuffled edits units or trains, wanted prompt",
    ],
  ];
  for (const [change, state] of cases) {
    assertEquals(
      message(() => parse({ treatments: [{ name: "coarse", ...change }] })),
      `Cannot read matrix demo.json: treatment "coarse" ${state}`,
    );
  }
  assertEquals(
    message(() => parse(steps({ open: {} }))),
    "Cannot read matrix demo.json: wanted one param at least at treatments[0].steps[0].open",
  );
});

Deno.test("parseMatrix() refuses what stands twice", () => {
  const names = [
    { models: [{ use: "fake" }, { use: "fake", name: "again" }] },
    { benchmarks: [{ use: "riddles" }, { use: "riddles", params: {} }] },
    { treatments: [treatment(), treatment({}, { use: "other" })] },
    {
      treatments: [
        treatment({ controls: [{ use: "random", match: "tap" }, { use: "random", match: "tap" }] }),
      ],
    },
  ];
  for (const change of names) {
    const text = message(() => parse(change));
    assertEquals(text.endsWith("stands twice, wanted once"), true, text);
  }
  const text = message(() => parse({ treatments: [treatment({ name: "untouched" })] }));
  assertEquals(text.includes('"untouched" is the unedited model'), true, text);
});

Deno.test("parseUnitsFile() reads groups, single units and CULNIG's keys", () => {
  const units = [{ tap: "layers.1.mlp.gate", units: [3, 7] }, { tap: "layers.2.attn.head", index: 0 }];
  assertEquals(parseUnitsFile(JSON.stringify({ units, notes: "mine" }), "u.json"), [
    { tap: "layers.1.mlp.gate", index: 3 },
    { tap: "layers.1.mlp.gate", index: 7 },
    { tap: "layers.2.attn.head", index: 0 },
  ]);
  assertEquals(parseUnitsFile('["mlp.gate_proj_13_4021", "self_attn.q_proj_0_5"]', "u.json"), [
    { tap: "layers.13.mlp.gate", index: 4021 },
    { tap: "layers.0.attn.q", index: 5 },
  ]);
});

Deno.test("parseUnitsFile() names the file, the entry and what is wrong with it", () => {
  const cases = [
    [
      '["mlp.gate_prj_1_2"]',
      'Cannot read units u.json: "mlp.gate_prj_1_2" names no unit, did you mean "mlp.gate_proj"',
    ],
    ['["x"]', 'Cannot read units u.json: "x" names no unit, wanted MODULE_LAYER_INDEX'],
    [
      '["mlp.up_proj_1_2", {"tap": "layers.1.mlp.up", "index": 2}]',
      "unit 2 of layers.1.mlp.up stands twice, wanted once",
    ],
    ['{"units": [{"tap": "embed", "indx": 1}]}', 'unknown key "indx" at units[0], did you mean "index"'],
  ] as const;
  for (const [text, wanted] of cases) {
    const said = message(() => parseUnitsFile(text, "u.json"));
    assertEquals(said.includes(wanted), true, said);
  }
});

Deno.test("matrixJsonSchema() is what core/matrix.schema.json holds", () => {
  const published = Deno.readTextFileSync(new URL("../../core/matrix.schema.json", import.meta.url));
  assertEquals(JSON.parse(published), JSON.parse(matrixJsonSchema()));
});
