/** Scores and selected units beside those of CULNIG's published program, run on the same samples of a tiny random model (goldens/make_culnig.py). */
import { assert, assertEquals } from "@std/assert";
import type { ScoredItem, ScorerInput, Unit, UnitScores } from "../../../core/mod.ts";
import { computeScores } from "../../../core/scoring.ts";
import { selectUnits } from "../../../core/select.ts";
import { culnig } from "../../../plugins/culnig/scorer.ts";
import { open } from "../onnx/open.ts";

const GOLDENS = new URL("../../goldens/", import.meta.url).pathname;

interface Sample {
  readonly country: string;
  readonly ids: readonly number[];
  readonly target: number;
}

interface Found {
  /** By group and unit, "mlp.gate_proj_0_3". */
  readonly scores: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly selected: Readonly<Record<string, readonly string[]>>;
}

const golden: {
  readonly shares: Readonly<Record<"mlp" | "attention" | "names" | "specific" | "z", number>>;
  readonly samples: Readonly<Record<"items" | "control" | "names", readonly Sample[]>>;
  readonly padded: Found;
  readonly single: Found;
} = JSON.parse(Deno.readTextFileSync(`${GOLDENS}culnig.json`));

/** Sums of some dozens of float32 products; scores of one kind are compared with the largest among them, as gradients are. */
const RELATIVE = 1e-4;

const MODULES: Readonly<Record<string, string>> = {
  "mlp.gate": "mlp.gate_proj",
  "attn.q": "self_attn.q_proj",
  "attn.k": "self_attn.k_proj",
  "attn.v": "self_attn.v_proj",
};

function nameOf({ tap, index }: Unit): string {
  const [, layer, site] = /^layers\.(\d+)\.(.+)$/.exec(tap)!;
  return `${MODULES[site!]}_${layer}_${index}`;
}

function itemsOf(set: string, samples: readonly Sample[]): ScoredItem[] {
  return samples.map(({ country, ids, target }, i) => ({
    id: `${set}/${i}`,
    group: country,
    prompt: ids,
    continuations: [[target]],
    gold: 0,
  }));
}

async function scoresOf(paperCompat: boolean): Promise<UnitScores> {
  await using model = await open(`${GOLDENS}gradients/gqa`);
  const input: ScorerInput<ReturnType<typeof culnig.params.parse>> = {
    params: culnig.params.parse({ paperCompat }),
    items: Object.fromEntries(
      Object.entries(golden.samples).map(([set, samples]) => [set, itemsOf(set, samples)]),
    ),
    model,
    seed: 0,
  };
  const { scores } = await computeScores(culnig, input, { model, signal: new AbortController().signal });
  return scores;
}

const { shares } = golden;
const ATTENTION = ["attn.q", "attn.k", "attn.v"] as const;
const take = { per: "all", order: "highest" } as const;

function selected(scores: UnitScores, name: string): string[] {
  const units = name === "general"
    ? [
      { top: shares.mlp, sites: ["mlp.gate" as const] },
      { top: shares.attention, sites: [...ATTENTION] },
    ].flatMap((pool) =>
      selectUnits(scores, {
        ...take,
        ...pool,
        group: "general",
        without: { group: "names", top: shares.names },
      }).units
    )
    : selectUnits(scores, {
      ...take,
      top: shares.specific,
      group: `country/${name}`,
      without: { group: `names/${name}`, top: shares.names },
      standout: { z: shares.z, among: "country/" },
    }).units;
  return units.map(nameOf).sort();
}

for (const kind of ["padded", "single"] as const) {
  const what = kind === "padded"
    ? "paperCompat gives, in batches of 16 with padding as 0,"
    : "culnig gives, without padding,";

  Deno.test(`${what} the scores and the units of the published program`, async () => {
    const scores = await scoresOf(kind === "padded"), found = golden[kind];
    for (const [group, wanted] of Object.entries(found.scores)) {
      const own = new Map(
        [...scores.get(group)!].flatMap(([tap, values]) =>
          Array.from(values, (value, index) => [nameOf({ tap, index }), value] as const)
        ),
      );
      assertEquals([...own.keys()].sort(), Object.keys(wanted).sort());
      const largest = Math.max(...Object.values(wanted).map(Math.abs));
      for (const [name, value] of Object.entries(wanted)) {
        const gap = Math.abs(own.get(name)! - value);
        assert(gap <= RELATIVE * largest, `${group} ${name}: ${own.get(name)} beside ${value}`);
      }
    }
    for (const [name, wanted] of Object.entries(found.selected)) {
      assert(wanted.length > 20);
      assertEquals(selected(scores, name), wanted, name);
    }
  });
}

Deno.test("padding changes scores, so that paperCompat says something", () => {
  assert(JSON.stringify(golden.padded.scores) !== JSON.stringify(golden.single.scores));
});
