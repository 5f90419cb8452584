/** What every benchmark owes, asked of each file in benchmarks/ whose data is at hand. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { z } from "zod";
import type {
  AnyEvaluator,
  Benchmark,
  ChoiceItem,
  FoundFile,
  Item,
  Scale,
  ShortAnswerItem,
  StatementItem,
} from "../../core/mod.ts";
import { canonicalJson, findFiles, UserError } from "../../core/mod.ts";
import { itemLines } from "../../fixtures/worlds/items.ts";
import { drawWorld } from "../../fixtures/worlds/world.ts";
import { MADE_UP } from "../benchmarks/made_up.ts";
import { SHARED_DATA } from "../support.ts";

const root = new URL("../../", import.meta.url);
const evaluators = new Map<string, AnyEvaluator>();
for (const { name, isDirectory } of Deno.readDirSync(new URL("plugins", root))) {
  // The backends bring native code, and no evaluators.
  const files = isDirectory ? [...Deno.readDirSync(new URL(`plugins/${name}`, root))] : [];
  if (name === "onnx" || !files.some((file) => file.name === "mod.ts")) continue;
  const plugin = (await import(new URL(`plugins/${name}/mod.ts`, root).href)).default;
  for (const evaluator of plugin.evaluators ?? []) evaluators.set(evaluator.name, evaluator);
}

const MADE = made();
addEventListener("unload", () => Deno.removeSync(MADE, { recursive: true }));

const names = [...Deno.readDirSync(new URL("benchmarks", root))].map(({ name }) => name)
  .filter((name) => name.endsWith(".ts")).sort();
for (const name of names) {
  const benchmark: Benchmark = (await import(new URL(`benchmarks/${name}`, root).href)).default;
  const all = settings(benchmark);
  const defaults = all[0];

  Deno.test(`${name} says what it is and refuses unknown params`, () => {
    assertEquals(`${benchmark.name}.ts`, name);
    for (const text of [benchmark.version, benchmark.title, benchmark.licence, benchmark.source]) {
      assert(text !== "");
    }
    assert(!benchmark.params.safeParse({ protocl: "x" }).success);
    // Resolved params are resolved: what is written out into the results can be read again.
    assertEquals(benchmark.params.parse(defaults), defaults);
    canonicalJson(defaults);
    for (const { sha256, names } of benchmark.files(defaults)) {
      if (sha256 !== undefined) assertMatch(sha256, /^[0-9a-f]{64}$/);
      assert(names.length > 0);
    }
  });

  const broken = new Set<string>();
  for (const params of all) {
    const files = find(benchmark, params);
    const ignore = files === undefined && Deno.env.get("CI") !== "true";
    Deno.test({
      name: `${name} gives sound items under ${JSON.stringify(params)}`,
      ignore,
      fn() {
        const items = benchmark.load(files!, params);
        const evaluator = evaluators.get(benchmark.evaluator);
        assert(evaluator, `no evaluator ${benchmark.evaluator}`);
        assert(evaluator.metrics.some((metric) => metric.name === benchmark.metric(params)));
        assert(items.length > 0);
        assertEquals(new Set(items.map((item) => item.id)).size, items.length);
        assertEquals(canonicalJson(benchmark.load(files!, params)), canonicalJson(items));
        checkScales(benchmark.scales?.(params) ?? [], items, evaluator);
        for (const item of items) {
          assert(item.clusters.question !== "");
          if (benchmark.evaluator === "multiple_choice") checkChoice(item as ChoiceItem);
          if (benchmark.evaluator === "short_answer") checkShortAnswer(item as ShortAnswerItem);
        }
      },
    });

    for (const { key } of benchmark.files(params)) {
      if (broken.has(key)) continue;
      broken.add(key);
      Deno.test({
        name: `${name} names the file ${key} when it breaks off`,
        ignore,
        fn() {
          const file = files![key] as FoundFile;
          const cut = { ...file, text: file.text.slice(0, Math.floor(file.text.length * 0.6)) };
          assertThrows(() => benchmark.load({ ...files, [key]: cut }, params), UserError, file.path);
        },
      });
    }
  }
}

function checkChoice({ id, continuations, labels, gold, prompt }: Item & ChoiceItem): void {
  assert(continuations.length >= 2 && labels.length === continuations.length, id);
  assert(Number.isInteger(gold) && gold >= 0 && gold < labels.length, id);
  assertEquals(new Set(labels).size, labels.length, id);
  assert(continuations.every((text) => text !== ""), id);
  const text = prompt.kind === "text" ? prompt.text : prompt.messages.map(({ content }) => content).join("");
  assert(text.trim() !== "" && !text.includes("undefined"), id);
  // White space at the end of a text would move to the continuations without need.
  assertEquals(
    prompt.kind === "text" ? prompt.text : "",
    prompt.kind === "text" ? prompt.text.trimEnd() : "",
  );
}

function checkShortAnswer({ id, answers, maxNewTokens, prompt }: ShortAnswerItem): void {
  assert(answers.length > 0 && answers.every((answer) => answer.trim() !== ""), id);
  assertEquals(new Set(answers).size, answers.length, id);
  assert(Number.isInteger(maxNewTokens) && maxNewTokens > 0, id);
  const text = prompt.kind === "text" ? prompt.text : prompt.messages.map(({ content }) => content).join("");
  assert(text.trim() !== "" && !text.includes("undefined") && !text.includes("{q}"), id);
}

/** Weights are for statements that are asked, as many as there are answers, and every answer finds its place in the range. */
function checkScales(scales: readonly Scale[], items: readonly Item[], evaluator: AnyEvaluator): void {
  assertEquals(new Set(scales.map(({ name }) => name)).size, scales.length);
  assert(scales.length === 0 || evaluator.answer !== undefined);
  const answers = new Map(
    (items as StatementItem[]).map((item) => [item.clusters.question, item.levels?.length]),
  );
  for (const { name, weights, offset, range: [low, high], digits } of scales) {
    for (const [id, row] of Object.entries(weights)) {
      assertEquals(row.length, answers.get(id), `${name}/${id}`);
    }
    const reach = (pick: (...row: number[]) => number) =>
      Object.values(weights).reduce((sum, row) => sum + pick(...row), offset);
    // A rounding of the last digit that is shown.
    assert(reach(Math.min) >= low - 10 ** -digits && reach(Math.max) <= high + 10 ** -digits, name);
  }
}

interface ParamsSchema {
  readonly required?: readonly string[];
  readonly properties?: Readonly<
    Record<string, { readonly enum?: readonly string[]; readonly default?: unknown }>
  >;
}

/** Params at their defaults, where a word must be chosen at its first; then with each other word of each such param in turn. */
function settings({ params }: Benchmark): unknown[] {
  const { properties = {}, required = [] } = z.toJSONSchema(params, { io: "input" }) as ParamsSchema;
  const base = Object.fromEntries(required.map((key) => [key, properties[key]?.enum?.[0]]));
  const others = Object.entries(properties).flatMap(([key, property]) =>
    (property.enum ?? []).filter((value) => value !== (base[key] ?? property.default))
      .map((value) => ({ ...base, [key]: value }))
  );
  return [base, ...others].map((input) => params.parse(input));
}

/** Data of fixtures that are made on demand, and made-up data in the layouts of others that no machine has to have. */
function made(): string {
  const folder = Deno.makeTempDirSync();
  Deno.writeTextFileSync(`${folder}/worlds.jsonl`, itemLines(drawWorld(0)));
  for (const [name, text] of Object.entries(MADE_UP)) Deno.writeTextFileSync(`${folder}/${name}`, text);
  return folder;
}

/** Own data lies in fixtures/, that of others in the shared folder. */
function find(benchmark: Benchmark, params: unknown): Record<string, FoundFile> | undefined {
  for (const dir of [new URL("fixtures", root).pathname, MADE, SHARED_DATA]) {
    try {
      return findFiles(dir, benchmark.files(params), benchmark);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  }
  return undefined;
}
