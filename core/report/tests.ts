/** Which test a difference is shown with, and what a table says of the tests that it shows. */
import type { Difference } from "../estimate.ts";
import { twoSidedP } from "../stats/verdict.ts";

export type TestName = "McNemar" | "sign flip" | "t over seeds" | "random sets";

export interface ShownTest {
  readonly name: TestName;
  /** Two-sided. */
  readonly p: number;
}

/** McNemar's exact test where items are independent and binary; else the sign-flip test, which is over clusters as intervals are; with several seeds
 * the interval's own t. */
export function testOf(difference: Difference): ShownTest | undefined {
  const { mcnemar, signFlip, method } = difference;
  if (mcnemar !== undefined) return { name: "McNemar", p: mcnemar };
  if (method === "seeds t") return { name: "t over seeds", p: twoSidedP(difference) };
  return signFlip && { name: "sign flip", p: signFlip.p };
}

const TITLES = {
  McNemar: "McNemar's exact test",
  "sign flip": "the sign-flip test over groups of items",
  "t over seeds": "Student's t over seeds and groups of items where a treatment has several seeds",
} as const;

/** "two-sided, by McNemar's exact test", where there are both what each is for; undefined for none. */
export function testsText(names: Iterable<TestName>): string | undefined {
  const shown = new Set(names), texts: string[] = [];
  if (shown.size === 0) return undefined;
  if (shown.has("McNemar") && shown.has("sign flip")) {
    texts.push(`by ${TITLES.McNemar} for proportions of independent items, else by ${TITLES["sign flip"]}`);
  } else {texts.push(
      ...(["McNemar", "sign flip"] as const).filter((name) => shown.has(name)).map((name) =>
        `by ${TITLES[name]}`
      ),
    );}
  if (shown.has("t over seeds")) texts.push(`by ${TITLES["t over seeds"]}`);
  if (shown.has("random sets")) {
    texts.push(
      texts.length > 0
        ? `below a control by the treatment's rank among its sets`
        : `by the treatment's rank among the control's sets`,
    );
  }
  return `two-sided, ${texts.join("; ")}`;
}
