/**
 * What a plugin has to show for itself. Checks are of formulas, identities and agreement with other programs: they must pass on any machine
 * and any model. Claims are a paper's: they are printed whichever way they come out.
 */
import type { Model } from "./model.ts";
import type { Results } from "./results.ts";

/** What checks are run with. */
export interface CheckContext {
  /** The model that they are run on; small, so that all of them take a minute. */
  readonly model: Model;
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Text of a file of the project: what another program gave. @param path from the project's folder */
  read(path: string): Promise<string>;
  /** Another model of the project, that the other program ran too. @param path from the project's folder */
  open(path: string): Promise<Model>;
}

/** One figure, held against its bound. */
export interface CheckResult {
  readonly value: number;
  /** The value has to be at most this, or at least, as `passes` says. */
  readonly bound: number;
  readonly passes: "at most" | "at least" | "exactly";
  /** Comparisons that the value is the worst, or the sum, of. */
  readonly n: number;
  /** What the value is, in a few words: "largest relative error". */
  readonly what: string;
}

export interface Check {
  /** In a few words: "a gradient is a finite difference". */
  readonly name: string;
  /** Paper and section, or "identity". */
  readonly source: string;
  /** @throws {UserError} where the model cannot do what it needs. */
  run(context: CheckContext): Promise<CheckResult> | CheckResult;
}

/** Whether a result is within its bound; never where it is not a number, or rests on nothing. */
export function isPassed({ value, bound, passes, n }: CheckResult): boolean {
  if (n === 0) return false;
  return passes === "at most" ? value <= bound : passes === "at least" ? value >= bound : value === bound;
}

export type ClaimVerdict = "holds" | "does not hold" | "not shown" | "not identifiable" | "not measured";

/** One line of evidence: a number with its interval, or a count. */
export interface ClaimFigure {
  /** What it is: "blend, silenced less untouched". */
  readonly what: string;
  readonly value: number;
  /** Absent for counts. */
  readonly low?: number;
  readonly high?: number;
  readonly n: number;
  /** "points" of percent, "units", "%", "rank". */
  readonly unit: string;
  /** What it stands beside: "random (tap), 39 sets: -0.4 (-2.1 to 1.0)". */
  readonly control?: string;
}

export interface ClaimResult {
  readonly verdict: ClaimVerdict;
  readonly figures: readonly ClaimFigure[];
  /** Half a sentence. */
  readonly reason: string;
}

/** A claim of a paper, judged by the results of matrices. */
export interface Claim {
  /** As the paper, or the list of its claims, numbers it. */
  readonly number: number;
  readonly text: string;
  /** Where the paper makes it, and its own figure. */
  readonly source: string;
  /** Names of the matrices that it is judged by. */
  readonly needs: readonly string[];
  /** Of one model. @param results by the matrix's name, those that were run */
  judge(results: ReadonlyMap<string, Results>, attribution: readonly CheckResult[]): ClaimResult;
}

/** A matrix of claims: a file in benchmarks/matrices. */
export interface ClaimMatrix {
  /** "culnig" of "culnig.json". */
  readonly name: string;
  /** Where its tune steps take their units from: what a treatment of another matrix found. */
  readonly unitsOf?: { readonly matrix: string; readonly treatment: string };
  /** What running it adds, for the help. */
  readonly about: string;
}

/** What a plugin shows; loaded only when it is asked for. */
export interface Proofs {
  readonly checks: readonly Check[];
  /** Run on the model that claims are about, for claims to be judged by. */
  readonly attribution: readonly Check[];
  readonly matrices: readonly ClaimMatrix[];
  readonly claims: readonly Claim[];
}
