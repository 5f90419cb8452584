/** The confidence level in words. */
import type { Results } from "../results.ts";

/** "95 %". */
export function levelText({ statistics: { level } }: Pick<Results, "statistics">): string {
  return `${Number((100 * level).toFixed(2))} %`;
}
