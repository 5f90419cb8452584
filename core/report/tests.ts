/** Which test a difference is shown with, and what a table says of the tests that it shows. */
import type { Difference } from "../estimate.ts";

export type TestName = "McNemar" | "sign flip" | "random sets";

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

const TITLES: Readonly<Record<"McNemar" | "sign flip", string>> = {
  McNemar: "McNemar's exact test",
  "sign flip": "the sign-flip test over groups of items",
};

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
  if (shown.has("random sets")) {
    texts.push(
      texts.length > 0
        ? `below a control by the treatment's rank among its sets`
        : `by the treatment's rank among the control's sets`,
    );
  }
  return `two-sided, ${texts.join("; ")}`;
}
