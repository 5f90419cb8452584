/**
 * Agreement with the authors' program: its scores and selected units for the same samples on a tiny random model, as tests/goldens/make_culnig.py
 * has had the published code compute them, padded in batches as it does and one by one.
 */
import {
  type Check,
  computeScores,
  type Model,
  type ScoredItem,
  type ScorerInput,
  selectUnits,
  type Unit,
  type UnitScores,
} from "../../core/mod.ts";
import { culnig } from "./scorer.ts";

const GOLDEN = "tests/goldens/culnig.json", MODEL = "tests/goldens/gradients/gqa";

interface Sample {
  readonly country: string;
  readonly ids: readonly number[];
  readonly target: number;
}

/** What the program gave. */
export interface Published {
  /** By group and unit, "mlp.gate_proj_0_3". */
  readonly scores: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly selected: Readonly<Record<string, readonly string[]>>;
}

export interface Golden {
  readonly shares: Readonly<Record<"mlp" | "attention" | "names" | "specific" | "z", number>>;
  readonly samples: Readonly<Record<"items" | "control" | "names", readonly Sample[]>>;
  readonly padded: Published;
  readonly single: Published;
}

const MODULES: Readonly<Record<string, string>> = {
  "mlp.gate": "mlp.gate_proj",
  "attn.q": "self_attn.q_proj",
  "attn.k": "self_attn.k_proj",
  "attn.v": "self_attn.v_proj",
};

/** A unit as the program writes it: "mlp.gate_proj_13_4021". */
export function keyOf({ tap, index }: Unit): string {
  const [, layer, site] = /^layers\.(\d+)\.(.+)$/.exec(tap)!;
  return `${MODULES[site!]}_${layer}_${index}`;
}

/** Scores of the golden's samples. */
export async function scoresOf({ samples }: Golden, model: Model, paperCompat: boolean): Promise<UnitScores> {
  const input: ScorerInput<ReturnType<typeof culnig.params.parse>> = {
    params: culnig.params.parse({ paperCompat }),
    items: Object.fromEntries(
      Object.entries(samples).map(([set, list]) => [
        set,
        list.map(({ country, ids, target }, i): ScoredItem => ({
          id: `${set}/${i}`,
          group: country,
          prompt: ids,
          continuations: [[target]],
          gold: 0,
        })),
      ]),
    ),
    model,
    seed: 0,
  };
  const { scores } = await computeScores(culnig, input, { model, signal: new AbortController().signal });
  return scores;
}

/** Units of the general set or of a country's, by the golden's shares, sorted by name. */
export function selectedIn(scores: UnitScores, name: string, { shares }: Golden): string[] {
  const take = { per: "all", order: "highest" } as const;
  const rules = name === "general"
    ? ([[shares.mlp, ["mlp.gate"]], [shares.attention, ["attn.q", "attn.k", "attn.v"]]] as const).map((
      [top, sites],
    ) => ({
      ...take,
      top,
      sites: [...sites],
      group: "general",
      without: { group: "names", top: shares.names },
    }))
    : [{
      ...take,
      top: shares.specific,
      group: `country/${name}`,
      without: { group: `names/${name}`, top: shares.names },
      standout: { z: shares.z, among: "country/" },
    }];
  return rules.flatMap((rule) => selectUnits(scores, rule).units).map(keyOf).sort();
}

/** The largest gap between scores and the program's, over the largest of a group. */
export function gapOf(scores: UnitScores, { scores: published }: Published): number {
  return Math.max(
    ...Object.entries(published).map(([group, wanted]) => {
      const own = new Map(
        [...scores.get(group)!].flatMap(([tap, values]) =>
          Array.from(values, (value, index) => [keyOf({ tap, index }), value] as const)
        ),
      );
      const largest = Math.max(...Object.values(wanted).map(Math.abs));
      return Math.max(...Object.entries(wanted).map(([key, value]) => Math.abs(own.get(key)! - value))) /
        largest;
    }),
  );
}

export const agreement: Check = {
  name: "the authors' program selects the same units for the same samples, one for one",
  source: "github.com/ynklab/CULNIG on a tiny random model, padded and one by one",
  async run({ read, open }) {
    const golden = JSON.parse(await read(GOLDEN)) as Golden;
    await using model = await open(MODEL);
    let [differing, n] = [0, 0];
    for (const kind of ["padded", "single"] as const) {
      const scores = await scoresOf(golden, model, kind === "padded");
      for (const [name, wanted] of Object.entries(golden[kind].selected)) {
        const own = selectedIn(scores, name, golden);
        differing += own.filter((key) => !wanted.includes(key)).length +
          wanted.filter((key) => !own.includes(key)).length;
        n += wanted.length;
      }
    }
    return { value: differing, bound: 0, passes: "exactly", n, what: "units in one selection alone" };
  },
};
