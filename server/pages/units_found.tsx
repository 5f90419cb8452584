/** How a run found units by their scores. */
import { foundIn, foundSets, foundText, type Results, unitsKind } from "../../core/mod.ts";
import { unitsPath } from "./parts.tsx";

/** Each selection in the words of the terminal; nothing where all units were given. */
export function UnitsFound({ results }: { readonly results: Results }) {
  const found = foundSets(results);
  if (found.length === 0) return null;
  return (
    <>
      <h3>{kindOf(results)} found</h3>
      {found.map((each) => <p>{each.name}: {foundText(each)}</p>)}
      <p>
        <a href={unitsPath(results.id)}>Where they are, which come first, and what sets share</a>
      </p>
    </>
  );
}

/** "Country-associated units". */
export function kindOf(results: Results): string {
  const kind = unitsKind(foundIn(results).map(({ record }) => record));
  return kind.charAt(0).toUpperCase() + kind.slice(1);
}
