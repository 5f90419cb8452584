/**
 * What the precisions `split` and `int8` give up and gain beside float32.
 *
 *   products   products by weights, 128 and 1,024 rows, at widths of 2048 and 4096
 *   errors     one product beside float64's, where one number of a row outweighs the others; beside it inputs and weights rounded to bfloat16
 *   models     decoders with random weights at those widths, 8 texts of 128 tokens: forward, also of one text; and with gradients at five sites
 *   choices    SmolLM2 on real items: how many of the answers chosen are float32's
 *   bfloat16   how far log-probabilities of BLEnD's letters are from float32's, and how many choices are its own: ours, and those of
 *              transformers in bfloat16, where PLUMBLINE_PYTHON names a Python that has it with torch and gguf (two seconds an item with AVX2)
 *   units      the units that come first by CULNIG's sum: how many of the first 1 % are float32's
 *
 *   deno run -A tests/speed/precision_figures.ts [--parts products,errors,models,choices,bfloat16,units] [--items 500] [--rounds 5]
 *
 * One file, long as it is: every part compares the same three precisions, and most share how they are opened. Rates are alternated in one run, on a quiet machine; what is told is the median of the rounds' ratios.
 */
import { parseArgs } from "node:util";
import type { Benchmark, ChoiceItem, Model, Observation } from "../../core/mod.ts";
import { findFiles } from "../../core/data.ts";
import { encodeChoices } from "../../core/prompt.ts";
import { createRandom } from "../../core/random.ts";
import blend from "../../benchmarks/blend.ts";
import commonsenseQa from "../../benchmarks/commonsense_qa.ts";
import countryRc from "../../benchmarks/country_rc.ts";
import qnli from "../../benchmarks/qnli.ts";
import { wilson } from "../../core/stats/proportions.ts";
import { encode } from "../../plugins/onnx/graph/encode.ts";
import { createBuilder, type Value } from "../../plugins/onnx/graph/graph.ts";
import { backend } from "../../plugins/onnx/model.ts";
import { openSession, type Session } from "../../plugins/onnx/session/session.ts";
import { type Precision, PRECISIONS, sliceMatrix, SLICES } from "../../plugins/onnx/weights/slices.ts";
import { REAL_MODEL, SHARED_DATA, testContext } from "../support.ts";
import { median, refuseNoise } from "./quiet.ts";
import { LAYERS_2048, LAYERS_4096, writeRandomModel } from "./random_model.ts";

const PARTS = ["products", "errors", "models", "choices", "bfloat16", "units"] as const;
const { values: options } = parseArgs({
  args: Deno.args,
  options: {
    parts: { type: "string", default: PARTS.join() },
    items: { type: "string", default: "500" },
    rounds: { type: "string", default: "5" },
  },
});
const ITEMS = Number(options.items), ROUNDS = Number(options.rounds);
const WANTED = { rate: 1.6, choices: 0.995, units: 0.98 };
const SITES = ["mlp.gate", "attn.q", "attn.k", "attn.v"] as const;
const verdict = (reached: boolean, wanted: string) => `wanted ${wanted}: ${reached ? "reached" : "MISSED"}`;

/** Milliseconds of each, by turns; the ratio of the first to each, round by round. */
async function alternate(sides: Readonly<Record<Precision, () => Promise<unknown>>>) {
  const times: Record<Precision, number[]> = { float32: [], split: [], int8: [] };
  for (const precision of PRECISIONS) await sides[precision]();
  await refuseNoise();
  for (let round = 0; round < ROUNDS; round++) {
    for (const precision of PRECISIONS) {
      const start = performance.now();
      await sides[precision]();
      times[precision].push(performance.now() - start);
    }
  }
  const ratios = (precision: Precision) =>
    times[precision].map((time, i) => times.float32[i]! / time).sort((a, b) => a - b);
  return { times, ratios };
}

const shown = (ratios: readonly number[]) =>
  `${median(ratios).toFixed(2)} (${ratios[0]!.toFixed(2)} to ${ratios.at(-1)!.toFixed(2)})`;

/** Widths, and how many products so that a call takes long enough. */
const CHAINS = [[[2048, 2048], 16], [[2048, 8192], 8], [[4096, 4096], 8], [[4096, 14_336], 4]] as const;

/** Products one after another, back and forth between two widths, so that handing over the rows hardly counts. */
async function openProducts(
  precision: Precision,
  [widths, count]: readonly [widths: readonly [number, number], count: number],
  given?: Float32Array<ArrayBuffer>,
) {
  const file = await Deno.makeTempFile(), b = createBuilder();
  using out = Deno.openSync(file, { write: true });
  let end = 0;
  const write = (values: Float32Array<ArrayBuffer> | Int8Array<ArrayBuffer>) => {
    const bytes = new Uint8Array(values.buffer), offset = end;
    for (let done = 0; done < bytes.length;) done += out.writeSync(bytes.subarray(done));
    end += bytes.length;
    return { file, offset, length: bytes.length };
  };
  const product = (x: Value, i: number) => {
    const inner = widths[i % 2]!, rows = widths[(i + 1) % 2]!, random = createRandom(`product ${i}`);
    const values = given ?? Float32Array.from(
      { length: inner * rows },
      () => (random.uniform() - 0.5) / Math.sqrt(inner),
    );
    if (precision === "float32") {
      const weight = b.weight({ name: `${i}.w`, shape: [rows, inner], ...write(values) });
      return b.node("FusedMatMul", `${i}`, [x, weight], { transB: 1n });
    }
    const { slices, scales } = sliceMatrix(values, [rows, inner], SLICES[precision]);
    return b.node("SlicedMatMul", `${i}`, [
      x,
      b.weight({ name: `${i}.scales`, shape: [rows], ...write(scales) }),
      ...slices.map((slice, k) =>
        b.weight({ name: `${i}.slice.${k}`, dtype: "int8", shape: [inner, rows], ...write(slice) })
      ),
    ]);
  };
  const last = Array.from({ length: count }, (_, i) => i).reduce(
    product,
    b.input("x", "float32", ["rows", widths[0]]),
  );
  b.output(given ? last : b.node("ReduceMax", "top", [last, b.ints([0, 1])], { keepdims: 0n }));
  const session = await openSession(encode(b.finish()), { threads: 2, packed: true });
  await Deno.remove(file);
  return session;
}

async function products(): Promise<void> {
  for (const chain of CHAINS) {
    const [widths, count] = chain;
    await using opened = new AsyncDisposableStack();
    const sessions = {} as Record<Precision, Session>;
    for (const each of PRECISIONS) sessions[each] = opened.use(await openProducts(each, chain));
    for (const rows of [128, 1024]) {
      const data = Float32Array.from({ length: rows * widths[0] }, (_, i) => Math.sin(i));
      const run = (precision: Precision) => () =>
        sessions[precision].run({
          feeds: { x: { data: data.slice(), dims: [rows, widths[0]] } },
          fetch: ["top"],
        });
      const { ratios, times } = await alternate({
        float32: run("float32"),
        split: run("split"),
        int8: run("int8"),
      });
      const rate = 2 * count * rows * widths[0] * widths[1] / median(times.float32) / 1e6;
      console.log(
        `products of ${rows} rows, ${widths[0]} to ${widths[1]} and back: float32 ${
          rate.toFixed(0)
        } GFLOP/s; ` +
          `split ${shown(ratios("split"))}, ${
            verdict(median(ratios("split")) >= WANTED.rate, `${WANTED.rate}`)
          }; ` +
          `int8 ${shown(ratios("int8"))}`,
      );
    }
  }
}

const bits = new Uint32Array(1), asFloat = new Float32Array(bits.buffer);
/** To the nearest number of bfloat16, half to even. */
function toBfloat16(value: number): number {
  asFloat[0] = value;
  bits[0] = (bits[0]! + 0x7fff + (bits[0]! >>> 16 & 1)) & 0xffff0000;
  return asFloat[0];
}

const norm = (values: Float64Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

async function errors(): Promise<void> {
  const inner = 2048, out = 512, rows = 32, random = createRandom("errors");
  // Four uniform numbers added up are near enough to a normal one.
  const draw = () => random.uniform() + random.uniform() + random.uniform() + random.uniform() - 2;
  const weight = Float64Array.from({ length: out * inner }, draw);
  const input = Float64Array.from({ length: rows * inner }, () => draw() * Math.sqrt(3));
  const product = (x: Float64Array, w: Float64Array) =>
    Float64Array.from({ length: rows * out }, (_, at) => {
      const row = Math.floor(at / out) * inner, column = at % out * inner;
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += x[row + k]! * w[column + k]!;
      return sum;
    });
  for (const times of [1, 10, 30, 100, 300]) {
    const x = input.slice();
    if (times > 1) { for (let row = 0; row < rows; row++) x[row * inner + row] = times; }
    const exact = product(x, weight);
    const apart = (values: ArrayLike<number>) =>
      (norm(exact.map((value, i) => values[i]! - value)) / norm(exact)).toPrecision(2);
    const told = [];
    for (const precision of PRECISIONS) {
      await using session = await openProducts(precision, [[inner, out], 1], Float32Array.from(weight));
      const { outputs } = await session.run({
        feeds: { x: { data: Float32Array.from(x), dims: [rows, inner] } },
        fetch: ["0"],
      });
      told.push(`${precision} ${apart(outputs["0"]!.data as Float32Array)}`);
    }
    told.push(`bfloat16 ${apart(product(x.map(toBfloat16), weight.map(toBfloat16)))}`);
    const what = times > 1 ? `one number of a row ${times} times the others` : "rows of like numbers";
    console.log(`error of a product of ${inner}, ${what}: ${told.join(", ")}`);
  }
}

async function models(): Promise<void> {
  const cacheDir = await Deno.makeTempDir(), context = testContext({ cacheDir });
  for (const [width, shape] of [[2048, LAYERS_2048], [4096, LAYERS_4096]] as const) {
    const path = `${cacheDir}/model`;
    writeRandomModel(path, shape);
    await using opened = new AsyncDisposableStack();
    const sides = {} as Record<Precision, Model>;
    for (const precision of PRECISIONS) {
      sides[precision] = opened.use(await backend.open({ path, precision }, { taps: [] }, context));
    }
    const ids = (row: number) => Array.from({ length: 128 }, (_, i) => (row * 131 + i * 17) % shape.vocab);
    const requests = Array.from({ length: 8 }, (_, row) => ({ prompt: ids(row), continuations: [[5], [6]] }));
    const forward = (model: Model) => () => Array.fromAsync(model.score(requests));
    const alone = (model: Model) => () => Array.fromAsync(model.score(requests.slice(0, 1)));
    const observe = Array.from(
      { length: shape.layers },
      (_, layer) =>
        [...SITES, "mlp.up" as const].map((site): Observation => ({
          tap: `layers.${layer}.${site}`,
          quantity: "product",
          pool: "max",
        })),
    ).flat();
    const backward = (model: Model) => () =>
      model.run(requests.map(({ prompt }) => ({ prompt })), {
        objective: { kind: "logprob", target: 5 },
        observe,
        tokenBudget: 1024,
      });
    for (
      const [what, work, texts] of [
        ["forward", forward, 8],
        ["forward", alone, 1],
        ["with gradients", backward, 8],
      ] as const
    ) {
      const { ratios, times } = await alternate({
        float32: work(sides.float32),
        split: work(sides.split),
        int8: work(sides.int8),
      });
      const rate = (precision: Precision) => (texts * 128_000 / median(times[precision])).toFixed(0);
      const wanted = what === "forward"
        ? `, ${verdict(median(ratios("split")) >= WANTED.rate, `${WANTED.rate}`)}`
        : "";
      console.log(
        `${shape.layers} layers of width ${width}, ${texts} x 128 tokens, ${what}: float32 ${
          rate("float32")
        } tok/s; split ${rate("split")}, ${shown(ratios("split"))}${wanted}; int8 ${rate("int8")}, ${
          shown(ratios("int8"))
        }`,
      );
    }
  }
  await Deno.remove(cacheDir, { recursive: true });
}

interface Asked {
  readonly prompt: readonly number[];
  readonly continuations: readonly (readonly number[])[];
  readonly gold: number;
}

function asked<Params>(
  benchmark: Benchmark<Params, ChoiceItem>,
  given: unknown,
  { model, count }: { readonly model: Model; readonly count: number },
): Asked[] {
  const params = benchmark.params.parse(given);
  const items = benchmark.load(findFiles(SHARED_DATA, benchmark.files(params), benchmark.name), params);
  return items.slice(0, count).map(({ prompt, continuations, gold }) => ({
    ...encodeChoices(model.tokenizer, prompt, continuations),
    gold: gold!,
  }));
}

/** Log-probabilities of what each may be answered with. */
async function answers(model: Model, requests: readonly Asked[]): Promise<(readonly number[])[]> {
  const made: (readonly number[])[] = [];
  for await (const { indices, results } of model.score(requests.map(({ gold: _, ...each }) => each))) {
    indices.forEach((index, i) => made[index] = results[i]!.logprobs);
  }
  return made;
}

const choice = (logprobs: readonly number[]) => logprobs.indexOf(Math.max(...logprobs));
const chosen = async (model: Model, requests: readonly Asked[]) =>
  (await answers(model, requests)).map(choice);

async function openReal(): Promise<{ readonly sides: Record<Precision, Model> } & AsyncDisposable> {
  const opened = new AsyncDisposableStack(), sides = {} as Record<Precision, Model>;
  for (const precision of PRECISIONS) {
    sides[precision] = opened.use(
      await backend.open({ path: REAL_MODEL, precision }, { taps: [] }, testContext()),
    );
  }
  return { sides, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

async function choices(): Promise<void> {
  await using real = await openReal();
  const { sides } = real, place = { model: sides.float32, count: ITEMS };
  const sets: readonly (readonly [string, readonly Asked[]])[] = [
    ["blend", asked(blend, { topics: "test" }, place)],
    ["commonsense_qa, letters", asked(commonsenseQa, { protocol: "culnig" }, place)],
    ["blend, cloze", asked(blend, { topics: "test", format: "cloze" }, place)],
    ["country_rc", asked(countryRc, {}, place)],
    ["qnli", asked(qnli, {}, place)],
  ];
  const all: Record<Precision, [same: number, n: number]> = { float32: [0, 0], split: [0, 0], int8: [0, 0] };
  for (const [name, requests] of sets) {
    const reference = await chosen(sides.float32, requests);
    const told = [];
    for (const precision of ["split", "int8"] as const) {
      const own = await chosen(sides[precision], requests);
      const same = own.filter((choice, i) => choice === reference[i]).length;
      all[precision] = [all[precision][0] + same, all[precision][1] + own.length];
      told.push(`${precision} ${same} of ${own.length}`);
    }
    console.log(`choices equal to float32's, ${name}: ${told.join(", ")}`);
  }
  for (const precision of ["split", "int8"] as const) {
    const [same, n] = all[precision], { low, high } = wilson(same, n, 0.95);
    const percent = (value: number) => (100 * value).toFixed(2);
    console.log(
      `choices equal to float32's, ${precision}: ${percent(same / n)} % [${percent(low)}, ${
        percent(high)
      }], n ${n}` +
        (precision === "split" ? `, ${verdict(same / n >= WANTED.choices, "99.5 %")}` : ""),
    );
  }
}

async function bfloat16(): Promise<void> {
  const python = Deno.env.get("PLUMBLINE_PYTHON");
  if (python === undefined) return console.log("left out: bfloat16, PLUMBLINE_PYTHON is not set");
  await using real = await openReal();
  const requests = asked(blend, { topics: "test" }, {
    model: real.sides.float32,
    count: Math.min(ITEMS, 300),
  });
  const file = await Deno.makeTempFile();
  const letters = requests.map(({ prompt, continuations }) => ({
    prompt,
    letters: continuations.map(([letter]) => letter),
  }));
  await Deno.writeTextFile(file, JSON.stringify(letters));
  const theirs = async (...dtype: readonly string[]): Promise<number[][]> => {
    const script = new URL("./peers/choices.py", import.meta.url).pathname;
    const args = [script, REAL_MODEL, file, ...dtype];
    const { stdout, success } = await new Deno.Command(python, { args, stderr: "inherit" }).output();
    if (!success) throw new Error(`${python} ${args.join(" ")} failed`);
    return JSON.parse(new TextDecoder().decode(stdout));
  };
  const reference = await answers(real.sides.float32, requests);
  const sides = [
    ["split", await answers(real.sides.split, requests)],
    ["int8", await answers(real.sides.int8, requests)],
    ["transformers, float32", await theirs()],
    ["transformers, bfloat16", await theirs("bfloat16")],
  ] as const;
  await Deno.remove(file);
  for (const [name, rows] of sides) {
    const apart = rows.flatMap((row, i) => row.map((value, k) => Math.abs(value - reference[i]![k]!)));
    const same = rows.filter((row, i) => choice(row) === choice(reference[i]!)).length;
    console.log(
      `beside float32 on ${rows.length} items of BLEnD, ${name}: log-probabilities ${
        (apart.reduce((a, b) => a + b) / apart.length).toPrecision(2)
      } nats apart on average, ${same} choices the same`,
    );
  }
}

/** Sum over samples of P times the maximum over tokens of activation times gradient of P, by unit. */
async function scores(model: Model, samples: readonly Asked[]): Promise<Float64Array> {
  const observe = Array.from({ length: model.info.layers }, (_, layer) =>
    SITES.map((site): Observation => ({
      tap: `layers.${layer}.${site}`,
      quantity: "product",
      pool: "max",
    }))).flat();
  const { objective, observed } = await model.run(samples.map(({ prompt }) => ({ prompt })), {
    objective: {
      kind: "probability",
      target: samples.map(({ continuations, gold }) => continuations[gold]![0]!),
    },
    observe,
  });
  const columns = observed.reduce((sum, each) => sum + each.columns, 0), sums = new Float64Array(columns);
  let from = 0;
  for (const { values, columns } of observed) {
    values.forEach((row, i) => row.forEach((value, k) => sums[from + k]! += objective[i]! * value));
    from += columns;
  }
  return sums;
}

const first = (values: Float64Array, share: number) =>
  new Set(
    Array.from(values.keys()).sort((a, b) => values[b]! - values[a]!).slice(
      0,
      Math.floor(share * values.length),
    ),
  );

async function units(): Promise<void> {
  await using real = await openReal();
  const samples = asked(blend, { topics: "neuron" }, {
    model: real.sides.float32,
    count: Math.min(ITEMS, 300),
  });
  const reference = first(await scores(real.sides.float32, samples), 0.01);
  for (const precision of ["split", "int8"] as const) {
    const own = first(await scores(real.sides[precision], samples), 0.01);
    const share = [...own].filter((unit) => reference.has(unit)).length / reference.size;
    console.log(
      `first 1 % of units (${reference.size}) on ${samples.length} samples, ${precision}: ${
        (100 * share).toFixed(1)
      } % are float32's` + (precision === "split" ? `, ${verdict(share >= WANTED.units, "98 %")}` : ""),
    );
  }
}

const work = { products, errors, models, choices, bfloat16, units };
for (const part of options.parts.split(",")) {
  const run = work[part as keyof typeof work];
  if (!run) throw new Error(`Cannot measure ${part}: wanted ${PARTS.join(", ")}`);
  await run();
}
