/** From the graph's nodes to the runtime's, as a device has them: most are its own. */
import type { Device } from "../../session/door.ts";
import type { Graph, Node } from "../graph.ts";
import { OPS } from "../ops/mod.ts";
import { createDrawer, type RuntimeNode, type RuntimeTable } from "./draw.ts";
import { drawPlainNorm, drawProduct, drawZeros } from "./devices.ts";
import { createSlicer } from "./sliced.ts";

export type { RuntimeNode, RuntimeTable };

/** @returns nodes in execution order and the tables that the graph does not have. */
export function lower({ nodes }: Pick<Graph, "nodes">, device: Device): {
  readonly nodes: readonly RuntimeNode[];
  readonly tables: readonly RuntimeTable[];
} {
  const drawer = createDrawer(), slicer = createSlicer(drawer);
  for (const node of nodes) {
    if (node.op === "SlicedMatMul") slicer.product(node);
    else if (node.op === "SlicedSteps") slicer.steps(node);
    else if (node.op === "FusedMatMul" && device === "webgpu") drawProduct(drawer, node);
    else if (node.op === "ConstantOfShape" && device === "webgpu") drawZeros(drawer, node);
    else if (node.op === "SimplifiedLayerNormalization" && device !== "cpu") drawPlainNorm(drawer, node);
    else drawer.nodes.push(asIs(node));
  }
  return { nodes: drawer.nodes, tables: [...drawer.tables.values()] };
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
