/**
 * Products by weights in int8 slices (ops/sliced.ts), drawn with what the runtime has.
 *
 *   x [rows, in] -> t = max |x| by row -> u = x 127 / t -> h = round(u) -> r = round(254 (u - h))          once for all that read x
 *   [h; r] [2 rows, in] (uint8) times slices [in, 2 out] (int8), each column by its scale -> [2 rows, 2 out], read as [rows, 4, out]
 *   t [1, 1, 1 / 254, 1 / 254] / 127 [rows, 1, 4] times that -> [rows, 1, out]
 *
 * One product by both slices, so that the weight lies in memory once; a product of four numbers by four rows adds them up in one pass. At few
 * rows what counts is how many of the runtime's nodes there are, each some 10 us, and how often the input is read.
 */
import { INPUT_RESIDUE, INPUT_STEPS, WEIGHT_RESIDUE } from "../../weights/slices.ts";
import type { Node, Value } from "../graph.ts";
import type { Drawer } from "./draw.ts";

/** What is added where whole numbers in -127 ... 127 are uint8. */
const MIDDLE = 128;

/** An input in slices. */
interface SlicedRows {
  /** uint8: [..., rows * count, in], the slices of a row after one another. */
  readonly slices: string;
  /** [..., rows, 1]: the largest of each row, without its sign. */
  readonly top: string;
}

/** In a Reshape: all sizes of x before its rows. */
const sameBefore = ({ shape }: Value) => shape.slice(2).map(() => 0);

/** @returns what draws each of the two ops. */
export function createSlicer({ draw, table, number, ints }: Drawer) {
  const known = new Map<string, SlicedRows>(), joined = new Set<string>();
  const middle = () => table("sliced.middle", [], Uint8Array.of(MIDDLE));

  const sliceRows = (x: Value, inner: number, count: number): SlicedRows => {
    const at = `${x.name}.in.${count}.slices`, found = known.get(at);
    if (found) return found;
    const over = [x.name, ints(-1)];
    const top = draw("Max", `${at}.top`, [
      draw("ReduceMax", `${at}.most`, over),
      draw("Neg", `${at}.least.negative`, [draw("ReduceMin", `${at}.least`, over)]),
      // No more than the largest, and no number where one of the row is none: a maximum along a row passes over that, and so does rounding.
      draw("ReduceMean", `${at}.mean`, over),
      number(1e-30),
    ]);
    const steps = draw("Mul", `${at}.steps`, [
      x.name,
      draw("Div", `${at}.steps.of.one`, [number(INPUT_STEPS), top]),
    ]);
    const high = draw("QuantizeLinear", `${at}.high`, [steps, number(1), middle()]);
    const slices = () => {
      const seen = draw("DequantizeLinear", `${at}.high.seen`, [high, number(1), middle()]);
      const rest = draw("Sub", `${at}.rest`, [steps, seen]);
      const residue = draw("QuantizeLinear", `${at}.residue`, [rest, number(1 / INPUT_RESIDUE), middle()]);
      const both = draw("Concat", `${at}.both`, [high, residue], { axis: -1n });
      return draw("Reshape", at, [both, ints(...sameBefore(x), -1, inner)]);
    };
    known.set(at, { slices: count === 1 ? high : slices(), top });
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
    product({ name, inputs: [x, slices, scales], outputs: [output], attributes }: Node) {
      const count = Number(attributes["count"]);
      const [inner, width] = slices!.shape as readonly [number, number], out = width / count;
      const input = sliceRows(x!, inner, count);
      const products = draw("MatMulIntegerToFloat", `${name}.sliced.products`, [
        input.slices,
        slices!.name,
        number(1),
        columnScales(scales!.name, count),
        middle(),
      ], { domain: "com.microsoft" });
      if (count === 1) {
        const scale = draw("Mul", `${name}.sliced.scale`, [input.top, number(1 / INPUT_STEPS)]);
        draw("Mul", output!.name, [products, scale]);
        return;
      }
      const fine = INPUT_STEPS * INPUT_RESIDUE;
      const weights = table(
        "sliced.shares",
        [4],
        Float32Array.of(1 / INPUT_STEPS, 1 / INPUT_STEPS, 1 / fine, 1 / fine),
      );
      const shares = draw("Mul", `${name}.sliced.shares`, [
        draw("Unsqueeze", `${name}.sliced.top`, [input.top, ints(-1)]),
        weights,
      ]);
      const apart = draw("Reshape", `${name}.sliced.apart`, [products, ints(...sameBefore(x!), -1, 4, out)]);
      const sum = draw("FusedMatMul", `${name}.sliced.sum`, [shares, apart], { domain: "com.microsoft" });
      draw("Squeeze", output!.name, [sum, ints(-2)]);
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
