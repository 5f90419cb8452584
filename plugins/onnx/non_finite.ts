/** Where numbers stop being numbers. */
import { type Edit, type Tap, UserError } from "../../core/mod.ts";
import type { RowToken } from "./batching.ts";
import type { Engine } from "./engine.ts";
import { feedsOf } from "./feeds.ts";
import { outputOf } from "./graph/observe.ts";
import type { TensorData } from "./session/door.ts";

/** A row that was computed, from its first token on. */
export interface Computed {
  readonly tokens: readonly RowToken[];
  readonly edits: readonly Edit[];
  /** "run prompt 3 on demo", for the message. */
  readonly task: string;
}

/** @param rowOf the row whose logits stand at a place of the log-sum-exps
 * @throws {UserError} naming the row and the first layer, where a log-sum-exp is not finite. */
export async function refuseNonFinite(
  engine: Engine,
  logsumexp: TensorData,
  rowOf: (place: number) => Computed,
): Promise<void> {
  const place = Array.from(logsumexp.data, Number).findIndex((value) => !Number.isFinite(value));
  if (place >= 0) throw await nonFinite(engine, rowOf(place));
}

/** Runs a row once more and looks at the residual after every layer. @returns the error that says where it is first not finite. */
async function nonFinite(engine: Engine, { tokens, edits, task }: Computed): Promise<UserError> {
  const taps: Tap[] = [
    "embed",
    ...Array.from({ length: engine.shape.layers }, (_, layer): Tap => `layers.${layer}.resid_post`),
  ];
  const observe = taps.map((tap) => ({ tap, quantity: "activation", pool: "none", over: "all" } as const));
  const edited = [...new Set(edits.map(({ tap }) => tap))].sort();
  const session = await engine.session({ kind: "run", edits: edited, observe });
  const { outputs } = await session.run({
    feeds: feedsOf([{ tokens, start: 0, edits }], { ...engine, taps: edited, past: 0 }),
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
  return new UserError(`Cannot ${task}: its logits are not finite, ${place}, wanted finite numbers`);
}
