import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  effectiveClusterSize,
  intraclassCorrelation,
  itemsNeeded,
  smallestBinaryChange,
  smallestDetectable,
} from "../../../core/stats/power.ts";
import golden from "../../goldens/power.json" with { type: "json" };

/** Relative: statsmodels' own power at the golden's answer is right to 1e-10, and a size's relative error is a few times a power's. */
const TOLERANCE = 1e-6;
const sidesOf = (sides: number) => sides === 1 ? 1 : 2;

Deno.test("itemsNeeded() equals statsmodels by t and normal, on one side and two, with clusters and without", () => {
  for (const { t, normal, sides, ...design } of golden.needed) {
    for (const [by, clusters] of [["t", t], ["normal", normal]] as const) {
      const found = itemsNeeded({ ...design, sides: sidesOf(sides), by });
      assertAlmostEquals(
        found.exact / Math.max(2, clusters),
        1,
        TOLERANCE,
        JSON.stringify({ ...design, sides, by }),
      );
      assertEquals(found.clusters, Math.max(2, Math.ceil(clusters)));
      assertEquals(found.items, Math.ceil(found.clusters * design.clusterSize));
    }
  }
});

Deno.test("smallestDetectable() equals statsmodels' effect, and is what itemsNeeded() takes back", () => {
  for (const { t, normal, clusters, sides, level, power } of golden.detectable) {
    for (const [by, effect] of [["t", t], ["normal", normal]] as const) {
      const options = { level, power, sides: sidesOf(sides), by } as const;
      assertAlmostEquals(
        smallestDetectable({ items: clusters, clusters, ...options }) / effect,
        1,
        TOLERANCE,
      );
    }
  }
  const design = { sd: 0.4, icc: 0.3, clusterSize: 5 };
  const margin = smallestDetectable({ ...design, items: 200, clusters: 40 });
  const back = itemsNeeded({ ...design, margin });
  assertEquals([back.items, back.clusters], [200, 40]);
});

Deno.test("smallestBinaryChange() solves its own variance, and never exceeds what can be discordant", () => {
  const size = { items: 400, clusters: 400 };
  const change = smallestBinaryChange({ ...size, discordance: 0.3 });
  assertAlmostEquals(
    change,
    smallestDetectable({ ...size, sd: Math.sqrt(0.3 - change ** 2) }),
    1e-12,
  );
  // Where nothing was discordant, all that will be goes one way: discordance = change.
  const least = smallestBinaryChange({ ...size, discordance: 0 });
  assertAlmostEquals(least, smallestDetectable({ ...size, sd: Math.sqrt(least - least ** 2) }), 1e-12);
  assertEquals(smallestBinaryChange({ items: 4, clusters: 2, discordance: 0.1 }) < 1, true);
});

Deno.test("intraclassCorrelation() is 1 for alike clusters, 0 for opposed ones, and by hand between", () => {
  const clusters = ["a", "a", "b", "b", "c", "c"];
  assertEquals(intraclassCorrelation([1, 1, 0, 0, 1, 1], clusters), 1);
  assertEquals(intraclassCorrelation([1, 0, 1, 0, 1, 0], clusters), 0);
  // Cluster means 1, 1/2, 0 around 1/2: between 2 (1/4 + 0 + 1/4) / 2 = 1/2, within (1/4 + 1/4) / 3 = 1/6; (1/2 - 1/6) / (1/2 + 1/6).
  assertAlmostEquals(intraclassCorrelation([1, 1, 1, 0, 0, 0], clusters) ?? NaN, 0.5, 1e-12);
  assertEquals(intraclassCorrelation([1, 1, 1], ["a", "a", "b"]), undefined);
  assertEquals(intraclassCorrelation([1, 0], ["a", "b"]), undefined);
});

Deno.test("effectiveClusterSize() weighs clusters by their items", () => {
  assertEquals(effectiveClusterSize(["a", "a", "b", "b"]), 2);
  assertEquals(effectiveClusterSize(["a", "a", "a", "b"]), 2.5);
});

Deno.test("itemsNeeded() and smallestDetectable() refuse what is out of range", () => {
  const good = { sd: 1, margin: 0.5 };
  for (
    const bad of [{ sd: 0 }, { margin: -1 }, { icc: 1.5 }, { clusterSize: 0.5 }, { level: 1 }, {
      power: 0.04,
    }]
  ) {
    assertThrows(() => itemsNeeded({ ...good, ...bad }), RangeError, Object.keys(bad)[0]);
  }
  assertThrows(() => smallestDetectable({ items: 5, clusters: 1 }), RangeError, "clusters is 1");
});
