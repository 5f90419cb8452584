/** Plumbline's contracts: the only file that a plugin, a benchmark or the server imports. */
export * from "./benchmark.ts";
export * from "./context.ts";
export * from "./data.ts";
export * from "./error.ts";
export * from "./estimate.ts";
export * from "./evaluator.ts";
export { canonicalJson, sha256 } from "./hash.ts";
export * from "./intervention.ts";
export * from "./model.ts";
export * from "./patching.ts";
export * from "./plugin.ts";
export * from "./prompt.ts";
export { createRandom, type Random } from "./random.ts";
export * from "./results.ts";
export * from "./scorer.ts";
export * from "./store/store.ts";
export * from "./sweep.ts";
export { predictAblation, type UnitEffects } from "./sweep_screen.ts";
