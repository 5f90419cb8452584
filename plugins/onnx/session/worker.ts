/** The Worker's entry: session.run blocks its JavaScript thread for as long as it computes, so it has one of its own. */
import * as comlink from "comlink";
import * as ort from "onnxruntime-node";
import {
  type Call,
  isPast,
  type Past,
  presentName,
  type Reply,
  type Runtime,
  type SessionOptions,
  type TensorData,
} from "./door.ts";

// Errors come back as errors, those of a device that is not there as well.
ort.env.logLevel = "fatal";

type Cache = ReadonlyMap<string, ort.Tensor>;

function createRuntime(): Runtime {
  const caches = new Map<number, Cache>();
  let session: ort.InferenceSession | undefined;
  let shapes: ReadonlyMap<string, readonly (number | string)[]> = new Map();
  let lastCache = 0;
  return {
    async open(model: Uint8Array, options: SessionOptions) {
      if (options.device === "cuda") forbidTf32();
      session = await ort.InferenceSession.create(model, sessionOptions(options));
      shapes = pastShapes(session);
    },
    async run({ feeds, fetch, past, keep }: Call): Promise<Reply> {
      if (!session) throw new Error("Cannot run the graph: no session is open, wanted open() first");
      const given = Object.fromEntries(Object.entries(feeds).map(([name, data]) => [name, tensor(data)]));
      const batch = feeds["ids"]?.dims[0] ?? 1;
      const kept = past ? pick(caches.get(past.cache)!, past) : empty(shapes, batch);
      const presents = keep ? [...shapes.keys()].map(presentName) : [];
      const result = await session.run({ ...kept, ...given }, [...fetch, ...presents]);
      const outputs = Object.fromEntries(fetch.map((name) => [name, dataOf(result[name]!)]));
      if (!keep) return { outputs };
      caches.set(++lastCache, new Map([...shapes.keys()].map((name) => [name, result[presentName(name)]!])));
      return { outputs, cache: lastCache };
    },
    drop: (cache: number) => void caches.delete(cache),
    async close() {
      caches.clear();
      await session?.release();
    },
  };
}

/** The runtime lets CUDA round what it multiplies to TF32's 10 bits, and its package for Node passes no option on that says otherwise; the
 * libraries below read this. */
function forbidTf32(): void {
  Deno.env.set("NVIDIA_TF32_OVERRIDE", "0");
}

function sessionOptions(
  { device = "cpu", threads, packed }: SessionOptions,
): ort.InferenceSession.SessionOptions {
  return {
    executionProviders: [device],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    // The graph is drawn with the runtime's own fast ops; what is left to fuse would differ with the taps it carries.
    graphOptimizationLevel: "basic",
    enableMemPattern: false, // shapes differ from batch to batch
    logSeverityLevel: 4, // errors come back as errors
    extra: {
      session: {
        model_external_initializers_file_folder_path: "/",
        disable_prepacking: packed ? "0" : "1",
      },
    },
  };
}

function pastShapes(session: ort.InferenceSession): Map<string, readonly (number | string)[]> {
  const inputs = session.inputMetadata.filter(({ name }) => isPast(name));
  return new Map(inputs.map((input) => [input.name, input.isTensor ? input.shape : []]));
}

function tensor({ data, dims }: TensorData): ort.Tensor {
  return data instanceof Float32Array
    ? new ort.Tensor("float32", data, dims)
    : new ort.Tensor("int64", data, dims);
}

function dataOf(value: ort.Tensor): TensorData {
  return { data: value.data as TensorData["data"], dims: value.dims };
}

function empty(
  shapes: ReadonlyMap<string, readonly (number | string)[]>,
  batch: number,
): Record<string, ort.Tensor> {
  return Object.fromEntries([...shapes].map(([name, shape]) => {
    const dims = [batch, Number(shape[1]), 0, Number(shape[3])];
    return [name, new ort.Tensor("float32", new Float32Array(0), dims)];
  }));
}

/** Rows of a cache in a new order; the cache itself when the order is its own. */
function pick(cache: Cache, { rows }: Past): Record<string, ort.Tensor> {
  return Object.fromEntries([...cache].map(([name, value]) => {
    const [batch, ...rest] = value.dims;
    if (rows.length === batch && rows.every((row, i) => row === i)) return [name, value];
    const size = rest.reduce((a, b) => a * b, 1);
    const data = new Float32Array(rows.length * size), from = value.data as Float32Array;
    rows.forEach((row, i) => data.set(from.subarray(row * size, (row + 1) * size), i * size));
    return [name, new ort.Tensor("float32", data, [rows.length, ...rest])];
  }));
}

comlink.expose(createRuntime());
