/** Other programs' ONNX files as data: their inputs, and where each parameter lies and what reads it. */
import { basename, dirname, join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import {
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProto_DataType,
  type ValueInfoProto,
} from "onnx-buf";
import { UserError } from "../../../core/mod.ts";
import { exists } from "../weights/file.ts";
import { product } from "../weights/safetensors.ts";

/** What reads a parameter first: rows of a table that tokens choose, or others that places do, a product x W, a norm's gain, or a sum. */
export type Role = "table" | "positions" | "product" | "gain" | "bias";

/** A parameter in the file. */
export interface Parameter {
  readonly role: Role;
  /** As stored. */
  readonly shape: readonly number[];
  /** Of a product: whether it is stored [in, out], as x W reads it, or [out, in]. */
  readonly turned: boolean;
  readonly type: "F32" | "F16" | "BF16";
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

export interface Port {
  readonly name: string;
  readonly type: TensorProto_DataType;
  /** Sizes; undefined for one that differs from call to call. */
  readonly shape: readonly (number | undefined)[];
}

export interface ForeignGraph {
  readonly path: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** In the order in which nodes read them first; scalars and whole numbers are left out. */
  readonly parameters: readonly Parameter[];
  /** Files with weights beside the graph's own, in name order. */
  readonly external: readonly string[];
  /** Numbers in all parameters. */
  readonly count: number;
  readonly model: ModelProto;
}

const TYPES: Readonly<Partial<Record<TensorProto_DataType, Parameter["type"]>>> = {
  [TensorProto_DataType.FLOAT]: "F32",
  [TensorProto_DataType.FLOAT16]: "F16",
  [TensorProto_DataType.BFLOAT16]: "BF16",
};
const BYTES = { F32: 4, F16: 2, BF16: 2 } as const;
/** Domains whose operators the runtime has. */
const DOMAINS = ["", "ai.onnx", "com.microsoft"];
/** Protobuf's own bound, which JavaScript's arrays share. */
const LARGEST = 2 ** 31 - 1;

/** @throws {UserError} for what is no ONNX model, has control flow or operators of unknown domains, or whose external data is not there. */
export function readForeign(path: string): ForeignGraph {
  const fail = (state: string, wanted: string) =>
    new UserError(`Cannot open ${path}: ${state}, wanted ${wanted}`);
  const { size } = Deno.statSync(path);
  if (size > LARGEST) throw fail("it is over 2 GB", "a graph with its weights as external data");
  const bytes = Deno.readFileSync(path);
  const model = parse(bytes, () => fail("it is not an ONNX model", "one"));
  const { graph } = model;
  if (!graph || graph.node.length === 0) throw fail("it has no graph", "an ONNX model");
  for (const { opType, domain, attribute } of graph.node) {
    if (attribute.some(({ g, graphs }) => g !== undefined || graphs.length > 0)) {
      throw fail(
        `it has control flow (${opType})`,
        "a graph without, such as Optimum's --no-post-process writes",
      );
    }
    if (!DOMAINS.includes(domain)) {
      throw fail(
        `operator ${opType} is of domain ${domain}`,
        `those of ${DOMAINS.filter((known) => known !== "").join(" and ")}`,
      );
    }
  }
  const external = new Set<string>();
  const placed = new Map(graph.initializer.map((tensor) => {
    const place = placeOf(tensor, { path, bytes, fail });
    if (place.isExternal) external.add(place.file);
    const type = TYPES[tensor.dataType as TensorProto_DataType], { length, ...rest } = place;
    // Whole numbers and single ones are no parameters, nor are numbers that stand as a list and so have no one place.
    const isParameter = type && product(rest.shape) > 1 && length === product(rest.shape) * BYTES[type];
    return [tensor.name, isParameter ? { type, length, ...rest } : undefined] as const;
  }));
  const taken = new Map<string, Parameter>();
  const through = aliases(graph.node), areTokens = tokensIn(graph.node);
  for (const node of graph.node) {
    node.input.forEach((input, i) => {
      const { name, turns } = through(input), place = placed.get(name), read = place && roleOf(node, i);
      const role = read === "table" && !areTokens(node.input[1]!) ? "positions" : read;
      if (!place || !role || taken.has(name)) return;
      taken.set(name, { ...place, role, turned: (role === "product" && !isTransposed(node)) !== turns });
    });
  }
  const inner = new Set(graph.initializer.map(({ name }) => name));
  return {
    path,
    inputs: graph.input.filter(({ name }) => !inner.has(name)).map(portOf),
    outputs: graph.output.map(portOf),
    parameters: [...taken.values()],
    external: [...external].sort(),
    count: [...placed.values()].reduce((sum, place) => sum + (place ? product(place.shape) : 0), 0),
    model,
  };
}

function parse(bytes: Uint8Array, refuse: () => UserError): ModelProto {
  try {
    return fromBinary(ModelProtoSchema, bytes);
  } catch {
    throw refuse();
  }
}

interface Around {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly fail: (state: string, wanted: string) => UserError;
}

/** Where a tensor lies, of whatever type: what is outside of the graph's own file decides its numbers as well. */
function placeOf(
  { name, dims, rawData, dataLocation, externalData }: TensorProto,
  { path, bytes, fail }: Around,
): Pick<Parameter, "shape" | "file" | "offset" | "length"> & { readonly isExternal: boolean } {
  const shape = dims.map(Number);
  if (dataLocation === TensorProto_DataLocation.EXTERNAL) {
    const entry = (key: string) => externalData.find((each) => each.key === key)?.value;
    const location = entry("location") ?? "", file = join(dirname(path), location);
    // A location leads nowhere outside of the folder.
    if (location === "" || location !== basename(location)) {
      throw fail(`tensor ${name} lies in ${JSON.stringify(location)}`, "a file beside it");
    }
    if (!exists(file)) throw fail(`its external data ${location} is missing`, "it beside the graph");
    const offset = Number(entry("offset") ?? 0), { size } = Deno.statSync(file);
    const length = Number(entry("length") ?? size - offset);
    if (offset + length > size) throw fail(`tensor ${name} ends after ${location} does`, "a whole file");
    return { shape, file: Deno.realPathSync(file), offset, length, isExternal: true };
  }
  const offset = rawData.byteOffset - bytes.byteOffset;
  return { shape, file: Deno.realPathSync(path), offset, length: rawData.length, isExternal: false };
}

/** What a value is but for its type and orientation: the parameter that it comes from by Cast, Identity and Transpose. */
function aliases(nodes: readonly NodeProto[]) {
  const from = new Map(
    nodes.filter(({ opType }) => ["Cast", "Identity", "Transpose"].includes(opType))
      .map((node) => [node.output[0]!, node]),
  );
  return (value: string): { readonly name: string; readonly turns: boolean } => {
    let name = value, turns = false;
    for (let node = from.get(name); node; node = from.get(name)) {
      if (node.opType === "Transpose") turns = !turns;
      name = node.input[0]!;
    }
    return { name, turns };
  };
}

/** Whether a value is made of a text's tokens, and not only of how many there are. */
function tokensIn(nodes: readonly NodeProto[]) {
  const from = new Map(nodes.flatMap((node) => node.output.map((output) => [output, node] as const)));
  return (value: string): boolean => {
    const seen = new Set<string>(), left = [value];
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      if (name === "input_ids") return true;
      const node = from.get(name);
      if (seen.has(name) || !node || node.opType === "Shape" || node.opType === "Size") continue;
      seen.add(name);
      left.push(...node.input);
    }
    return false;
  };
}

/** By operator, what its inputs are that may be parameters. */
const ROLES: Readonly<Record<string, Readonly<Record<number, Role>>>> = {
  Gather: { 0: "table" },
  MatMul: { 1: "product" },
  Gemm: { 1: "product", 2: "bias" },
  FusedMatMul: { 1: "product" },
  Mul: { 0: "gain", 1: "gain" },
  Add: { 0: "bias", 1: "bias" },
  LayerNormalization: { 1: "gain", 2: "bias" },
  RMSNormalization: { 1: "gain" },
  SimplifiedLayerNormalization: { 1: "gain" },
  SkipSimplifiedLayerNormalization: { 2: "gain" },
  SkipLayerNormalization: { 2: "gain", 3: "bias" },
};

const roleOf = ({ opType }: NodeProto, input: number): Role | undefined => ROLES[opType]?.[input];

/** Whether a product reads its parameter as [out, in]. */
function isTransposed({ attribute }: NodeProto): boolean {
  return attribute.some(({ name, i }) => name === "transB" && i === 1n);
}

function portOf({ name, type }: ValueInfoProto): Port {
  const tensor = type?.value.case === "tensorType" ? type.value.value : undefined;
  return {
    name,
    type: (tensor?.elemType ?? TensorProto_DataType.UNDEFINED) as TensorProto_DataType,
    shape: (tensor?.shape?.dim ?? []).map(({ value }) =>
      value.case === "dimValue" ? Number(value.value) : undefined
    ),
  };
}

/** sha256 covers these. */
export const filesOf = ({ path, external }: ForeignGraph): readonly string[] => [path, ...external];
