/** Which labels were chosen in a cell, beside how often each is right. */
import type { LabelShares } from "../../core/mod.ts";
import { count, level } from "../format.ts";

/** A row a label, and one for tokens that spell none. */
export function Labels({ shares }: { readonly shares: LabelShares }) {
  const { labels, n, gold, chosen, given, distance } = shares;
  const none = Math.max(0, 1 - given.reduce((sum, share) => sum + share, 0));
  const shown = (share: number | undefined) => `${level(share ?? 0, true)}\u00a0%`;
  return (
    <div class="scroll" tabindex={0} role="region" aria-labelledby="labels">
      <table class="metrics">
        <caption id="labels">
          <span>
            Labels of {count(n)} items: the chosen ones lie {shown(distance)}{" "}
            from the right ones (total variation distance)
          </span>
        </caption>
        <thead>
          <tr>
            <th scope="col">Label</th>
            <th scope="col">Right</th>
            <th scope="col">Chosen of the options</th>
            <th scope="col">Most probable token</th>
          </tr>
        </thead>
        <tbody>
          {labels.map((label, i) => (
            <tr>
              <th scope="row">{label}</th>
              <td class="number">{shown(gold[i])}</td>
              <td class="number">{shown(chosen[i])}</td>
              <td class="number">{shown(given[i])}</td>
            </tr>
          ))}
          {none > 1e-9 && (
            <tr>
              <th scope="row">none of them</th>
              <td class="number" />
              <td class="number" />
              <td class="number">{shown(none)}</td>
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}
