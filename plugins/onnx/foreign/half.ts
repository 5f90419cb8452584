/**
 * An export in float16, in float32: the same numbers, computed more exactly and, on a CPU, faster, since the runtime computes most operators of
 * halves in float32 there and rounds after each. Values of an operator are of one type, so all halves are widened, or none.
 */
import {
  type AttributeProto,
  type ModelProto,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProto_DataType,
} from "onnx-buf";
import { dirname, join } from "node:path";
import { UserError } from "../../../core/mod.ts";
import { CODECS } from "../weights/dequantize.ts";
import type { ForeignGraph } from "./graph.ts";

const { FLOAT, FLOAT16 } = TensorProto_DataType;
/** Protobuf's own bound. */
const LARGEST = 2 ** 31 - 1;

/** Whether any value of a graph is a half. */
export function isHalf(
  { model, inputs, outputs }: Pick<ForeignGraph, "model" | "inputs" | "outputs">,
): boolean {
  const { initializer, node } = model.graph!;
  return [...inputs, ...outputs].some(({ type }) => type === FLOAT16) || initializer.some(holdsHalves) ||
    node.some(({ attribute }) =>
      attribute.some((each) => (each.t !== undefined && holdsHalves(each.t)) || namesHalves(each))
    );
}

const holdsHalves = ({ dataType }: TensorProto) => dataType === FLOAT16;
/** Of Cast, and of what draws numbers. */
const namesHalves = ({ name, i }: AttributeProto) =>
  (name === "to" || name === "dtype") && Number(i) === FLOAT16;

/** @throws {UserError} where a graph cannot be widened: over 2 GB, which its numbers inside would be, or with halves in unusual places. */
export function checkHalves({ path, model }: Pick<ForeignGraph, "path" | "model">): void {
  const { initializer, node, sparseInitializer } = model.graph!,
    attributes = node.flatMap(({ attribute }) => attribute);
  const fail = (state: string) => new UserError(`Cannot open ${path}: ${state}, wanted a float32 export`);
  if (sparseInitializer.length > 0 || attributes.some(({ sparseTensor }) => sparseTensor)) {
    throw fail("it holds float16 numbers and sparse ones");
  }
  if (attributes.some(({ t }) => t?.dataLocation === TensorProto_DataLocation.EXTERNAL)) {
    throw fail("it holds float16 numbers, and a node's own lie in another file");
  }
  const bytes = initializer.reduce(
    (sum, tensor) =>
      sum +
      (holdsHalves(tensor) ? 4 * Number(tensor.dims.reduce((a, b) => a * b, 1n)) : tensor.rawData.length),
    0,
  );
  if (bytes > LARGEST) throw fail("its float16 numbers are over 2 GB in float32");
}

/** @param graph that passed checkHalves() */
export function widened({ path, model }: Pick<ForeignGraph, "path" | "model">): ModelProto {
  const { initializer, node, input, output } = model.graph!;
  const port = (value: typeof input[number]) => {
    const tensor = value.type?.value;
    return tensor?.case !== "tensorType" || tensor.value.elemType !== FLOAT16 ? value : {
      ...value,
      type: { ...value.type!, value: { ...tensor, value: { ...tensor.value, elemType: FLOAT } } },
    };
  };
  return {
    ...model,
    graph: {
      ...model.graph!,
      initializer: initializer.map((tensor) => tensorOf(tensor, path)),
      node: node.map((each) => ({
        ...each,
        attribute: each.attribute.map((attribute) => attributeOf(attribute, path)),
      })),
      input: input.map(port),
      output: output.map(port),
      // What lies between is of the types that follow from these.
      valueInfo: [],
    },
  };
}

function attributeOf(attribute: AttributeProto, path: string): AttributeProto {
  if (attribute.t) return { ...attribute, t: tensorOf(attribute.t, path) };
  return namesHalves(attribute) ? { ...attribute, i: BigInt(FLOAT) } : attribute;
}

function tensorOf(tensor: TensorProto, path: string): TensorProto {
  if (!holdsHalves(tensor)) return tensor;
  const halves = bytesOf(tensor, path), out = new Float32Array(halves.length / 2);
  CODECS["F16"]!.decode(halves, out);
  return {
    ...tensor,
    dataType: FLOAT,
    rawData: new Uint8Array(out.buffer),
    int32Data: [],
    externalData: [],
    dataLocation: TensorProto_DataLocation.DEFAULT,
  };
}

/** Halves as they are stored: in the graph, as its list of whole numbers, or in a file beside it. */
function bytesOf({ rawData, int32Data, externalData, dataLocation }: TensorProto, path: string) {
  if (dataLocation === TensorProto_DataLocation.EXTERNAL) {
    const entry = (key: string) => externalData.find((each) => each.key === key)?.value;
    const file = join(dirname(path), entry("location")!), offset = Number(entry("offset") ?? 0);
    using from = Deno.openSync(file);
    from.seekSync(offset, Deno.SeekMode.Start);
    const bytes = new Uint8Array(Number(entry("length") ?? Deno.statSync(file).size - offset));
    for (let done = 0; done < bytes.length;) {
      const count = from.readSync(bytes.subarray(done));
      if (count === null) throw new UserError(`Cannot read ${file}: it ends too early, wanted a whole file`);
      done += count;
    }
    return bytes;
  }
  return rawData.length > 0 ? Uint8Array.from(rawData) : new Uint8Array(Uint16Array.from(int32Data).buffer);
}
