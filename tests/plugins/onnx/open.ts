/** Opens models for the tests of this folder. */
import type { Context, Model, Tap } from "../../../core/mod.ts";
import { backend } from "../../../plugins/onnx/model.ts";
import { testContext } from "../../support.ts";

export const FABLES = new URL("../../../fixtures/fables", import.meta.url).pathname;

export function open(
  path: string,
  taps: readonly Tap[] = [],
  context: Context = testContext(),
): Promise<Model> {
  return backend.open({ path }, { taps }, context);
}
