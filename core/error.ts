/**
 * Something the user gave or owns stands in the way: a file, a matrix, a disk. The command line prints `message` as one line
 * and exits with 2; every other error is a defect of Plumbline and keeps its stack.
 *
 * The sentence reads "Cannot <do> <what>: <state>, <wanted>", without a period.
 */
export class UserError extends Error {
  override readonly name = "UserError";
}
