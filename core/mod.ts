/** Plumbline's contracts: the only file that a plugin, a benchmark or the server imports. */
export * from "./benchmark.ts";
export * from "./confounds.ts";
export * from "./context.ts";
export { countryCluster } from "./country.ts";
export * from "./data.ts";
export * from "./error.ts";
export * from "./estimate.ts";
export * from "./evaluator.ts";
export { canonicalJson, sha256 } from "./hash.ts";
export * from "./intervention.ts";
export * from "./label_shares.ts";
export * from "./disagreement.ts";
export * from "./memory.ts";
export * from "./model.ts";
export { suggest } from "./nearest.ts";
export { type Fault, faultOf, spanOf } from "./observation.ts";
export * from "./patching.ts";
export * from "./plugin.ts";
export * from "./proof.ts";
export * from "./prompt.ts";
export { type MadeOf, madeOf } from "./provenance/made_of.ts";
export { hasLeak, leakOf, provenanceNotes } from "./provenance/notes.ts";
export { type PythonRandom, pythonRandom, pythonRandomOf } from "./python_random.ts";
export { createRandom, type Random } from "./random.ts";
export { claimText, claimTitle, evidenceTexts, gateTexts, sealText } from "./report/claims.ts";
export { leftOutText } from "./report/limitations.ts";
export { areaText } from "./report/curves.ts";
export { foundIn, foundName, foundText, selectOf, unitsKind } from "./report/found.ts";
export {
  type FoundSet,
  foundSets,
  type Overlap,
  overlapsOf,
  type Place,
  placesOf,
} from "./report/unit_sets.ts";
export { meanText, NOT_CHANCE, OVERLAP_NOTE } from "./report/unit_tables.ts";
export { testOf } from "./report/tests.ts";
export * from "./results.ts";
export * from "./scale.ts";
export * from "./scorer.ts";
export { computeScores } from "./scoring.ts";
export { selectUnits } from "./select.ts";
export { wilson } from "./stats/mod.ts";
export * from "./store/store.ts";
export * from "./survey.ts";
export * from "./sweep.ts";
export { type Delta, type DeltaManifest, DeltaManifestSchema } from "./train/delta.ts";
export { type ResolvedRecipe, resolveRecipe, TrainRecipeSchema } from "./train/recipe.ts";
export { rateAt } from "./train/schedule.ts";
export * from "./trainer.ts";
export * from "./tuner.ts";
export { predictAblation, type UnitEffects } from "./sweep_screen.ts";
