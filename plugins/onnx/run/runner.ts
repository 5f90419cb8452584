/** Forward, backward and observations of a list of samples: check, plan batches of like length, run, collect. */
import type { Observation, Observed, RunRequest, RunResult, RunSample, Tap } from "../../../core/mod.ts";
import { columnsOf, unitsOf } from "../architectures/shape.ts";
import { type Engine, engineFor, type GraphSpec } from "../engine.ts";
import { positionsOf } from "../feeds.ts";
import { type Drawn, outputOf } from "../graph/observe.ts";
import { refuseNonFinite } from "../non_finite.ts";
import { sharedTokens } from "./distinct.ts";
import { callOf, rowOf, sampleAt, valueOf } from "./call.ts";
import { plan, planBatches, type Planned, type RunnerOptions } from "./plan.ts";
import { countsOf, finish } from "./pools.ts";

/** Default of RunRequest.tokenBudget: products are as fast as with more, and values that wait for the way back take half the memory. */
const TOKEN_BUDGET = 512;

/** Gives Model.run() of an engine. */
export function createRunner(engine: Engine, options: RunnerOptions) {
  return async (samples: readonly RunSample[], request: RunRequest = {}): Promise<RunResult> => {
    const { observe = [], objective, tokenBudget = TOKEN_BUDGET } = request;
    const planned = plan(engine, samples, { ...options, request });
    const ends = (sample: Planned) =>
      engineFor(engine, 1 + Math.max(...positionsOf({ ...sample, start: 0 })));
    // Texts that turn by other angles, because of their length, have batches of their own.
    const batches = [...Map.groupBy(planned, ends).values()].flatMap((alike) =>
      planBatches(alike, tokenBudget, engine.shape.vocab)
    );
    const shared = sharedTokens(batches);
    const guard = objective ? undefined : guardOf(observe);
    const spec: GraphSpec = {
      kind: "run",
      edits: [...new Set(planned.flatMap(({ edits }) => edits.map(({ tap }) => tap)))].sort(),
      observe: [
        ...new Map(
          [...observe.map(drawnOf), ...guard ? [guard] : []].map((drawn) => [outputOf(drawn), drawn]),
        ).values(),
      ],
      objective: objective !== undefined,
      shared: shared !== undefined,
    };
    const values = new Float64Array(objective ? samples.length : 0);
    const collected = observe.map(() => new Array<Float32Array | Float64Array>(samples.length));
    const counts = countsOf(planned, request.batch ?? samples.length);
    for (const [i, batch] of batches.entries()) {
      const reply = await (await engine.session(spec)).run(
        callOf(ends(batch[0]!), batch, { ...spec, distinct: shared?.[i] }),
      );
      const computed = ({ tokens, edits, name }: Planned) => ({
        tokens,
        edits,
        task: `run ${name} on ${options.info.name}`,
      });
      if (objective) {
        await refuseNonFinite(
          engine,
          reply.outputs["logsumexp"]!,
          (place) => computed(sampleAt(batch, place)),
        );
      }
      if (guard) {
        const sums = reply.outputs[outputOf(guard)]!, columns = sums.dims.at(-1)!;
        const what = "its activations";
        await refuseNonFinite(
          engine,
          sums,
          (place) => ({ ...computed(batch[Math.floor(place / columns)]!), what }),
        );
      }
      for (const [row, sample] of batch.entries()) {
        const value = objective ? valueOf(batch, row, reply) : 0;
        const probability = objective?.kind === "probability";
        // A logit of minus infinity leaves the log-sum-exp as it is.
        await refuseNonFinite(engine, { data: Float32Array.of(value) }, () => computed(sample));
        if (objective) values[sample.index] = probability ? Math.exp(value) : value;
        for (const [o, observation] of observe.entries()) {
          const raw = rowOf(reply.outputs[outputOf(drawnOf(observation))]!, batch, { row, sample });
          const what = `its values of ${observation.quantity} at ${observation.tap}`;
          await refuseNonFinite(engine, { data: raw }, () => ({ ...computed(sample), what }));
          const scale = probability && observation.quantity !== "activation" ? Math.exp(value) : 1;
          collected[o]![sample.index] = finish(raw, observation, { ...counts(sample, observation), scale });
        }
      }
    }
    return {
      objective: values,
      observed: observe.map((observation, o): Observed => ({
        observation,
        columns: isPerUnit(observation)
          ? unitsOf(engine.shape, observation.tap)
          : columnsOf(engine.shape, observation.tap),
        values: collected[o]!,
      })),
      positions: planned.map(({ tokens }) => positionsOf({ tokens, start: 0 })),
      tokens: planned.reduce((sum, { tokens }) => sum + tokens.length, 0),
    };
  };
}

/** The runtime's maximum leaves NaN out. The residual after what is observed hands it on, as the logits do where there is an objective.
 * @returns its sum over tokens, where there is a maximum. */
function guardOf(observe: readonly Observation[]): Drawn | undefined {
  if (!observe.some(({ pool }) => pool === "max")) return undefined;
  const last = Math.max(...observe.map(({ tap }) => tap === "embed" ? -1 : Number(tap.split(".")[1])));
  const tap: Tap = last < 0 ? "embed" : `layers.${last}.resid_post`;
  return { tap, quantity: "activation", pool: "sum", over: "all" };
}

const isPerUnit = ({ quantity }: Observation) => quantity === "product" || quantity === "direct";
const drawnOf = ({ tap, quantity, pool, over = "all" }: Observation): Drawn => ({
  tap,
  quantity,
  pool,
  over,
});
