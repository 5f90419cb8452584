import { assertEquals } from "@std/assert";
import { editDistance, nearest, suggest } from "../../core/nearest.ts";

Deno.test("editDistance() counts insertions, deletions, substitutions and swaps of neighbours", () => {
  assertEquals(editDistance("", "abc"), 3);
  assertEquals(editDistance("kitten", "sitting"), 3);
  assertEquals(editDistance("sedd", "seed"), 1);
  assertEquals(editDistance("modles", "models"), 1);
});

Deno.test("nearest() gives the closest word, and none when nothing is close", () => {
  assertEquals(nearest("benchmarkz", ["models", "benchmarks", "seed"]), "benchmarks");
  assertEquals(nearest("Seed", ["seed"]), "seed");
  assertEquals(nearest("xyzzy", ["models", "benchmarks"]), undefined);
});

Deno.test("suggest() lists the known words when none is near", () => {
  assertEquals(suggest("modle", ["models"]), ', did you mean "models"');
  assertEquals(suggest("xyzzy", ["b", "a"]), ', known are "a", "b"');
  assertEquals(suggest("x", []), "");
});
