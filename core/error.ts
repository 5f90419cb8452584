/**
 * Something the user gave or owns stands in the way: a file, a matrix, a disk. The command line prints `message` as one line
 * and exits with 2; every other error is a defect of Plumbline and keeps its stack.
 *
 * The sentence reads "Cannot <do> <what>: <state>, <wanted>", without a period.
 */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** What was thrown, which in a user's own code may be anything, as one line: "TypeError (x is undefined)". */
export function faultText(cause: unknown): string {
  const text = cause instanceof Error ? `${cause.name} (${cause.message})` : String(cause);
  return text.replaceAll(/\s*\n\s*/g, " ");
}
