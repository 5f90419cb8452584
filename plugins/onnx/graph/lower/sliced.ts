/**
 * Products by weights in int8 slices (ops/sliced.ts), drawn with what the runtime has.
 *
 *   x [rows, in] -> t = max |x| by row -> u = x 127 / t -> h = round(u) -> r = round(254 (u - h))          once for all that read x
 *   [h; r] [2 rows, in] (uint8) times the high slice [in, out] (int8), each column by its scale s -> [2 rows, out], read as [rows, 2, out]
 *   t [1, 1 / 254] / 127 [rows, 1, 2] times that -> [rows, 1, out]
 *   h times the residue [in, out], each column by s / 128 -> [rows, out], times t / 127, added to that
 *
 * One product for both that read the high slice, so that the runtime keeps one copy of it. At few rows what counts is how many of its nodes
 * there are, each some 10 us, and how often the input is read.
 */
import { INPUT_RESIDUE, INPUT_STEPS, WEIGHT_RESIDUE } from "../../weights/slices.ts";
import type { Node, Value } from "../graph.ts";
import type { Drawer } from "./draw.ts";

/** What is added where whole numbers in -127 ... 127 are uint8. */
const MIDDLE = 128;

/** Both slices of an input. */
interface Pair {
  /** uint8: [..., 2 rows, in], the slices of a row after one another. */
  readonly slices: string;
  /** [..., rows, 1, 2]: a step of each. */
  readonly scales: string;
}

/** An input in slices. */
interface SlicedRows {
  /** uint8: [..., rows, in]. */
  readonly high: string;
  /** [..., rows, 1]: a step of the high slice. */
  readonly scale: string;
  /** Where there are two slices. */
  readonly pair: Pair | undefined;
}

/** In a Reshape: all sizes of x before its rows. */
const sameBefore = ({ shape }: Value) => shape.slice(2).map(() => 0);

/** @returns what draws each of the two ops. */
export function createSlicer({ draw, table, number, ints }: Drawer) {
  const known = new Map<string, SlicedRows>();
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
    const scale = draw("Mul", `${at}.scale`, [top, number(1 / INPUT_STEPS)]);
    const pairUp = (): Pair => {
      const seen = draw("DequantizeLinear", `${at}.high.seen`, [high, number(1), middle()]);
      const rest = draw("Sub", `${at}.rest`, [steps, seen]);
      const residue = draw("QuantizeLinear", `${at}.residue`, [rest, number(1 / INPUT_RESIDUE), middle()]);
      const beside = draw("Concat", `${at}.beside`, [high, residue], { axis: -1n });
      const shares = table("sliced.shares", [2], Float32Array.of(1, 1 / INPUT_RESIDUE));
      return {
        slices: draw("Reshape", `${at}.both`, [beside, ints(...sameBefore(x), -1, inner)]),
        scales: draw("Mul", `${at}.scales`, [
          draw("Unsqueeze", `${at}.scale.apart`, [scale, ints(-1)]),
          shares,
        ]),
      };
    };
    const made = { high, scale, pair: count === 1 ? undefined : pairUp() };
    known.set(at, made);
    return made;
  };

  return {
    product({ name, inputs: [x, scales, high, residue], outputs: [output] }: Node) {
      const [inner, out] = high!.shape as readonly [number, number];
      const { high: rows, scale, pair } = sliceRows(x!, inner, residue ? 2 : 1);
      const multiply = (at: string, rows: string, slice: Value, columnScales: string) =>
        draw("MatMulIntegerToFloat", at, [rows, slice.name, number(1), columnScales, middle()], {
          domain: "com.microsoft",
        });
      if (!pair) {
        const products = multiply(`${name}.sliced.high`, rows, high!, scales!.name);
        draw("Mul", output!.name, [products, scale]);
        return;
      }
      const both = multiply(`${name}.sliced.high`, pair.slices, high!, scales!.name);
      const apart = draw("Reshape", `${name}.sliced.apart`, [both, ints(...sameBefore(x!), -1, 2, out)]);
      const sum = draw("FusedMatMul", `${name}.sliced.sum`, [pair.scales, apart], {
        domain: "com.microsoft",
      });
      // Of constants, so that the runtime computes it once.
      const fineScales = draw("Mul", `${name}.sliced.scales.fine`, [
        scales!.name,
        number(1 / WEIGHT_RESIDUE),
      ]);
      const rest = multiply(`${name}.sliced.residue`, rows, residue!, fineScales);
      draw("Add", output!.name, [
        draw("Squeeze", `${name}.sliced.most`, [sum, ints(-2)]),
        draw("Mul", `${name}.sliced.rest`, [rest, scale]),
      ]);
    },
    steps({ name, inputs: [before, high, residue], outputs: [output] }: Node) {
      // Of constants alone the runtime would make all layers' when the session opens, and keep them. So their sizes wait for the value that comes
      // before, for one of its own that differs from call to call; and of sizes known beforehand it would hold as many buffers until the call ends.
      const [inner, out] = high!.shape as readonly [number, number];
      const rows = draw("Shape", `${name}.sliced.rows`, [before!.name], { end: 1n });
      const none = draw("Mul", `${name}.sliced.none`, [rows, ints(0)]);
      const sizes = draw("Add", `${name}.sliced.sizes`, [ints(inner, out), none]);
      const read = (at: string, slice: Value, step: number) =>
        draw("DequantizeLinear", at, [draw("Reshape", `${at}.later`, [slice.name, sizes]), number(step)]);
      if (!residue) {
        read(output!.name, high!, 1);
        return;
      }
      draw("Add", output!.name, [
        read(`${name}.sliced.high`, high!, 1),
        read(`${name}.sliced.residue`, residue, 1 / WEIGHT_RESIDUE),
      ]);
    },
  };
}
