import { assertEquals } from "@std/assert";
import type { Difference } from "../../core/mod.ts";
import * as format from "../../server/format.ts";

const difference = (value: number, low: number, high: number): Difference => ({
  value,
  low,
  high,
  level: 0.95,
  n: 100,
  clusters: 100,
  method: "score",
  rose: 0,
  fell: 0,
});

Deno.test("signed() spells the sign of a change and gives none to what rounds to zero", () => {
  assertEquals(format.signed(-0.124, true), "\u221212.4");
  assertEquals(format.signed(0.0349, true), "+3.5");
  assertEquals(format.signed(-0.0004, true), "0.0");
  assertEquals(format.signed(-1.5, false), "\u22121.500");
});

Deno.test("tint() is neutral where the interval covers or touches 0", () => {
  assertEquals(format.tint(difference(-0.2, -0.4, 0.01), 1), "level");
  assertEquals(format.tint(difference(0.2, 0, 0.4), 1), "level");
});

Deno.test("tint() steps at 5, 15 and 30 points, on either side", () => {
  const steps = [0.049, 0.05, 0.149, 0.15, 0.3].map((value) => format.tint(difference(value, 0.001, 1), 1));
  assertEquals(steps, ["rose-1", "rose-2", "rose-2", "rose-3", "rose-4"]);
  assertEquals(format.tint(difference(-0.5, -0.6, -0.4), 1), "fell-4");
});

Deno.test("tint() scales with the row where the metric is no proportion", () => {
  assertEquals(format.tint(difference(-2, -3, -1), 20), "fell-2");
});

Deno.test("shell() quotes what a POSIX shell would take apart", () => {
  const command = ["printf", "%s|", "a b", "it's", "$HOME", "x;y", "plain-1.json"];
  assertEquals(
    format.shell(command),
    String.raw`printf %s'|' 'a b' 'it'\''s' '$HOME' 'x;y' plain-1.json`.replace("%s'|'", "'%s|'"),
  );
});

Deno.test("count(), minute() and duration() write for people", () => {
  assertEquals(format.count(1234567), "1\u202f234\u202f567");
  assertEquals(format.minute("2026-01-31T14:05:59.123Z"), "2026-01-31 14:05 UTC");
  assertEquals(format.minute("yesterday"), "yesterday");
  assertEquals([850, 12_440, 200_000].map(format.duration), ["850 ms", "12.4 s", "3 min 20 s"]);
});
