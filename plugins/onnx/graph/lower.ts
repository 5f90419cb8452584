/**
 * From the graph's nodes to the runtime's: those of ops/sliced.ts are drawn with what the runtime has.
 *
 *   x [rows, in] -> s = max |x| / 127 by row -> h = round(x / s) -> r = round((x - s h) / (s / 254))      once for all that read x
 *   [h; r] [rows, 2, in] (uint8) times slices [in, 2 out] (int8), each column by its scale -> [rows, 4, out]
 *   [s, s, s / 254, s / 254] [rows, 1, 4] times that -> [rows, 1, out]
 *
 * One product by both slices, so that the weight lies in memory once; a product of four numbers by four rows adds them up in one pass.
 */
import { INPUT_RESIDUE, INPUT_STEPS, WEIGHT_RESIDUE } from "../weights/slices.ts";
import type { Attributes, Graph, Node, Value } from "./graph.ts";
import { OPS } from "./ops/mod.ts";

/** A node in the runtime's terms: names in place of values. */
export interface RuntimeNode {
  readonly op: string;
  readonly domain: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes;
}

/** A small table that nodes were drawn with. */
export interface RuntimeTable {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array | Uint8Array;
}

/** What is added where whole numbers in -127 ... 127 are uint8. */
const MIDDLE = 128;

/** @returns nodes in execution order and the tables that the graph does not have. */
export function lower({ nodes }: Pick<Graph, "nodes">): {
  readonly nodes: readonly RuntimeNode[];
  readonly tables: readonly RuntimeTable[];
} {
  const lowering = createLowering();
  for (const node of nodes) {
    if (node.op === "SlicedMatMul") lowering.product(node);
    else if (node.op === "SlicedSteps") lowering.steps(node);
    else lowering.add(asIs(node));
  }
  return { nodes: lowering.nodes, tables: [...lowering.tables.values()] };
}

function asIs({ op, name, inputs, outputs, attributes }: Node): RuntimeNode {
  return {
    op,
    domain: OPS[op].domain,
    name,
    inputs: inputs.map((value) => value?.name ?? ""),
    outputs: outputs.map((value) => value.name),
    attributes,
  };
}

/** Rows of an input in slices. */
interface SlicedRows {
  /** uint8: [rows, count, in], of one slice [rows, in]. */
  readonly slices: string;
  /** [rows, 1]: scales. */
  readonly scale: string;
  /** Sizes but the last, int64. */
  readonly sizes: string;
}

function createLowering() {
  const nodes: RuntimeNode[] = [], tables = new Map<string, RuntimeTable>();
  const known = new Map<string, SlicedRows>(), joined = new Set<string>();
  const add = (node: RuntimeNode) => void nodes.push(node);
  const draw = (
    op: string,
    name: string,
    inputs: readonly string[],
    { domain = "", ...attributes }: Attributes & { readonly domain?: string } = {},
  ) => {
    add({ op, domain, name, inputs, outputs: [name], attributes });
    return name;
  };
  const table = (name: string, shape: readonly number[], data: RuntimeTable["data"]) => {
    tables.set(name, { name, shape, data });
    return name;
  };
  const number = (value: number) => table(`sliced.number.${value}`, [], Float32Array.of(value));
  const ints = (...values: number[]) =>
    table(`sliced.ints.${values.join("_")}`, [values.length], BigInt64Array.from(values, BigInt));
  const middle = () => table("sliced.middle", [], Uint8Array.of(MIDDLE));

  const sliceRows = (x: Value, inner: number, count: number): SlicedRows => {
    const at = `${x.name}.in.${count}.slices`, found = known.get(at);
    if (found) return found;
    const rows = x.shape.length === 2 ? x.name : draw("Reshape", `${at}.rows`, [x.name, ints(-1, inner)]);
    const over = [rows, ints(-1)];
    const most = draw("ReduceMax", `${at}.most`, over);
    const least = draw("Neg", `${at}.least.negative`, [draw("ReduceMin", `${at}.least`, over)]);
    const top = draw("Max", `${at}.top`, [most, least, number(1e-30)]);
    // A maximum passes over what is no number, and so does rounding to whole ones: the sum of the row keeps it.
    const nothing = draw("Mul", `${at}.nothing`, [draw("ReduceSum", `${at}.sum`, over), number(0)]);
    const scale = draw("Mul", `${at}.scale`, [
      draw("Add", `${at}.top.finite`, [top, nothing]),
      number(1 / INPUT_STEPS),
    ]);
    const scales = draw("Reshape", `${at}.scales`, [scale, ints(-1)]);
    const middles = draw("Expand", `${at}.middles`, [middle(), draw("Shape", `${at}.count`, [scales])]);
    const by = { axis: 0n };
    const high = draw("QuantizeLinear", `${at}.high`, [rows, scales, middles], by);
    const sizes = draw("Shape", `${at}.sizes`, [x.name], { end: -1n });
    const made = { scale, sizes };
    if (count === 1) {
      known.set(at, { ...made, slices: high });
      return known.get(at)!;
    }
    const seen = draw("DequantizeLinear", `${at}.high.seen`, [high, scales, middles], by);
    const rest = draw("Sub", `${at}.rest`, [rows, seen]);
    const finer = draw("Mul", `${at}.scales.fine`, [scales, number(1 / INPUT_RESIDUE)]);
    const residue = draw("QuantizeLinear", `${at}.residue`, [rest, finer, middles], by);
    const both = [high, residue].map((slice) => draw("Unsqueeze", `${slice}.apart`, [slice, ints(1)]));
    known.set(at, { ...made, slices: draw("Concat", at, both, { axis: 1n }) });
    return known.get(at)!;
  };

  /** Of all columns of all slices; of constants, so that the runtime computes it once. */
  const columnScales = (scales: string, count: number) => {
    if (count === 1) return scales;
    const at = `${scales}.of.slices`;
    if (joined.has(at)) return at;
    joined.add(at);
    return draw("Concat", at, [scales, draw("Mul", `${scales}.fine`, [scales, number(1 / WEIGHT_RESIDUE)])], {
      axis: 0n,
    });
  };

  return {
    nodes,
    tables,
    add,
    product({ name, inputs: [x, slices, scales], outputs: [output], attributes }: Node) {
      const count = Number(attributes["count"]);
      const [inner, width] = slices!.shape as readonly [number, number], out = width / count;
      const input = sliceRows(x!, inner, count);
      const product = draw("MatMulIntegerToFloat", `${name}.sliced.slices`, [
        input.slices,
        slices!.name,
        number(1),
        columnScales(scales!.name, count),
        middle(),
      ], { domain: "com.microsoft" });
      const sum = () => {
        const weights = table(
          "sliced.shares",
          [1, 1, 4],
          Float32Array.of(1, 1, ...[1, 1].map((one) => one / INPUT_RESIDUE)),
        );
        const shares = draw("Mul", `${name}.sliced.shares`, [
          draw("Unsqueeze", `${name}.sliced.scale`, [input.scale, ints(1)]),
          weights,
        ]);
        const apart = draw("Reshape", `${name}.sliced.apart`, [product, ints(0, 4, out)]);
        return draw("FusedMatMul", `${name}.sliced.sum`, [shares, apart], { domain: "com.microsoft" });
      };
      const scaled = count === 1 ? draw("Mul", `${name}.sliced.scaled`, [product, input.scale]) : sum();
      const sizes = draw("Concat", `${name}.sliced.sizes`, [input.sizes, ints(out)], { axis: 0n });
      draw("Reshape", output!.name, [scaled, sizes]);
    },
    steps({ name, inputs: [slices, before], outputs: [output], attributes }: Node) {
      const count = Number(attributes["count"]);
      const [inner, width] = slices!.shape as readonly [number, number], out = width / count;
      // Of constants alone the runtime would make all layers' when the session opens, and keep them: so the sizes wait for the value that comes
      // before, for one of its own that differs from call to call. (Of a Concat with one such size it would make a constant with -1.)
      const rows = draw("Shape", `${name}.sliced.rows`, [before!.name], { end: 1n });
      const none = draw("Mul", `${name}.sliced.none`, [rows, ints(0)]);
      const sizes = draw("Add", `${name}.sliced.sizes`, [ints(inner, count, out), none]);
      const apart = draw("Reshape", `${name}.sliced.apart`, [slices!.name, sizes]);
      const wide = draw("Cast", `${name}.sliced.float`, [apart], { to: 1n }); // float32
      const shares = table(
        `sliced.steps.${count}`,
        [1, 1, count],
        Float32Array.of(1, 1 / WEIGHT_RESIDUE).slice(0, count),
      );
      const sum = draw("FusedMatMul", `${name}.sliced.sum`, [shares, wide], { domain: "com.microsoft" });
      draw("Reshape", output!.name, [sum, ints(inner, out)]);
    },
  };
}
