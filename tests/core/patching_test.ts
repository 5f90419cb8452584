import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type Model,
  type RunRequest,
  type RunSample,
  type Tap,
  type Unit,
  UserError,
} from "../../core/mod.ts";
import { interchange, meanAblation, record, resampleAblation, setFrom } from "../../core/patching.ts";

const GATE: Tap = "layers.0.mlp.gate", HEAD: Tap = "layers.1.attn.head";
/** Units and columns of the two taps. */
const SIZES = { [GATE]: [3, 3], [HEAD]: [2, 4] } as Record<Tap, [number, number]>;

/** A model whose activation is 100 * token + 10 * tap + column, times `weight`; it can do nothing but observe. */
function observer(weight = 1) {
  const valueOf = (id: number, tap: Tap, column: number) =>
    weight * (100 * id + (tap === HEAD ? 10 : 0) + column);
  const rowsOf = ({ prompt, continuations = [] }: RunSample) => [
    ...prompt.map((id, position) => ({ id, position, isPrompt: true })),
    ...continuations.flatMap((ids) =>
      ids.slice(0, -1).map((id, i) => ({ id, position: prompt.length + i, isPrompt: false }))
    ),
  ];
  const run = (samples: readonly RunSample[], { observe = [] }: RunRequest = {}) =>
    Promise.resolve({
      objective: new Float64Array(0),
      tokens: 0,
      positions: samples.map((sample) => rowsOf(sample).map(({ position }) => position)),
      observed: observe.map((observation) => {
        const { tap, pool, over = "all" } = observation, columns = SIZES[tap]![1];
        const each = Array.from({ length: columns });
        return {
          observation,
          columns,
          values: samples.map((sample) => {
            const rows = rowsOf(sample).filter(({ isPrompt }) =>
              over === "all" || isPrompt === (over === "prompt")
            );
            const of = (id: number) => each.map((_, column) => valueOf(id, tap, column));
            if (pool === "none") return Float32Array.from(rows.flatMap(({ id }) => of(id)));
            assertEquals(pool, "sum");
            return Float64Array.from(each, (_, c) => rows.reduce((sum, { id }) => sum + of(id)[c]!, 0));
          }),
        };
      }),
    });
  return { run, units: (tap: Tap) => SIZES[tap]![0], info: { name: "watched" } as Model["info"] };
}

const UNITS: readonly Unit[] = [{ tap: HEAD, index: 1 }, { tap: GATE, index: 2 }, { tap: GATE, index: 0 }];

Deno.test("record() gives each sample's raw values with their positions, tap after tap", async () => {
  const [first, second] = await record(observer(), [{ prompt: [1, 2] }, {
    prompt: [3],
    continuations: [[4, 5]],
  }], [
    HEAD,
    GATE,
  ]);
  assertEquals(first, [
    { tap: HEAD, positions: [0, 1], values: Float32Array.of(110, 111, 112, 113, 210, 211, 212, 213) },
    { tap: GATE, positions: [0, 1], values: Float32Array.of(100, 101, 102, 200, 201, 202) },
  ]);
  assertEquals(second![1], {
    tap: GATE,
    positions: [0, 1],
    values: Float32Array.of(300, 301, 302, 400, 401, 402),
  });
});

Deno.test("record() refuses continuations whose tokens would share positions", async () => {
  const sample = { prompt: [1], continuations: [[2, 3], [4, 5]] };
  await assertRejects(
    () => record(observer(), [{ prompt: [1] }, sample], [GATE]),
    UserError,
    "Cannot record sample 2 on watched: 2 continuations, wanted one at most",
  );
});

Deno.test("setFrom() makes one edit a tap, its units ascending and each once", async () => {
  const [recordings] = await record(observer(), [{ prompt: [1, 2] }], [GATE, HEAD]);
  assertEquals(setFrom([...UNITS, UNITS[1]!], recordings!), [
    { tap: HEAD, units: [1], op: "set", from: recordings![1]! },
    { tap: GATE, units: [0, 2], op: "set", from: recordings![0]! },
  ]);
  assertThrows(
    () => setFrom(UNITS, recordings!.slice(1)),
    UserError,
    `Cannot patch ${GATE}: it was not recorded`,
  );
});

Deno.test("interchange() gives each sample what the source has on it", async () => {
  const edits = await interchange(observer(2), UNITS, [{ prompt: [1] }, { prompt: [3, 4] }]);
  assertEquals(edits[1]![1], {
    tap: GATE,
    units: [0, 2],
    op: "set",
    from: { tap: GATE, positions: [0, 1], values: Float32Array.of(600, 602, 604, 800, 802, 804) },
  });
  assertEquals(edits[0]![0]!.from!.values, Float32Array.of(220, 222, 224, 226));
});

Deno.test("meanAblation() weighs every token alike, whatever the length of its text", async () => {
  const reference = [{ prompt: [1, 2, 3] }, { prompt: [10] }];
  // (1 + 2 + 3 + 10) / 4, not the mean of 2 and 10.
  assertEquals(await meanAblation(observer(), UNITS, { reference }), [
    { tap: HEAD, units: [1], op: "set", value: [412, 413] },
    { tap: GATE, units: [0, 2], op: "set", value: [400, 402] },
  ]);
});

Deno.test("meanAblation() counts the tokens that `over` names", async () => {
  const reference = [{ prompt: [1, 3], continuations: [[7, 9, 5]] }], units = [{ tap: GATE, index: 0 }];
  const means = { all: 500, prompt: 200, completion: 800 };
  for (const [over, mean] of Object.entries(means)) {
    const [edit] = await meanAblation(observer(), units, { reference, over: over as keyof typeof means });
    assertEquals(edit!.value, [mean], over);
  }
  await assertRejects(
    () => meanAblation(observer(), units, { reference: [] }),
    UserError,
    "Cannot take means on watched: no token of the reference counts, wanted one",
  );
});

Deno.test("ablations and interchange() refuse a unit that the model lacks before they run it", async () => {
  const run = () => Promise.reject(new Error("computed")), model = { ...observer(), run };
  const samples = [{ prompt: [1] }, { prompt: [2] }];
  for (const index of [3, -1, 0.5]) {
    const units = [{ tap: GATE, index }];
    for (
      const task of [
        () => meanAblation(model, units, { reference: samples }),
        () => resampleAblation(model, units, { samples, seed: 0 }),
        () => interchange(model, units, samples),
      ]
    ) {
      await assertRejects(
        task,
        UserError,
        `Cannot record ${GATE} on watched: unit is ${index}, wanted a whole number in [0, 3)`,
      );
    }
  }
});

/** Which sample each takes from: its first token is its number. */
async function donors(count: number, seed: number): Promise<number[]> {
  const samples = Array.from({ length: count }, (_, i) => ({ prompt: [i, i] }));
  const edits = await resampleAblation(observer(), [{ tap: GATE, index: 0 }], { samples, seed });
  return edits.map(([edit]) => edit!.from!.values[0]! / 100);
}

Deno.test("resampleAblation() lets each sample give once and take from another, as the seed says", async () => {
  for (const count of [2, 3, 10]) {
    const drawn = await donors(count, 1);
    drawn.forEach((donor, i) => assertNotEquals(donor, i));
    assertEquals(new Set(drawn).size, count);
  }
  assertEquals(await donors(10, 7), await donors(10, 7));
  assertNotEquals(await donors(10, 7), await donors(10, 8));
  await assertRejects(
    () => donors(1, 0),
    UserError,
    "Cannot resample on watched: 1 samples, wanted two or more to take from one another",
  );
});

Deno.test("resampleAblation() draws every other sample alike", async () => {
  const counts = new Array(5).fill(0), seeds = 400;
  for (let seed = 0; seed < seeds; seed++) counts[(await donors(5, seed))[0]!]!++;
  // Four standard deviations of a binomial with p = 1/4 are 35.
  assertEquals(counts[0], 0);
  counts.slice(1).forEach((count) => assert(Math.abs(count - seeds / 4) < 35, `drawn ${count} times`));
});

Deno.test("resampleAblation() sets the positions that both texts have, counted from the start or from the end", async () => {
  const samples = [{ prompt: [1, 2, 3] }, { prompt: [8, 9] }], units = [{ tap: GATE, index: 0 }];
  const first = (edit: { from?: { positions: readonly number[]; values: Float32Array } }) => ({
    positions: edit.from!.positions,
    tokens: [...edit.from!.values].filter((_, i) => i % 3 === 0).map((value) => value / 100),
  });
  const ask = async (align: "start" | "end") =>
    (await resampleAblation(observer(), units, { samples, seed: 0, align })).map(([edit]) => first(edit!));
  const inBoth = [{ positions: [0, 1], tokens: [8, 9] }, { positions: [0, 1], tokens: [1, 2] }];
  assertEquals(await ask("start"), inBoth);
  assertEquals(await ask("end"), [{ positions: [1, 2], tokens: [8, 9] }, {
    positions: [0, 1],
    tokens: [2, 3],
  }]);
});
