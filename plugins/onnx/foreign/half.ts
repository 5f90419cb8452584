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

/** Whether any number of a graph is a half. */
export function isHalf({ model, inputs }: Pick<ForeignGraph, "model" | "inputs">): boolean {
  const isOne = ({ dataType }: TensorProto) => dataType === FLOAT16;
  return inputs.some(({ type }) => type === FLOAT16) || model.graph!.initializer.some(isOne) ||
    model.graph!.node.some(({ attribute }) => attribute.some(({ t }) => t !== undefined && isOne(t)));
}

/** @throws {UserError} where that is over 2 GB, which a graph with its numbers inside cannot be. */
export function widened({ path, model }: Pick<ForeignGraph, "path" | "model">): ModelProto {
  const { initializer, node, input, output } = model.graph!;
  const numbers = initializer.filter(({ dataType }) => dataType === FLOAT16)
    .reduce((sum, { dims }) => sum + Number(dims.reduce((a, b) => a * b, 1n)), 0);
  if (4 * numbers > LARGEST) {
    throw new UserError(`Cannot open ${path}: its halves are over 2 GB in float32, wanted a float32 export`);
  }
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
        attribute: each.attribute.map((attribute) => attributeOf(attribute, each.opType, path)),
      })),
      input: input.map(port),
      output: output.map(port),
      // What lies between is of the types that follow from these.
      valueInfo: [],
    },
  };
}

/** Attributes that name a type. */
const TYPES: Readonly<Record<string, string>> = { Cast: "to", RandomNormal: "dtype", EyeLike: "dtype" };

function attributeOf(attribute: AttributeProto, op: string, path: string): AttributeProto {
  if (attribute.t) return { ...attribute, t: tensorOf(attribute.t, path) };
  return attribute.name === TYPES[op] && Number(attribute.i) === FLOAT16
    ? { ...attribute, i: BigInt(FLOAT) }
    : attribute;
}

function tensorOf(tensor: TensorProto, path: string): TensorProto {
  if (tensor.dataType !== FLOAT16) return tensor;
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
    for (let done = 0; done < bytes.length;) done += from.readSync(bytes.subarray(done))!;
    return bytes;
  }
  return rawData.length > 0 ? Uint8Array.from(rawData) : new Uint8Array(Uint16Array.from(int32Data).buffer);
}
