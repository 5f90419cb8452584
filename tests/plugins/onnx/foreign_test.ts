/** Exports of other programs: Optimum's, of tiny models whose activations and gradients PyTorch gave (tests/goldens/make_exports.py), and what else
 * becomes of them by rewriting: long because every case is one more way to rewrite the same three files. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import {
  AttributeProtoSchema,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProto_DataLocation,
  TensorProto_DataType,
} from "onnx-buf";
import { type Model, type Observation, type ScoreRequest, type Tap, UserError } from "../../../core/mod.ts";
import { createRandom } from "../../../core/random.ts";
import { openBlackBox } from "../../../plugins/onnx/foreign/black_box.ts";
import { inspectForeign, openWhite } from "../../../plugins/onnx/foreign/checkpoint.ts";
import { backend } from "../../../plugins/onnx/model.ts";
import { testContext } from "../../support.ts";
import { assertNear, folder, goldenOf, requestOf, type Stored, tapsEdited } from "./gradients_golden.ts";
import { open } from "./open.ts";

const EXPORTS = ["biased", "gpt2", "gemma3"] as const;
const exported = (name: string) => new URL(`../../goldens/exports/${name}`, import.meta.url).pathname;
/** float32 sums of the same numbers in another order. */
const ROUNDING = 1e-4;
const FIRST = 3, VOCAB = 64;
const random = createRandom("exports");
const ids = (count: number) => Array.from({ length: count }, () => FIRST + random.below(VOCAB - FIRST));

/** The model of a path, and what was said when it opened. */
async function openLogged(path: string, taps: readonly Tap[] = []) {
  const said: string[] = [], context = { ...testContext(), log: (text: string) => void said.push(text) };
  const model = await backend.open({ path }, { taps }, context);
  return { model, said: said.filter((text) => text.includes(" opens as ")).join() };
}

for (const name of EXPORTS) {
  Deno.test(`Optimum's export of ${name} gives PyTorch's objective, activations and gradients at every tap`, async () => {
    const golden = goldenOf(name);
    const place = golden.cases.find((each) => each.name === "logprob, edited")!;
    const { model, said } = await openLogged(exported(name), tapsEdited(place));
    await using _ = model;
    assert(
      /opens as (llama|gpt2|gemma3_text): with its weights the family's graph gives its logits/.test(said),
      said,
    );
    const observe = place.taps.flatMap((tap) =>
      (["activation", "gradient"] as const).map((quantity): Observation => ({ tap, quantity, pool: "none" }))
    );
    const { objective, observed } = await model.run(place.samples, requestOf(place, observe));
    assertNear(objective, place.objectives, { place: "objective" });
    for (const { observation: { tap, quantity }, values, columns } of observed) {
      place.samples.forEach((_, i) => {
        const expected = golden.rows(place, i, { tap, quantity: quantity as Stored })!;
        assertNear(values[i]!, expected.values, { place: `${quantity} at ${tap} of sample ${i}`, columns });
      });
    }
    await using own = await open(folder(name), tapsEdited(place));
    const text = ids(12);
    assertNear(await model.logits(text), await own.logits(text), { place: "logits", tolerance: 1e-5 });
    assertEquals(model.info.parameters, own.info.parameters);
  });
}

/** A folder with an export whose files have been changed. */
async function inCopy(
  name: string,
  { config = {}, graph }: {
    readonly config?: Record<string, unknown>;
    readonly graph?: (model: ModelProto, folder: string) => void;
  },
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const place = await Deno.makeTempDir();
  try {
    for (const { name: file } of Deno.readDirSync(exported(name))) {
      await Deno.copyFile(join(exported(name), file), join(place, file));
    }
    const fields = JSON.parse(await Deno.readTextFile(join(place, "config.json")));
    await Deno.writeTextFile(join(place, "config.json"), JSON.stringify({ ...fields, ...config }));
    if (graph) {
      const model = fromBinary(ModelProtoSchema, await Deno.readFile(join(place, "model.onnx")));
      graph(model, place);
      await Deno.writeFile(join(place, "model.onnx"), toBinary(ModelProtoSchema, model));
    }
    await use(place);
  } finally {
    await Deno.remove(place, { recursive: true });
  }
}

Deno.test("weights are found without any name, and in external data", async () => {
  const nameless = (model: ModelProto) => {
    const { node, initializer, input, output } = model.graph!,
      kept = new Set([...input, ...output].map(({ name }) => name));
    const names = new Map<string, string>();
    const rename = (name: string) => {
      if (name === "" || kept.has(name)) return name;
      if (!names.has(name)) names.set(name, `v${names.size}`);
      return names.get(name)!;
    };
    for (const each of node) {
      each.name = "";
      each.input = each.input.map(rename);
      each.output = each.output.map(rename);
    }
    for (const tensor of initializer) tensor.name = rename(tensor.name);
    model.graph!.valueInfo = [];
  };
  const outside = (model: ModelProto, folder: string) => {
    let offset = 0;
    using file = Deno.openSync(join(folder, "weights.bin"), { create: true, write: true });
    for (const tensor of model.graph!.initializer) {
      if (tensor.rawData.length < 64) continue;
      file.writeSync(tensor.rawData);
      const entries = { location: "weights.bin", offset, length: tensor.rawData.length };
      tensor.externalData = Object.entries(entries).map(([key, value]) => ({
        $typeName: "onnx.StringStringEntryProto",
        key,
        value: `${value}`,
      }));
      tensor.dataLocation = TensorProto_DataLocation.EXTERNAL;
      offset += tensor.rawData.length;
      tensor.rawData = new Uint8Array();
    }
  };
  const text = ids(9);
  for (const name of EXPORTS) {
    await using own = await open(folder(name));
    for (const graph of [nameless, outside]) {
      await inCopy(name, { graph }, async (place) => {
        const { model, said } = await openLogged(place);
        await using _ = model;
        assert(said.includes("with its weights the family's graph"), said);
        assertNear(await model.logits(text), await own.logits(text), { place: name, tolerance: 1e-5 });
      });
    }
  }
});

/** Every float32 number of a graph as the nearest half; those of the last as a list of whole numbers, those of the largest in a file beside it. */
function halve(model: ModelProto, folder: string): void {
  const { FLOAT, FLOAT16 } = TensorProto_DataType, graph = model.graph!;
  const tensors = [
    ...graph.initializer,
    ...graph.node.flatMap(({ attribute }) => attribute.flatMap(({ t }) => t ?? [])),
  ].filter(({ dataType }) => dataType === FLOAT);
  const largest = tensors.reduce((a, b) => b.rawData.length > a.rawData.length ? b : a);
  tensors.forEach((tensor, i) => {
    const halves = new Float16Array(new Float32Array(tensor.rawData.slice().buffer));
    tensor.dataType = FLOAT16;
    tensor.rawData = new Uint8Array(halves.buffer);
    if (tensor === largest) {
      Deno.writeFileSync(join(folder, "halves.bin"), tensor.rawData);
      tensor.externalData = [{
        $typeName: "onnx.StringStringEntryProto",
        key: "location",
        value: "halves.bin",
      }];
      tensor.dataLocation = TensorProto_DataLocation.EXTERNAL;
      tensor.rawData = new Uint8Array();
    } else if (i === tensors.length - 1) {
      tensor.int32Data = [...new Uint16Array(halves.buffer)];
      tensor.rawData = new Uint8Array();
    }
  });
  for (const { opType, attribute } of graph.node) {
    for (const each of attribute) if (opType === "Cast" && each.i === BigInt(FLOAT)) each.i = BigInt(FLOAT16);
  }
  for (const { type } of [...graph.input, ...graph.output, ...graph.valueInfo]) {
    if (type?.value.case === "tensorType" && type.value.value.elemType === FLOAT) {
      type.value.value.elemType = FLOAT16;
    }
  }
}

Deno.test("an export in float16 is computed in float32: as a family's where its halves are the weights alone", async () => {
  for (const name of EXPORTS) {
    await using own = await open(folder(name));
    await inCopy(name, { graph: halve }, async (place) => {
      const said: string[] = [], context = { ...testContext(), log: (text: string) => void said.push(text) };
      await using model = await backend.open({ path: place }, { taps: [] }, context);
      assert(said.some((text) => text.endsWith("holds float16 numbers, which are computed in float32")));
      // Angles of the others are rounded with their weights, which the proof finds.
      const opened = name === "gpt2" ? "opens as gpt2" : "opens as a black box";
      assert(said.some((text) => text.includes(opened)), said.join());
      const text = ids(9);
      // A half has 11 bits.
      assertNear(await model.logits(text), await own.logits(text), { place: name, tolerance: 5e-3 });
    });
  }
});

Deno.test("halves are refused in one line where they cannot be widened, when the file is looked at", async () => {
  const refused = (graph: (model: ModelProto) => void, state: string) =>
    inCopy("biased", {
      graph: (model, place) => {
        halve(model, place);
        graph(model);
      },
    }, async (place) => {
      await assertRejects(() => backend.inspect({ path: place }, testContext()), UserError, state);
    });
  const where = { key: "location", value: "halves.bin", $typeName: "onnx.StringStringEntryProto" } as const;
  await refused(({ graph }) => {
    const own = graph!.node.flatMap(({ attribute }) => attribute.flatMap(({ t }) => t ?? []))[0]!;
    Object.assign(own, { externalData: [where], dataLocation: TensorProto_DataLocation.EXTERNAL });
  }, "it holds float16 numbers, and a node's own lie in another file, wanted a float32 export");
  await refused(({ graph }) => {
    const table = graph!.initializer[0]!;
    graph!.sparseInitializer = [{
      $typeName: "onnx.SparseTensorProto",
      values: table,
      indices: table,
      dims: [],
    }];
  }, "it holds float16 numbers and sparse ones, wanted a float32 export");
  await refused(({ graph }) => {
    // What it says that it holds is enough.
    graph!.initializer.find(({ dims }) => dims.length === 2)!.dims = [2n ** 20n, 2n ** 10n];
  }, "its float16 numbers are over 2 GB in float32, wanted a float32 export");
});

Deno.test("a table of positions is told from one of tokens by what chooses its rows", async () => {
  const later = (model: ModelProto) => {
    const { node } = model.graph!,
      at = node.findIndex(({ input }) => input.includes("transformer.wte.weight"));
    const [tokens] = node.splice(at, 1);
    const places = node.findIndex(({ input }) => input.includes("transformer.wpe.weight"));
    node.splice(places + 1, 0, tokens!);
  };
  /** Ids that are guarded before they choose. */
  const guarded = (model: ModelProto) => {
    const { node, initializer } = model.graph!, from = initializer.find(({ dataType }) => dataType === 7);
    const table = node.find(({ input }) => input.includes("transformer.wte.weight"))!;
    const zero = {
      ...(from ?? initializer[0]!),
      name: "zero",
      dims: [],
      dataType: 7,
      rawData: new Uint8Array(8),
    };
    initializer.push(zero);
    const guard = create(NodeProtoSchema, {
      opType: "Max",
      input: [table.input[1]!, "zero"],
      output: ["guarded"],
    });
    table.input[1] = "guarded";
    node.splice(node.indexOf(table), 0, guard);
  };
  for (const graph of [later, guarded]) {
    await inCopy("gpt2", { graph }, async (place) => {
      const { model, said } = await openLogged(place);
      await using _ = model;
      assert(said.includes("opens as gpt2"), `${graph.name}: ${said}`);
    });
  }
});

Deno.test("weights that are found elsewhere in a file are not those that the cache has of it", async () => {
  const context = testContext({ cacheDir: await Deno.makeTempDir() });
  const { white } = await inspectForeign(join(exported("gpt2"), "model.onnx"), context);
  assert(white.missing === undefined);
  const names = ["transformer.h.0.ln_1.weight", "transformer.h.0.ln_2.weight"];
  const [one, two] = names.map((name) => white.sources.find((source) => source.name === name)!);
  const read = async (sources: typeof white.sources) => {
    const { file, offset, length } = (await openWhite({ ...white, sources }, context)).tensors.get(
      names[0]!,
    )!;
    return Deno.readFileSync(file).slice(offset, offset + length);
  };
  const swapped = white.sources.map((source) =>
    source === one ? { ...two!, name: one.name } : source === two ? { ...one!, name: two.name } : source
  );
  const before = await read(white.sources);
  assert((await read(swapped)).some((byte, i) => byte !== before[i]));
  await Deno.remove(context.cacheDir, { recursive: true });
});

async function scored(model: Model, requests: readonly ScoreRequest[]) {
  const found: {
    logprobs: readonly number[];
    greedy: readonly boolean[];
    argmax: number;
    argmaxLogprob: number;
  }[] = [];
  for await (const { indices, results } of model.score(requests)) {
    indices.forEach((index, i) => found[index] = results[i]!);
  }
  return found;
}

Deno.test("what no family knows opens as a black box that scores and generates as the family's model does", async () => {
  await using own = await open(folder("gemma3"));
  await inCopy("gemma3", { config: { model_type: "unheard_of" } }, async (place) => {
    const { model, said } = await openLogged(join(place, "model.onnx"));
    await using _ = model;
    assert(
      said.includes('opens as a black box, to score and to generate: architecture is "unheard_of"'),
      said,
    );
    assertEquals([...model.can].sort(), ["generate", "logprobs"]);
    const requests = [4, 9, 13].map((length): ScoreRequest => ({
      prompt: ids(length),
      continuations: [ids(1), ids(4), ids(2)],
    }));
    const [black, white] = [await scored(model, requests), await scored(own, requests)];
    for (const [i, { logprobs, ...rest }] of white.entries()) {
      logprobs.forEach((logprob, c) => assertAlmostEquals(black[i]!.logprobs[c]!, logprob, ROUNDING));
      assertEquals([black[i]!.greedy, black[i]!.argmax], [rest.greedy, rest.argmax]);
      assertAlmostEquals(black[i]!.argmaxLogprob, rest.argmaxLogprob, ROUNDING);
    }
    const options = { maxNewTokens: 8, stop: [] }, prompts = [ids(3), ids(7)];
    const texts = async (each: Model) =>
      (await Array.fromAsync(each.generate(prompts, options))).toSorted((a, b) => a.index - b.index);
    assertEquals(await texts(model), await texts(own));
    const inside = "it is a black box, wanted a model whose inside is known";
    const edits = [{ tap: "embed", units: [0], op: "scale", value: 0 }] as const;
    await assertRejects(
      () => Promise.resolve().then(() => model.score(requests, { edits })),
      UserError,
      inside,
    );
    await assertRejects(() => model.logits([5], { edits }), UserError, inside);
    await assertRejects(() => Promise.resolve().then(() => model.units("embed")), UserError, inside);
    await assertRejects(
      () => Promise.resolve().then(() => model.run([{ prompt: [5] }], {})),
      UserError,
      `Cannot look into ${model.info.name}: ${inside}`,
    );
  });
});

Deno.test("a black box writes on with the keys and values that its graph gives out, and without them where it gives none", async () => {
  const forgetful = (model: ModelProto) => {
    model.graph!.output = model.graph!.output.filter(({ name }) => name === "logits");
  };
  const prompts = [ids(3), ids(7)], options = { maxNewTokens: 8, stop: [] };
  const texts = async (model: Model) =>
    (await Array.fromAsync(model.generate(prompts, options))).toSorted((a, b) => a.index - b.index);
  for (const name of EXPORTS) {
    await using own = await open(folder(name));
    const expected = await texts(own);
    for (const graph of [undefined, forgetful]) {
      await inCopy(name, { config: { model_type: "unheard_of" }, ...(graph && { graph }) }, async (place) => {
        const { model } = await openLogged(place);
        await using _ = model;
        assertEquals(await texts(model), expected, name);
      });
    }
    await inCopy(name, { config: { model_type: "unheard_of" } }, async (place) => {
      const foreign = await inspectForeign(join(place, "model.onnx"), testContext());
      assert(foreign.graph.outputs.some(({ name }) => name === "present.0.key"));
      await using box = await openBlackBox(foreign, { threads: 1, packed: true });
      const text = ids(12), [whole] = await box.logits([text]);
      await using reader = box.reader();
      for (const [from, to] of [[0, 5], [5, 6], [6, 12]] as const) {
        const last = whole!.subarray((to - 1) * VOCAB, to * VOCAB);
        assertNear(await reader.read(text.slice(from, to)), last, {
          place: `${name} ${to}`,
          tolerance: 1e-5,
        });
      }
    });
  }
});

Deno.test("a graph is not taken for a family's whose config contradicts it, and what contradicts is said", async () => {
  const reasons = [
    ["biased", { rope_theta: 50 }, "with the weights found in it llama gives other logits (apart by"],
    ["biased", { num_hidden_layers: 3 }, "it has 5 of the 7 weights that are a gain of 24"],
    ["biased", { intermediate_size: 30 }, "it has 0 of the 4 weights that are a product of 30 by 24"],
    ["gpt2", { activation_function: "relu" }, 'its activation is "relu"'],
    ["biased", { rope_scaling: { rope_type: "dynamic", factor: 2 } }, 'rope_type is "dynamic"'],
    ["gpt2", { model_type: "llama", hidden_size: 24 }, "num_attention_heads is undefined"],
  ] as const;
  for (const [name, config, reason] of reasons) {
    await inCopy(name, { config }, async (place) => {
      const { model, said } = await openLogged(place);
      await using _ = model;
      assert(said.includes("opens as a black box") && said.includes(reason), said);
      assertEquals(model.can.has("edit"), false);
      assert((await model.logits([5, 9])).every(Number.isFinite));
    });
  }
});

Deno.test("graphs that cannot be run are refused in one line that names the file", async () => {
  const refused = async (
    changes: Parameters<typeof inCopy>[1],
    message: string,
    prepare: (folder: string) => string | void = () => {},
  ) =>
    await inCopy("biased", changes, async (place) => {
      const path = prepare(place) ?? place;
      const error = await assertRejects(
        async () => {
          await using _ = (await openLogged(path)).model;
        },
        UserError,
        message,
      ) as UserError;
      assertEquals(error.message.split("\n").length, 1);
      assert(error.message.includes(place), error.message);
    });
  const graph = (change: (graph: NonNullable<ModelProto["graph"]>) => void) => ({
    graph: (model: ModelProto, _folder?: string) => change(model.graph!),
  });
  const branch = create(AttributeProtoSchema, { name: "then_branch", g: create(GraphProtoSchema, {}) });
  await refused(
    graph(({ node }) =>
      node.push(create(NodeProtoSchema, { opType: "If", input: ["x"], output: ["y"], attribute: [branch] }))
    ),
    "it has control flow (If), wanted a graph without",
  );
  await refused(
    graph(({ node }) =>
      node.push(create(NodeProtoSchema, { opType: "Magic", domain: "my.ops", output: ["y"] }))
    ),
    "operator Magic is of domain my.ops, wanted those of ai.onnx and com.microsoft",
  );
  await refused(
    graph(({ node }) => void (node[3]!.opType = "Magic")),
    "the runtime says",
  );
  await refused(
    graph(({ input }) => void (input[1]!.name = "encoder_hidden_states")),
    "it has an input encoder_hidden_states, wanted those of a decoder",
  );
  await refused(graph(({ output }) => void (output[0]!.name = "scores")), "it has no output logits");
  const place = (location: string) =>
    graph(({ initializer }) => {
      const tensor = initializer.find(({ rawData }) => rawData.length > 64)!;
      tensor.rawData = new Uint8Array();
      tensor.dataLocation = TensorProto_DataLocation.EXTERNAL;
      tensor.externalData = [{ $typeName: "onnx.StringStringEntryProto", key: "location", value: location }];
    });
  await refused(place("gone.bin"), "its external data gone.bin is missing");
  // Weights of other types decide numbers as well.
  const whole = place("gone.bin");
  await refused(
    {
      graph: (model, folder) => {
        whole.graph(model, folder);
        const tensor = model.graph!.initializer.find(({ dataLocation }) =>
          dataLocation === TensorProto_DataLocation.EXTERNAL
        )!;
        tensor.dataType = 3;
      },
    },
    "its external data gone.bin is missing",
  );
  await refused(place("../config.json"), 'lies in "../config.json", wanted a file beside it');
  await refused({}, "it is not an ONNX model", (folder) => {
    Deno.writeTextFileSync(join(folder, "model.onnx"), "<html>no</html>");
  });
  await refused({}, "it is over 2 GB, wanted a graph with its weights as external data", (folder) => {
    Deno.truncateSync(join(folder, "model.onnx"), 2 ** 31 + 5);
  });
  await refused({}, "config.json", (folder) => Deno.removeSync(join(folder, "config.json")));
  await refused({}, "it has model_a.onnx, model_b.onnx, wanted the path of one of them", (folder) => {
    Deno.copyFileSync(join(folder, "model.onnx"), join(folder, "model_a.onnx"));
    Deno.renameSync(join(folder, "model.onnx"), join(folder, "model_b.onnx"));
  });
});

Deno.test("a graph below a model's folder is found, as Transformers.js keeps it", async () => {
  await inCopy("gpt2", {}, async (place) => {
    Deno.mkdirSync(join(place, "onnx"));
    Deno.renameSync(join(place, "model.onnx"), join(place, "onnx", "model.onnx"));
    for (const path of [place, join(place, "onnx", "model.onnx")]) {
      const { model, said } = await openLogged(path);
      await using _ = model;
      assert(said.includes("opens as gpt2"), said);
      assertEquals((await backend.inspect({ path }, testContext())).info.architecture, "gpt2");
    }
  });
});
