/** How a run found units by their scores. */
import { foundIn, foundName, foundText, type Results } from "../../core/mod.ts";

/** Each selection in the words of the terminal; nothing where all units were given. */
export function UnitsFound({ results }: { readonly results: Results }) {
  const found = foundIn(results);
  if (found.length === 0) return null;
  return (
    <>
      <h3>Units found</h3>
      {found.map((each) => <p>{foundName(each, results)}: {foundText(each)}</p>)}
    </>
  );
}
