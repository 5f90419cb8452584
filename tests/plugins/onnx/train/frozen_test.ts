/** Units that training must not touch, and examples that may touch some alone. */
import { assert, assertEquals } from "@std/assert";
import type { Trained, Unit } from "../../../../core/mod.ts";
import { folder } from "../gradients_golden.ts";
import { open } from "../open.ts";
import { caseOf, refusal, trainerOf } from "./training_golden.ts";

/** Sizes of tests/goldens/gradients/gqa. */
const HEAD = 8, LAYER = "model.layers.1.";
const FROZEN: readonly Unit[] = [
  { tap: "layers.1.mlp.act", index: 3 },
  { tap: "layers.1.mlp.gate", index: 79 },
  { tap: "layers.1.mlp.out", index: 5 },
  { tap: "layers.1.attn.head", index: 2 },
  { tap: "layers.1.attn.k", index: 1 },
  { tap: "layers.1.attn.out", index: 47 },
];
/** Entries of [out, in] weights that the units above own, after 1.13 of the methods: rows of gate and up and columns of down ... */
const OWNED: Readonly<Record<string, (row: number, column: number) => boolean>> = {
  "mlp.gate_proj": (row) => row === 3 || row === 79,
  "mlp.up_proj": (row) => row === 3 || row === 79,
  "mlp.down_proj": (row, column) => column === 3 || column === 79 || row === 5,
  "self_attn.q_proj": (row) => Math.floor(row / HEAD) === 2,
  "self_attn.o_proj": (row, column) => Math.floor(column / HEAD) === 2 || row === 47,
  "self_attn.k_proj": (row) => row === 1,
  "self_attn.v_proj": () => false,
};
const TARGETS = ["attn.q", "attn.k", "attn.v", "attn.out", "mlp.gate", "mlp.up", "mlp.out"];

interface Matrix {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

/** B A */
function product(b: Matrix, a: Matrix): Matrix {
  const [rows, rank] = b.shape as [number, number], columns = a.shape[1]!;
  const values = Float64Array.from({ length: rows * columns }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < rank; k++) {
      sum += b.values[Math.floor(i / columns) * rank + k]! * a.values[k * columns + i % columns]!;
    }
    return sum;
  });
  return { shape: [rows, columns], values };
}

/** How each projection of layer 1 changes in five updates. */
async function changes(
  parameters: Trained,
  more: Parameters<typeof trainerOf>[2],
): Promise<Map<string, Matrix>> {
  await using model = await open(folder("gqa"));
  await using trainer = await trainerOf(model, caseOf("lora"), {
    parameters,
    optimizer: { learningRate: 0.01, weightDecay: 0.1, clip: 0.5 },
    schedule: { kind: "constant" },
    steps: 5,
    ...more,
  });
  const start = new Map([...trainer.values()].map(([name, { values }]) => [name, values.slice()]));
  for await (const _ of trainer.run());
  const out = Deno.makeTempDirSync();
  await trainer.save(out); // asserts that what is frozen is as it was
  Deno.removeSync(out, { recursive: true });
  const now = trainer.values();
  return new Map(
    Object.keys(OWNED).map((module) => {
      const name = `${LAYER}${module}`;
      if (parameters.kind === "lora") {
        return [module, product(now.get(`${name}.lora_B.weight`)!, now.get(`${name}.lora_A.weight`)!)];
      }
      const { shape, values } = now.get(`${name}.weight`)!, first = start.get(`${name}.weight`)!;
      return [module, { shape, values: values.map((value, i) => value - first[i]!) }];
    }),
  );
}

for (
  const parameters of [
    { kind: "full", blocks: ["layers.1.mlp", "layers.1.attn"] },
    { kind: "lora", targets: TARGETS, rank: 4, alpha: 8 },
  ] satisfies Trained[]
) {
  Deno.test(`frozen units receive exactly no update and all else does: ${parameters.kind}`, async () => {
    for (const [module, { shape: [, columns], values }] of await changes(parameters, { frozen: FROZEN })) {
      const owned = Array.from(values, (_, i) => OWNED[module]!(Math.floor(i / columns!), i % columns!));
      assert(
        owned.every((isOwned, i) => !isOwned || values[i] === 0),
        `${module}: a frozen number has changed`,
      );
      const moved = owned.filter((isOwned, i) => !isOwned && values[i] !== 0).length;
      assertEquals(moved, owned.filter((isOwned) => !isOwned).length, `${module}: what is not frozen moves`);
    }
  });
}

Deno.test("examples of a group reach their units alone, others everything", async () => {
  const parameters: Trained = { kind: "full", blocks: ["layers.1.mlp", "layers.1.attn"] };
  const examples = caseOf("lora").examples.map((example) => ({ ...example, group: "masked" }));
  const reach = { masked: FROZEN }, optimizer = { learningRate: 0.01 };
  for (
    const [module, { shape: [, columns], values }] of await changes(parameters, {
      examples,
      reach,
      optimizer,
    })
  ) {
    Array.from(values).forEach((value, i) => {
      const owned = OWNED[module]!(Math.floor(i / columns!), i % columns!);
      assertEquals(value !== 0, owned, `${module} ${i}`);
    });
  }
  const more = [...examples, { prompt: [4], completion: [9] }];
  const both = await changes(parameters, { examples: more, reach, optimizer });
  assert(
    Array.from(both.get("self_attn.v_proj")!.values).some((value) => value !== 0),
    "the other example reaches all",
  );
});

Deno.test("units that nothing trained belongs to are refused, as are those of no projection", async () => {
  await using model = await open(folder("gqa"));
  const parameters: Trained = { kind: "lora", targets: ["attn.q"], rank: 2, alpha: 2 };
  const refused = (frozen: readonly Unit[]) =>
    refusal(() => trainerOf(model, caseOf("lora"), { parameters, frozen }));
  assert(
    (await refused([{ tap: "layers.1.mlp.act", index: 3 }])).startsWith(
      "Cannot train gqa: nothing that is trained belongs to unit 3 of layers.1.mlp.act",
    ),
  );
  assert((await refused([{ tap: "layers.1.resid_post", index: 3 }])).includes("has no rows or columns"));
  assert((await refused([{ tap: "layers.1.attn.q", index: 48 }])).includes("wanted one in [0, 48)"));
  const reach = { food: [{ tap: "layers.1.attn.q", index: 4 }] } as const;
  const low = await refusal(() => trainerOf(model, caseOf("lora"), { parameters, reach }));
  assert(
    low.startsWith('Cannot train gqa: examples of group "food" reach units alone and parameters are "lora"'),
  );
});

Deno.test("of a unit that is reached where one projection is trained, that projection's numbers alone change", async () => {
  await using model = await open(folder("gqa"));
  const examples = caseOf("lora").examples.map((example) => ({ ...example, group: "masked" }));
  await using trainer = await trainerOf(model, caseOf("lora"), {
    parameters: { kind: "full", blocks: ["layers.1.mlp.out"] },
    optimizer: { learningRate: 0.01 },
    schedule: { kind: "constant" },
    steps: 3,
    examples,
    reach: { masked: [{ tap: "layers.1.mlp.gate", index: 79 }] },
  });
  const [name, ...others] = [...trainer.values().keys()];
  assertEquals([name, ...others], [`${LAYER}mlp.down_proj.weight`]);
  const before = trainer.values().get(name!)!.values.slice();
  for await (const _ of trainer.run());
  const { values, shape: [, columns] } = trainer.values().get(name!)!;
  values.forEach((value, i) => assertEquals(value !== before[i], i % columns! === 79));
});
