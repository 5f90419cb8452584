/** Which test a difference is shown with, and what a table says of the tests that it shows. */
import type { Difference } from "../estimate.ts";

export type TestName = "McNemar" | "sign flip";

export interface ShownTest {
  readonly name: TestName;
  /** Two-sided. */
  readonly p: number;
}

/** McNemar's exact test where items are independent and binary; else the sign-flip test, which is over clusters as intervals are. */
export function testOf({ mcnemar, signFlip }: Difference): ShownTest | undefined {
  if (mcnemar !== undefined) return { name: "McNemar", p: mcnemar };
  return signFlip && { name: "sign flip", p: signFlip.p };
}

const TITLES: Readonly<Record<TestName, string>> = {
  McNemar: "McNemar's exact test",
  "sign flip": "the sign-flip test over groups of items",
};

/** "two-sided, by McNemar's exact test", where there are both what each is for; undefined for none. */
export function testsText(names: Iterable<TestName>): string | undefined {
  const shown = new Set(names), [only] = shown;
  if (only === undefined) return undefined;
  return shown.size === 1
    ? `two-sided, by ${TITLES[only]}`
    : `two-sided, by ${TITLES.McNemar} for proportions of independent items, else by ${TITLES["sign flip"]}`;
}
