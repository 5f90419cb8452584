/** What the user gave or owns is broken: the command line says so in one line, ends with 2 and makes no results; and Ctrl-C. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { float32s, gguf, withHeader } from "../plugins/onnx/weights/make.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const FABLES = `${ROOT}fixtures/fables`;
const TINY = ["--plugin", `${ROOT}tests/e2e/tiny_benchmark.ts`];
const FOOD = { use: "fables", name: "fables_food", params: { topic: "food" } };
/** A line of progress where stderr is no terminal, or one about what is unusual. */
const PROGRESS = /^ *\d+ % +(\d+ of \d+ cells|scoring units: \d+ of \d+ samples?) |^Note: /;

interface Case {
  /** What is wrong, after "eval refuses". */
  readonly name: string;
  /** What differs from a matrix that runs: the fables model on its food questions. */
  readonly matrix?: Readonly<Record<string, unknown>>;
  /** Puts what is broken into the folder of the matrix. */
  readonly prepare?: (folder: string) => void;
  readonly args?: readonly string[];
  /** Words that the line must have. */
  readonly words: readonly string[];
  /** Only computing finds it, so that a store and lines of progress may be there. */
  readonly computes?: boolean;
}

const model = (path: string) => ({ models: [{ use: "onnx", params: { path } }] });
const tiny = (params: unknown) => ({ benchmarks: [{ use: "tiny", params }] });
const treated = (use: string, units: unknown, params = {}) => ({
  treatments: [{ name: "edited", steps: [{ edit: { use, params, units } }], controls: [] }],
});

const SCORE = { use: "gradient_product", on: { items: { use: "fables", params: { topic: "work" } } } };
const steps = (...list: readonly unknown[]) => ({ treatments: [{ name: "found", steps: list }] });
const scored = (change: Readonly<Record<string, unknown>>, select: unknown = { top: 1 }) =>
  steps({ score: { ...SCORE, ...change } }, { select }, { edit: { use: "suppress" } });

/** The fables model in `model/`, but for its files in `changed`; undefined leaves a file out. */
function copyModel(folder: string, changed: Readonly<Record<string, string | Uint8Array | undefined>>): void {
  Deno.mkdirSync(`${folder}/model`);
  for (const name of ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]) {
    const content = name in changed ? changed[name] : Deno.readFileSync(`${FABLES}/${name}`);
    if (content === undefined) continue;
    Deno.writeFileSync(
      `${folder}/model/${name}`,
      typeof content === "string" ? new TextEncoder().encode(content) : content,
    );
  }
}

/** The fables' weights with other words in the header about one tensor. */
function redescribe(name: string, change: Readonly<Record<string, unknown>>): Uint8Array {
  const bytes = Deno.readFileSync(`${FABLES}/model.safetensors`);
  const start = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
  Object.assign(header[name], change);
  return withHeader(JSON.stringify(header), [bytes.subarray(start)]);
}

/** The fables' food questions in `data/`, with another seventh line. */
function breakLine7(folder: string, change: (line: string) => string): void {
  const lines = Deno.readTextFileSync(`${FABLES}/data/fables_food.jsonl`).split("\n");
  lines[6] = change(lines[6]!);
  Deno.mkdirSync(`${folder}/data`);
  Deno.writeTextFileSync(`${folder}/data/fables_food.jsonl`, lines.join("\n"));
}

const GATE = "model.layers.2.mlp.gate_proj.weight";

const CASES: readonly Case[] = [
  {
    name: "a model that is not there",
    matrix: model("none"),
    words: ["/none: there is no such file or folder"],
  },
  {
    name: "a model without its weight file",
    matrix: model("model"),
    prepare: (folder) => copyModel(folder, { "model.safetensors": undefined }),
    words: ["/model: it has no .safetensors file", "wanted model.safetensors"],
  },
  {
    name: "a weight file that was cut off",
    matrix: model("model"),
    prepare: (folder) =>
      copyModel(folder, {
        "model.safetensors": Deno.readFileSync(`${FABLES}/model.safetensors`).subarray(0, 900_000),
      }),
    words: ["/model/model.safetensors", "the file at 900000", "wanted a whole file"],
  },
  {
    name: "a tensor of the wrong shape",
    matrix: model("model"),
    prepare: (folder) => copyModel(folder, { "model.safetensors": redescribe(GATE, { shape: [96, 256] }) }),
    words: [GATE, "[96, 256]", "wanted [256, 96]", "/model"],
  },
  {
    name: "a tensor of the wrong dtype",
    matrix: model("model"),
    prepare: (folder) => copyModel(folder, { "model.safetensors": redescribe(GATE, { dtype: "I64" }) }),
    words: [GATE, "/model/model.safetensors", "its dtype is I64", "wanted F32, F16, BF16"],
  },
  {
    name: "an unknown architecture",
    matrix: model("model"),
    prepare: (folder) => {
      const config = JSON.parse(Deno.readTextFileSync(`${FABLES}/config.json`));
      copyModel(folder, { "config.json": JSON.stringify({ ...config, model_type: "mamba" }) });
    },
    words: ['"mamba"', "wanted one of llama"],
  },
  {
    name: "a GGUF file with a tensor of a type that nobody knows",
    matrix: model("odd.gguf"),
    prepare: (folder) =>
      Deno.writeFileSync(
        `${folder}/odd.gguf`,
        gguf({
          metadata: { "general.architecture": ["string", "llama"] },
          tensors: [{ name: "token_embd.weight", shape: [1, 32], type: 99, bytes: float32s([0]) }],
        }),
      ),
    words: ["token_embd.weight", "/odd.gguf", "its type is number 99", "Q4_1"],
  },
  {
    name: "a label that is not one token",
    matrix: tiny({ labels: ["gubrin", "velchip haskar"] }),
    words: ["only-1", 'label " velchip haskar" is 2 tokens', "wanted one"],
  },
  {
    name: "a conversation for a model without a chat template",
    matrix: tiny({ chat: true }),
    words: ["fables: it has no chat template"],
  },
  {
    name: "a prompt longer than the model's context",
    matrix: tiny({ text: "food ".repeat(300) }),
    words: ["tiny", "item only-1 is 301 tokens", "wanted at most 256"],
  },
  {
    name: "a record with a wrong field",
    matrix: { data: "data" },
    prepare: (folder) => breakLine7(folder, (line) => line.replace(/"answer":\d/, '"answer":7')),
    words: ["/data/fables_food.jsonl: line 7: answer is 7, wanted at most 3"],
  },
  {
    name: "a line of data that is not JSON",
    matrix: { data: "data" },
    prepare: (folder) => breakLine7(folder, (line) => line.slice(0, 40)),
    words: ["/data/fables_food.jsonl: line 7 is not JSON"],
  },
  {
    name: "a missing data file",
    matrix: { data: "data" },
    prepare: (folder) => Deno.mkdirSync(`${folder}/data`),
    words: ["data of fables", "/data is called fables_food.jsonl"],
  },
  {
    name: "a unit out of range",
    matrix: treated("suppress", [{ tap: "layers.1.mlp.gate", units: [3, 256] }]),
    words: ['under "edited"', "unit 256 of layers.1.mlp.gate does not exist", "wanted 0 to 255"],
  },
  {
    name: "a tap of a layer that the model has not",
    matrix: treated("suppress", [{ tap: "layers.4.mlp.gate", units: [3] }]),
    words: ["layers.4.mlp.gate", "wanted"],
  },
  {
    name: "a tap of an unknown site",
    matrix: treated("suppress", [{ tap: "layers.1.mlp.door", units: [3] }]),
    words: ["/bad.json", "layers.N.SITE", "mlp.gate"],
  },
  {
    name: "an edit that drives logits out of range",
    matrix: treated("scale", `${FABLES}/units_food.json`, { value: 1e38 }),
    words: ["fables_food", '"edited"', "item food-", "not finite", "in layer 1", "finite"],
    computes: true,
  },
  {
    name: "a results folder that is a file",
    prepare: (folder) => Deno.writeTextFileSync(`${folder}/taken`, ""),
    args: ["--results", "taken"],
    words: ["results", "/taken", "wanted"],
  },
  {
    name: "a precision that there is none of",
    args: ["--precision", "int4"],
    words: ['unknown value "int4" at precision', 'did you mean "int8"'],
  },
  {
    name: "slices on a device that has none",
    args: ["--precision", "split", "--device", "webgpu"],
    words: ["in split: its device is webgpu, wanted cpu"],
  },
  {
    name: "a treatment that opens the model with a param that there is none of",
    matrix: { treatments: [{ name: "coarse", steps: [{ open: { precison: "int8" } }] }] },
    words: ['Cannot open fables under "coarse"', 'unknown key "precison"', 'did you mean "precision"'],
  },
  {
    name: "a treatment that opens another model",
    matrix: { treatments: [{ name: "coarse", steps: [{ open: { path: "../model" } }] }] },
    words: ['under "coarse"'],
  },
  {
    name: "a training of slices",
    args: ["--precision", "int8"],
    matrix: {
      allowLeakage: true,
      treatments: [{
        name: "taught",
        steps: [{ tune: { use: "fine_tune", on: { items: { use: "fables", params: { topic: "work" } } } } }],
      }],
    },
    words: ['Cannot train fables (int8) under "taught"', "wanted it in its reference way"],
  },
  {
    name: "--limit 0",
    args: ["--limit", "0"],
    words: ['--limit is "0", wanted a whole number from 1'],
  },
  {
    name: "an unknown param of a benchmark",
    matrix: { benchmarks: [{ ...FOOD, params: { topic: "food", phrasings: 2 } }] },
    words: ["benchmark fables", "phrasings"],
  },
  {
    name: "an unknown param of a model",
    matrix: { models: [{ use: "onnx", params: { path: FABLES, treads: 2 } }] },
    words: ["model onnx", "treads"],
  },
  {
    name: "an unknown param of an intervention",
    matrix: treated("scale", `${FABLES}/units_food.json`, { vaule: 2 }),
    words: ['"edited"', "scale", "vaule"],
  },
  {
    name: "a score without an edit",
    matrix: steps({ score: SCORE }),
    words: ['/bad.json: treatment "found" scores units and selects none', "wanted a select after"],
  },
  {
    name: "a select without a score",
    matrix: steps({ select: { top: 1 } }, { edit: { use: "suppress" } }),
    words: ['/bad.json: treatment "found" selects before anything is scored', "wanted a score before it"],
  },
  {
    name: "an edit without units and without a select",
    matrix: steps({ edit: { use: "suppress" } }),
    words: ['/bad.json: treatment "found" has an edit without units', 'wanted "units"'],
  },
  {
    name: "an unknown scorer",
    matrix: scored({ use: "gradient_products" }),
    words: ['scorer "gradient_products"', 'did you mean "gradient_product"'],
  },
  {
    name: "an unknown set of a scorer",
    matrix: scored({ on: { item: SCORE.on.items } }),
    words: ["gradient_product", 'unknown set "item"', 'did you mean "items"'],
  },
  {
    name: "a top that is neither a share nor a number of units",
    matrix: scored({}, { top: 5.5 }),
    words: ["/bad.json: top is 5.5", "wanted a share in (0, 1) or a whole number of units"],
  },
  {
    name: "a score of a site whose taps the model lacks",
    matrix: scored({ params: { sites: ["mlp.gates"] } }),
    words: ["scorer gradient_product", "mlp.gate"],
  },
  {
    name: "a selection of more units than there are",
    matrix: scored({ params: { sites: ["mlp.gate"] } }, { top: 2000 }),
    words: ['Cannot run treatment "found" on', "top is 2000, wanted at most 1,024, the scored units"],
  },
];

for (const { name, matrix, prepare, args = [], words, computes = false } of CASES) {
  Deno.test(`eval refuses ${name}`, () =>
    inFolder(async (folder) => {
      prepare?.(folder);
      const whole = { version: 1, data: `${FABLES}/data`, ...model(FABLES), benchmarks: [FOOD], ...matrix };
      Deno.writeTextFileSync(`${folder}/bad.json`, JSON.stringify(whole));
      const before = entries(folder);
      const { code, out, err } = await finish(start(folder, ["bad.json", ...TINY, ...args]));
      assertEquals([code, out], [2, ""], err);
      assertMatch(err, /\n$/);
      const lines = err.slice(0, -1).split("\n").filter((line) => !(computes && PROGRESS.test(line)));
      assertEquals(lines.length, 1, err);
      assertMatch(lines[0]!, /^Cannot .*[^.]$/);
      for (const word of words) assertStringIncludes(lines[0]!, word);
      const made = entries(folder).filter((path) => !before.includes(path));
      const store = /^results(\/plumbline\.sqlite(-wal|-shm)?)?$/;
      assertEquals(made.filter((path) => !(computes && store.test(path))), [], "nothing else was made");
    }));
}

Deno.test("Ctrl-C ends the demo with 130 and one line, and the same command reuses the cells that were done", () =>
  inFolder(async (folder) => {
    const child = start(folder, []);
    await until(() => completeCells(folder) > 0);
    child.kill("SIGINT");
    const { code, out, err } = await finish(child);
    assertEquals([code, out], [130, ""], err);
    // The demo's weights are float16: they are widened once, which is said.
    const lines = err.trimEnd().split("\n").filter((line) =>
      !PROGRESS.test(line) && !/^Widening /.test(line)
    );
    assertEquals(lines.length, 1, err);
    assertMatch(lines[0]!, /^Stopped: what was computed is kept.*, the same command goes on from there$/);
    const kept = completeCells(folder);
    const again = await finish(start(folder, []));
    assertEquals(again.code, 0, again.err);
    const [, computed, found] = /Cells: (\d+) computed, (\d+) found/.exec(again.out) ?? [];
    assert(Number(computed) > 0, "it was stopped before its end");
    assertEquals(Number(found), kept);
  }));

interface End {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** `deno task eval` in the user's folder. */
function start(folder: string, args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "--config", `${ROOT}deno.json`, "eval", ...args],
    cwd: folder,
    // A cache of its own, beside the folder: what is made in the folder is looked at.
    env: { INIT_CWD: folder, PLUMBLINE_RESULTS: "", PLUMBLINE_CACHE: `${folder} cache`, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function finish(child: Deno.ChildProcess): Promise<End> {
  const { code, stdout, stderr } = await child.output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const outer = await Deno.makeTempDir({ prefix: "plumbline-bad-" });
  try {
    await Deno.mkdir(`${outer}/own`);
    await work(`${outer}/own`);
  } finally {
    await Deno.remove(outer, { recursive: true });
  }
}

/** Paths of everything below a folder, relative to it. */
function entries(folder: string, below = ""): string[] {
  return [...Deno.readDirSync(`${folder}/${below}`)].flatMap(({ name, isDirectory }) =>
    isDirectory ? [`${below}${name}`, ...entries(folder, `${below}${name}/`)] : [`${below}${name}`]
  ).sort();
}

async function until(ready: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !ready(); i++) await new Promise((done) => setTimeout(done, 10));
}

function completeCells(folder: string): number {
  try {
    using db = new DatabaseSync(`${folder}/results/plumbline.sqlite`, { readOnly: true, timeout: 5000 });
    return Number(db.prepare("select count(*) as n from cells where complete = 1").get()?.n);
  } catch {
    return 0; // no file or no table yet
  }
}
