/** Matrix products. */
import type { Attributes, Dim, Shape, Value } from "../graph.ts";
import type { OpName } from "./names.ts";
import { broadcastShapes, stridesTo, walk } from "./broadcast.ts";
import { type AnyOp, float, int, op, size, type Tensor } from "./op.ts";

type Two = readonly [a: Value, b: Value];

const flags = (attributes: Attributes) => ({
  transA: int(attributes, "transA", 0) === 1,
  transB: int(attributes, "transB", 0) === 1,
  alpha: float(attributes, "alpha", 1),
});

/** Rows and columns of a matrix read as stored or turned. */
function matrix(shape: Shape, turned: boolean): readonly [Dim, Dim] {
  const [rows, columns] = shape.slice(-2) as [Dim, Dim];
  return turned ? [columns, rows] : [rows, columns];
}

const attributesOf = (transA: boolean, transB: boolean, alpha: number): Attributes => ({
  ...(transA ? { transA: 1n } : {}),
  ...(transB ? { transB: 1n } : {}),
  ...(alpha === 1 ? {} : { alpha }),
});

function multiply(a: Tensor, b: Tensor, attributes: Attributes): Tensor {
  const { transA, transB, alpha } = flags(attributes);
  const [rows, inner] = matrix(a.dims, transA) as [number, number];
  const [, columns] = matrix(b.dims, transB) as [number, number];
  const outer = broadcastShapes(a.dims.slice(0, -2), b.dims.slice(0, -2), "product") as number[];
  const data = new Float64Array(size(outer) * rows * columns);
  const strides = [stridesTo(a.dims.slice(0, -2), outer), stridesTo(b.dims.slice(0, -2), outer)];
  walk(outer, strides, (index, [p, q]) => {
    const left = p! * rows * inner, right = q! * inner * columns;
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        let sum = 0;
        for (let k = 0; k < inner; k++) {
          sum += a.data[left + (transA ? k * rows + i : i * inner + k)]! *
            b.data[right + (transB ? j * inner + k : k * columns + j)]!;
        }
        data[(index * rows + i) * columns + j] = alpha * sum;
      }
    }
  });
  return { dims: [...outer, rows, columns], data };
}

export const PRODUCTS = {
  /** alpha * A B over the last two axes, each read turned where transA or transB says so; leading axes meet by broadcasting. */
  FusedMatMul: op<Two>({
    domain: "com.microsoft",
    infer([a, b], attributes, at) {
      const { transA, transB } = flags(attributes);
      const [rows, inner] = matrix(a.shape, transA), [other, columns] = matrix(b.shape, transB);
      if (inner !== other) throw new Error(`Cannot draw ${at}: inner sizes are ${inner} and ${other}`);
      const outer = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2), at);
      return [{ dtype: "float32", shape: [...outer, rows, columns] }];
    },
    evaluate: ([a, b], attributes) => [multiply(a, b, attributes)],
    vjp({ inputs: [a, b], cotangent: g, attributes, emit }) {
      const { transA, transB, alpha } = flags(attributes);
      const product = (x: Value, y: Value, turnX: boolean, turnY: boolean) =>
        emit("FusedMatMul", [x, y], attributesOf(turnX, turnY, alpha));
      // One matrix for all leading axes of a: these join the rows, so that the product itself sums over them.
      const join = (x: Value) => emit.builder.reshape(`${x.name}.joined`, x, ["joined", x.shape.at(-1)!]);
      const [left, back] = b.shape.length === 2 && a.shape.length > 2 && !transA
        ? [join(a), join(g)]
        : [a, g];
      return [
        transA ? product(b, g, transB, true) : product(g, b, false, !transB),
        transB ? product(back, left, true, transA) : product(left, back, !transA, false),
      ];
    },
  }),
} satisfies Partial<Record<OpName, AnyOp>>;
