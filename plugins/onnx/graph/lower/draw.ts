/** The runtime's nodes and the small tables that they read. */
import type { Attributes } from "../graph.ts";

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

export interface Drawer {
  readonly nodes: RuntimeNode[];
  readonly tables: ReadonlyMap<string, RuntimeTable>;
  /** Draws a node of one output, which is called as the node. @returns its name */
  draw(
    op: string,
    name: string,
    inputs: readonly string[],
    attributes?: Attributes & { readonly domain?: string },
  ): string;
  /** @returns its name; tables of one name are one. */
  table(name: string, shape: readonly number[], data: RuntimeTable["data"]): string;
  /** A float32 of no axes. */
  number(value: number): string;
  /** int64 [values]. */
  ints(...values: readonly number[]): string;
}

export function createDrawer(): Drawer {
  const nodes: RuntimeNode[] = [], tables = new Map<string, RuntimeTable>();
  const table = (name: string, shape: readonly number[], data: RuntimeTable["data"]) => {
    tables.set(name, { name, shape, data });
    return name;
  };
  return {
    nodes,
    tables,
    draw(op, name, inputs, { domain = "", ...attributes } = {}) {
      nodes.push({ op, domain, name, inputs, outputs: [name], attributes });
      return name;
    },
    table,
    number: (value) => table(`lowered.number.${value}`, [], Float32Array.of(value)),
    ints: (...values) =>
      table(`lowered.ints.${values.join("_")}`, [values.length], BigInt64Array.from(values, BigInt)),
  };
}
