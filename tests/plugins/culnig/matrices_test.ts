/** The matrices of CULNIG plan on the real model and real data: every name, param and hypothesis stands. */
import { assert, assertEquals } from "@std/assert";
import { parseMatrix } from "../../../core/matrix.ts";
import { planRun } from "../../../core/plan.ts";
import { loadRegistry } from "../../../core/registry.ts";
import { ENGINE } from "../../fake_plan.ts";
import { needs, REAL_MODEL, SHARED_DATA, testContext } from "../../support.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;
/** A tenth of the parameters is five MLPs of SmolLM2. */
const UNITS = Array.from(
  { length: 6 },
  (_, layer) => ({ tap: `layers.${layer}.mlp.gate`, units: [1, 2, 3] }),
);

for (const name of ["culnig", "culnig_ablation", "culnig_specific", "culnig_training"]) {
  Deno.test({
    name: `${name}.json plans on SmolLM2`,
    ...needs("model", "shared"),
    async fn() {
      const path = `${ROOT}benchmarks/matrices/${name}.json`;
      // The training takes its units from a run of the first matrix.
      const text = (await Deno.readTextFile(path)).replaceAll('"units.json"', JSON.stringify(UNITS));
      const plan = await planRun(
        { ...parseMatrix(text, path), models: [{ use: "onnx", params: { path: REAL_MODEL } }] },
        {
          registry: await loadRegistry(ROOT),
          context: testContext(),
          path,
          data: SHARED_DATA,
          ownModels: true,
          // Every country has to be among the items that its units are found by.
          limit: name === "culnig_specific" ? undefined : 16,
          engine: ENGINE,
        },
      );
      const labels = plan.benchmarks.map(({ record }) => record.label);
      assert(labels.includes("blend") || labels.includes("China"));
      // No treatment is without controls, and what is claimed of it is sealed.
      for (const { controls } of plan.treatments) assert(controls.length > 0);
      assertEquals(plan.hypotheses.hash !== undefined, name !== "culnig_ablation");
      if (name === "culnig") assertEquals(plan.leftOut, ["mrpc", "cultural_bench", "normad"]);
      if (name === "culnig_training") assert(plan.models[0]!.trainings.length === 9);
    },
  });
}
