/** What edits will do, to first order, before they are tried. */
import { UserError } from "./error.ts";
import type { Edit, Model, Objective, RunSample, Tap } from "./model.ts";

/** Effect of zeroing each unit of a tap: an entry a sample, a number a unit in it. */
export type UnitEffects = ReadonlyMap<Tap, readonly Float64Array[]>;

export interface PredictOptions {
  readonly taps: readonly Tap[];
  readonly objective: Objective;
  /** Edits of the model that is looked at; default none. */
  readonly edits?: readonly Edit[];
  /** As RunRequest.tokenBudget. */
  readonly tokenBudget?: number;
}

/**
 * What zeroing each unit of some taps would do to an objective, to first order: minus the sum over tokens of activation times gradient.
 * One forward and backward pass a sample, whatever the number of units. (P. Molchanov et al., "Pruning convolutional neural networks for
 * resource efficient inference", ICLR 2017, without the absolute value.)
 *
 * @returns in the objective's unit.
 */
export async function predictAblation(
  model: Pick<Model, "run">,
  samples: readonly RunSample[],
  { taps, ...request }: PredictOptions,
): Promise<UnitEffects> {
  const observe = taps.map((tap) => ({ tap, quantity: "product", pool: "sum" } as const));
  const { observed } = await model.run(samples, { ...request, observe });
  return new Map(observed.map(({ observation, values }) => [
    observation.tap,
    values.map((each) => Float64Array.from(each, (value) => -value)),
  ]));
}

/**
 * What an arm's edits would do to each of `samples` samples: the sum over units of 1 - scale times the effect of zeroing.
 *
 * @throws {UserError} for an edit that is no scaling of all positions by one number, or a unit without a prediction.
 */
export function predictArm(
  { name, edits }: { readonly name: string; readonly edits: readonly Edit[] },
  effects: UnitEffects,
  samples: number,
): number[] {
  const refuse = (state: string, wanted: string): never => {
    throw new UserError(
      `Cannot predict the effect of arm ${JSON.stringify(name)}: ${state}, wanted ${wanted}`,
    );
  };
  const sums = new Array<number>(samples).fill(0);
  for (const { tap, units, op, value, at = "all" } of edits) {
    if (op !== "scale" || typeof value !== "number" || at !== "all") {
      return refuse(`its edit of ${tap} is no scaling of all positions by one number`, "scalings");
    }
    const found = effects.get(tap);
    if (found?.length !== samples) {
      return refuse(`${found?.length ?? 0} samples are predicted at ${tap}`, `${samples}, one a request`);
    }
    for (const unit of units) {
      found.forEach((sample, i) => {
        const effect = sample[unit];
        if (effect === undefined || !Number.isFinite(effect)) {
          return refuse(`the effect of unit ${unit} of ${tap} is ${effect}`, "a finite number");
        }
        sums[i]! += (1 - value) * effect;
      });
    }
  }
  return sums;
}
