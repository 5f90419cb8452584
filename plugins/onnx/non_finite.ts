/** Where numbers stop being numbers. */
import { type Edit, type Tap, UserError } from "../../core/mod.ts";
import type { RowToken } from "./batching.ts";
import type { Engine } from "./engine.ts";
import { feedsOf } from "./feeds.ts";
import { outputOf } from "./graph/observe.ts";

/** Runs one row once more and looks at the residual after every layer. @returns the error that says where it is first not finite. */
export async function nonFinite(
  engine: Engine,
  { tokens, edits }: { readonly tokens: readonly RowToken[]; readonly edits: readonly Edit[] },
  task: string,
): Promise<UserError> {
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
