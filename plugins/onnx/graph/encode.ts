/** A graph as ONNX bytes. Weights become external data that points into the file where they lie. */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType,
  type AttributeProtoSchema,
  ModelProtoSchema,
  TensorProto_DataLocation,
  TensorProto_DataType,
} from "onnx-buf";
import { type Attribute, type Graph, type Value, type Weight } from "./graph.ts";
import type { Device } from "../session/door.ts";
import { lower, type RuntimeNode, type RuntimeTable } from "./lower/mod.ts";

const TYPES = {
  float32: TensorProto_DataType.FLOAT,
  int64: TensorProto_DataType.INT64,
  int8: TensorProto_DataType.INT8,
  uint8: TensorProto_DataType.UINT8,
} as const;

/** Serialises for ONNX Runtime: IR 10, opset 19 (of ReduceMax, ConstantOfShape and Identity as later ones have them the runtime has no CUDA kernel,
 * and computes them on the CPU without a word), com.microsoft 1. External locations are real paths without their first slash,
 * for a session whose external data folder is "/". */
export function encode(graph: Graph, device: Device = "cpu"): Uint8Array {
  const { nodes, tables } = lower(graph, device);
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 10n,
      producerName: "plumbline",
      opsetImport: [{ domain: "", version: 19n }, { domain: "com.microsoft", version: 1n }],
      graph: {
        name: "model",
        input: graph.inputs.map(port),
        output: graph.outputs.map(port),
        node: nodes.map(node),
        initializer: [...[...graph.constants, ...tables].map(table), ...graph.weights.map(weight)],
      },
    }),
  );
}

function port({ name, dtype, shape }: Value) {
  // A size that may be 1 has no name: the runtime takes equal names for equal sizes.
  const dim = shape.map((size) =>
    typeof size === "number"
      ? { value: { case: "dimValue" as const, value: BigInt(size) } }
      : size.endsWith("?")
      ? {}
      : { value: { case: "dimParam" as const, value: size } }
  );
  return {
    name,
    type: { value: { case: "tensorType" as const, value: { elemType: TYPES[dtype], shape: { dim } } } },
  };
}

function node({ op, domain, name, inputs, outputs, attributes }: RuntimeNode) {
  return {
    name,
    opType: op,
    domain,
    input: [...inputs],
    output: [...outputs],
    attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
  };
}

function attribute(name: string, value: Attribute): MessageInitShape<typeof AttributeProtoSchema> {
  if (typeof value === "bigint") return { name, type: AttributeProto_AttributeType.INT, i: value };
  if (typeof value === "number") return { name, type: AttributeProto_AttributeType.FLOAT, f: value };
  if (typeof value === "string") {
    return { name, type: AttributeProto_AttributeType.STRING, s: new TextEncoder().encode(value) };
  }
  return { name, type: AttributeProto_AttributeType.INTS, ints: [...value] };
}

function table({ name, shape, data }: RuntimeTable) {
  const rawData = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  const type = data instanceof Float32Array ? "float32" : data instanceof Uint8Array ? "uint8" : "int64";
  return { name, dataType: TYPES[type], dims: shape.map(BigInt), rawData };
}

function weight({ name, dtype, ref }: Weight) {
  return {
    name,
    dataType: TYPES[dtype],
    dims: ref.shape.map(BigInt),
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: [
      { key: "location", value: ref.file.replace(/^\//, "") },
      { key: "offset", value: String(ref.offset) },
      { key: "length", value: String(ref.length) },
    ],
  };
}
