/** A plugin is a value: what it is called, where it comes from, and what it contributes under which names. */
import type { z } from "zod";
import type { AnyEvaluator } from "./evaluator.ts";
import type { Intervention } from "./intervention.ts";
import type { ModelBackend } from "./model.ts";
import type { Scorer } from "./scorer.ts";
import type { Proofs } from "./proof.ts";
import type { Tuner } from "./tuner.ts";

export interface BackendEntry<Params = unknown> {
  readonly name: string;
  readonly version: string;
  readonly title: string;
  readonly params: z.ZodType<Params>;
  /** Loads the heavy part; listing plugins must not. */
  load(): Promise<ModelBackend<Params>>;
}

export interface Plugin {
  readonly name: string;
  readonly version: string;
  /** Paper, repository or "Plumbline". */
  readonly source: string;
  // deno-lint-ignore no-explicit-any -- params are checked against the entry's own schema before they reach it
  readonly backends?: readonly BackendEntry<any>[];
  // deno-lint-ignore no-explicit-any -- items reach an evaluator only from a benchmark that names it
  readonly evaluators?: readonly AnyEvaluator<any>[];
  // deno-lint-ignore no-explicit-any -- as for backends
  readonly interventions?: readonly Intervention<any>[];
  // deno-lint-ignore no-explicit-any -- as for backends
  readonly scorers?: readonly Scorer<any>[];
  // deno-lint-ignore no-explicit-any -- as for backends
  readonly tuners?: readonly Tuner<any>[];
  /** Loads its checks and the claims of its paper: `deno task checks NAME`, `deno task claims NAME`. */
  proofs?(): Promise<Proofs>;
}

/**
 * Default export of `plugins/<name>/mod.ts`.
 *
 * @example
 * ```ts
 * import { z } from "zod";
 * import { definePlugin, type Unit } from "./mod.ts";
 * const plugin = definePlugin({
 *   name: "flip",
 *   version: "1",
 *   source: "an example",
 *   interventions: [{
 *     name: "flip",
 *     version: "1",
 *     title: "Change the sign",
 *     params: z.strictObject({}),
 *     edits: (units: readonly Unit[]) => units.map(({ tap, index }) => ({ tap, units: [index], op: "scale", value: -1 })),
 *   }],
 * });
 * if (plugin.interventions?.[0]?.name !== "flip") throw new Error("unexpected plugin");
 * ```
 */
export function definePlugin(plugin: Plugin): Plugin {
  return plugin;
}
