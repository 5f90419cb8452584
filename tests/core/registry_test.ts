import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { UserError } from "../../core/error.ts";
import { definePlugin } from "../../core/plugin.ts";
import { createRegistry, loadRegistry, lookUp } from "../../core/registry.ts";
import riddles from "../fake_benchmark.ts";
import { fakePlugin } from "../fake_model.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const FAKES = [`${ROOT}tests/fake_model.ts`, `${ROOT}tests/fake_benchmark.ts`];

Deno.test("loadRegistry() finds every plugin folder and benchmark file, and those named besides", async () => {
  const registry = await loadRegistry(ROOT, FAKES);
  const folders = [...Deno.readDirSync(`${ROOT}plugins`)].filter((entry) => entry.isDirectory);
  assertEquals(
    registry.plugins.map((plugin) => plugin.name).sort(),
    [...folders.map((entry) => entry.name), "fake"].sort(),
  );
  const files = [...Deno.readDirSync(`${ROOT}benchmarks`)].filter((entry) => entry.name.endsWith(".ts"));
  assertEquals(
    [...registry.benchmarks.keys()].sort(),
    [...files.map((entry) => entry.name.replace(/\.ts$/, "")), "riddles"].sort(),
  );
  for (const { evaluator } of registry.benchmarks.values()) {
    lookUp(registry.evaluators, evaluator, "evaluator");
  }
});

Deno.test("loadRegistry() refuses a file that exports neither a plugin nor a benchmark", async () => {
  await assertRejects(
    () => loadRegistry(ROOT, [`${ROOT}core/error.ts`]),
    UserError,
    "wanted definePlugin(...) or defineBenchmark(...)",
  );
});

Deno.test("createRegistry() refuses a name that is taken", () => {
  assertThrows(() => createRegistry([fakePlugin(), fakePlugin()], []), UserError, 'plugin "fake"');
  assertThrows(() => createRegistry([], [riddles, riddles]), UserError, 'benchmark "riddles"');
  const other = definePlugin({ ...fakePlugin(), name: "other" });
  assertThrows(() => createRegistry([fakePlugin(), other], []), UserError, 'backend "fake"');
});

Deno.test("lookUp() names the nearest known entry and lists all", () => {
  const { benchmarks } = createRegistry([], [riddles, { ...riddles, name: "proverbs" }]);
  const near = assertThrows(() => lookUp(benchmarks, "riddle", "benchmark"), UserError) as UserError;
  assertEquals(
    near.message,
    'Cannot find benchmark "riddle": there is none of that name, did you mean "riddles" (known are "proverbs", "riddles")',
  );
  const far = assertThrows(() => lookUp(benchmarks, "xyz", "benchmark"), UserError) as UserError;
  assertEquals(
    far.message,
    'Cannot find benchmark "xyz": there is none of that name, known are "proverbs", "riddles"',
  );
});
