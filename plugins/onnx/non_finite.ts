/** Where numbers stop being numbers. */
import { type Edit, type Tap, UserError } from "../../core/mod.ts";
import type { RowToken } from "./batching.ts";
import { type Engine, engineFor } from "./engine.ts";
import { feedsOf, positionsOf } from "./feeds.ts";
import { outputOf } from "./graph/observe.ts";
import type { TensorData } from "./session/door.ts";

/** A row that was computed, from its first token on. */
export interface Computed {
  readonly tokens: readonly RowToken[];
  readonly edits: readonly Edit[];
  /** "run prompt 3 on demo", for the message. */
  readonly task: string;
  /** What was seen not to be finite; default its logits. */
  readonly what?: string;
}

/** @param values log-sum-exps, or whatever else would hand on what is not finite
 * @param rowOf the row that a place of the values belongs to
 * @throws {UserError} naming the row and the first layer, where a value is not finite. */
export async function refuseNonFinite(
  engine: Engine,
  { data }: Pick<TensorData, "data">,
  rowOf: (place: number) => Computed,
): Promise<void> {
  const place = (data as Float32Array).findIndex((value) => !Number.isFinite(value));
  if (place >= 0) throw await nonFinite(engine, rowOf(place));
}

/** Runs a row once more and looks at the residual after every layer. @returns the error that says where it is first not finite. */
async function nonFinite(
  engine: Engine,
  { tokens, edits, task, what = "its logits" }: Computed,
): Promise<UserError> {
  const taps: Tap[] = [
    "embed",
    ...Array.from({ length: engine.shape.layers }, (_, layer): Tap => `layers.${layer}.resid_post`),
  ];
  const observe = taps.map((tap) => ({ tap, quantity: "activation", pool: "none", over: "all" } as const));
  const edited = [...new Set(edits.map(({ tap }) => tap))].sort();
  const session = await engine.session({ kind: "run", edits: edited, observe });
  const { outputs } = await session.run({
    feeds: feedsOf([{ tokens, start: 0, edits }], {
      ...engineFor(engine, 1 + Math.max(...positionsOf({ tokens, start: 0 }))),
      taps: edited,
      past: 0,
    }),
    fetch: observe.map(outputOf),
  });
  const first = taps.find((_, i) =>
    (outputs[outputOf(observe[i]!)]!.data as Float32Array).some((value) => !Number.isFinite(value))
  );
  const place = first === undefined
    ? "they first appear after the last layer"
    : first === "embed"
    ? "they first appear in the embedding"
    : `they first appear in layer ${first.split(".")[1]}`;
  return new UserError(`Cannot ${task}: ${what} are not finite, ${place}, wanted finite numbers`);
}
