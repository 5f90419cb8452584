/** Hypotheses of a run, what they say and what came out. */
import { claimText, claimTitle, evidenceTexts, type Results, sealText } from "../../core/mod.ts";

export function Claims({ results }: { readonly results: Results }) {
  const judged = results.hypotheses?.judged ?? [];
  if (judged.length === 0) return null;
  return (
    <section aria-labelledby="hypotheses">
      <h2 id="hypotheses">Hypotheses</h2>
      <p class="note">{sealText(results)}.</p>
      <dl class="claims">
        {judged.map((each) => (
          <div>
            <dt>
              {claimTitle(each, results)}{" "}
              <strong class={`verdict ${each.verdict.replaceAll(" ", "-")}`}>{each.verdict}</strong>
            </dt>
            <dd>{claimText(each)}</dd>
            <dd class="sub">{evidenceTexts(each).join("; ")}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
