/** Options that programs without types misspell: what is not known would be left undone without a word. */
import { UserError } from "../../core/mod.ts";

/** @throws {UserError} naming the first key of `given` that is not known. */
export function refuseUnknown(task: string, given: object, known: readonly string[]): void {
  const odd = Object.keys(given).find((key) => !known.includes(key));
  if (odd === undefined) return;
  throw new UserError(`Cannot ${task}: unknown option ${JSON.stringify(odd)}, wanted ${known.join(", ")}`);
}
