/** The units that a run found: each set's places and highest scores, and what the sets share. */
import {
  type FoundSet,
  foundSets,
  foundText,
  hasLeak,
  meanText,
  NOT_CHANCE,
  type Overlap,
  OVERLAP_NOTE,
  overlapsOf,
  type Place,
  placesOf,
  type Results,
  selectOf,
} from "../../core/mod.ts";
import { count, probability, score } from "../format.ts";
import { Layout } from "./layout.tsx";
import { Grid, Record } from "./methods.tsx";
import { Hash, Leak, NotReportable, runPath, Source } from "./parts.tsx";
import { kindOf } from "./units_found.tsx";

/** Units shown of a set; the file has all. */
const SHOWN = 20;

/** All sets in a table, what they share, then each by itself. */
export function UnitsPage({ results }: { readonly results: Results }) {
  const sets = foundSets(results), kind = kindOf(results);
  return (
    <Layout
      title={`${kind} · ${results.name} · Plumbline`}
      trail={[{ href: runPath(results.id), text: results.name }]}
      json={`/api/runs/${encodeURIComponent(results.id)}`}
    >
      <h1>
        {kind} of {results.name} {!results.reportable && <NotReportable />} {hasLeak(results) && <Leak />}
      </h1>
      <p class="note">
        A score ranks units by items, and silencing them shows what that changes. Neither says where anything
        is in a model: units are associated with what they were found by, and no more. All of a set and their
        scores are in the run's <code>units_*.json</code>, which any matrix can name.
      </p>
      <Sets sets={sets} />
      <Overlaps results={results} />
      {sets.map((set, at) => <OneSet set={set} at={at} />)}
    </Layout>
  );
}

function Sets({ sets }: { readonly sets: readonly FoundSet[] }) {
  return (
    <section class="unit-sets">
      <Grid id="sets" caption="Sets" heads={["Set", "Model", "Scorer", "For", "Units", "Of", "Share"]}>
        {sets.map(({ name, record, model }, at) => (
          <tr>
            <th scope="row">
              <a href={`#set-${at + 1}`}>{name}</a>
            </th>
            <td>{model.label}</td>
            <td>{record.scorer.name} {record.scorer.version}</td>
            <td>{selectOf(record).group ?? <span class="soft">all</span>}</td>
            <td class="number">{count(record.selected)}</td>
            <td class="number">{count(record.pool)}</td>
            <td class="number">{share(record.selected, record.pool)}</td>
          </tr>
        ))}
      </Grid>
    </section>
  );
}

function Overlaps({ results }: { readonly results: Results }) {
  const overlaps = overlapsOf(results);
  if (overlaps.length === 0) return null;
  const heads = ["Sets", "Units", "Taken from", "Shared", "Jaccard", "Drawn blindly", "p", "Tap by tap", "p"];
  return (
    <section class="overlaps">
      <h2>What sets share</h2>
      <Grid id="overlaps" caption="Shared units beside what chance would give" heads={heads}>
        {overlaps.map((each) => (
          <tr>
            <th scope="row">
              {each.one} <span class="soft">and</span> {each.other}
            </th>
            <td class="number">{each.sizes.map(count).join(" and ")}</td>
            <td class="number">
              {count(each.pool.units)} in {count(each.pool.taps)} {each.pool.taps === 1 ? "tap" : "taps"}
            </td>
            <td class="number">{count(each.shared)}</td>
            <td class="number value">{each.jaccard.toFixed(3)}</td>
            {each.chance
              ? [each.chance.uniform, each.chance.byTap].map((chance) => <Chance chance={chance} />)
              : <td colspan={4} class="soft">{NOT_CHANCE}</td>}
          </tr>
        ))}
      </Grid>
      <p class="reading">{OVERLAP_NOTE}.</p>
    </section>
  );
}

function Chance({ chance }: { readonly chance: NonNullable<Overlap["chance"]>["uniform"] }) {
  return (
    <>
      <td class="number">{meanText(chance.shared)}, {chance.jaccard.toFixed(3)}</td>
      <td class="number">{probability(chance.p)}</td>
    </>
  );
}

function OneSet({ set, at }: { readonly set: FoundSet; readonly at: number }) {
  const { name, record, model } = set, id = `set-${at + 1}`;
  const { scorer, seed, sets, select, pool, taps, key } = record;
  return (
    <section class="unit-set" id={id}>
      <h2>{name}</h2>
      <p>{foundText(set)}</p>
      <dl class="facts">
        <div>
          <dt>Scorer</dt>
          <dd>
            {scorer.title || scorer.name}, <Source text={scorer.source} />
          </dd>
        </div>
        <div>
          <dt>Seed</dt>
          <dd>{seed}</dd>
        </div>
        <div>
          <dt>Scores</dt>
          <dd>
            <Hash value={key} />
          </dd>
        </div>
        <div>
          <dt>Weights</dt>
          <dd>
            <Hash value={model.info.hash.weights} />
          </dd>
        </div>
        {Object.entries(sets).map(([name, { itemsHash, groupBy }]) => (
          <div>
            <dt>{name}</dt>
            <dd>
              <Hash value={itemsHash} />
              {groupBy !== null && `, by ${groupBy}`}
            </dd>
          </div>
        ))}
      </dl>
      <div class="beside-units">
        <div>
          <PlacesTable set={set} id={`${id}-places`} />
        </div>
        <div class="first-units">
          <First set={set} id={`${id}-units`} />
        </div>
      </div>
      <Record
        title="Scorer, items and selection in full"
        value={{ scorer, seed, sets, select, pool, taps, key, hash: model.info.hash }}
      />
    </section>
  );
}

/** Layers down, sites across. */
function PlacesTable({ set, id }: { readonly set: FoundSet; readonly id: string }) {
  const { sites, layers } = placesOf(set);
  const longest = Math.max(...layers.flat().map((place) => place ? sizeOf(place) : 0));
  const isShare = set.record.taps !== undefined;
  return (
    <Grid
      id={id}
      caption={isShare
        ? `Units by layer, and their share of the tap; the longest bar is ${percent(longest)}`
        : "Units by layer"}
      heads={["Layer", ...sites]}
    >
      {layers.map((places, layer) => (
        <tr>
          <th scope="row" class="number">{layer}</th>
          {places.map((place) => (
            <td class="place">
              {place && (
                <>
                  <ShareBar part={longest === 0 ? 0 : sizeOf(place) / longest} />
                  {count(place.selected)}{" "}
                  {place.of !== undefined && (
                    <span class="interval">of {count(place.of)}, {share(place.selected, place.of)}</span>
                  )}
                </>
              )}
            </td>
          ))}
        </tr>
      ))}
    </Grid>
  );
}

function sizeOf({ selected, of }: Place): number {
  return of === undefined ? selected : of === 0 ? 0 : selected / of;
}

/** @param part Of the longest bar, in [0, 1]. */
function ShareBar({ part }: { readonly part: number }) {
  return (
    <svg class="share" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" focusable="false">
      <rect width={(100 * part).toFixed(1)} height="10" />
    </svg>
  );
}

interface Scored {
  readonly tap: string;
  readonly index: number;
  readonly score: number;
  readonly error: number | undefined;
}

/** Those that come first by the selection's own order. */
function First({ set: { record }, id }: { readonly set: FoundSet; readonly id: string }) {
  const { order } = selectOf(record);
  const size = (score: number) =>
    order === "magnitude" ? Math.abs(score) : order === "lowest" ? -score : score;
  const all = record.units.flatMap(({ tap, units }) =>
    units.flatMap((index, i): Scored[] => {
      const score = record.scores[tap]?.[i];
      return score === undefined ? [] : [{ tap, index, score, error: record.errors?.[tap]?.[i] }];
    })
  );
  if (all.length === 0) return null;
  const first = all.toSorted((a, b) => size(b.score) - size(a.score)).slice(0, SHOWN);
  return (
    <Grid
      id={id}
      caption={first.length < all.length
        ? `The first ${first.length} of ${count(all.length)}, by score`
        : `All ${count(all.length)}, by score`}
      heads={["Layer", "Site", "Unit", "Score", ...(record.errors ? ["Standard error"] : [])]}
    >
      {first.map(({ tap, index, score: value, error }) => {
        const [, layer, site] = /^layers\.(\d+)\.(.+)$/.exec(tap) ?? [];
        return (
          <tr>
            <td class="number">{layer}</td>
            <td>{site ?? tap}</td>
            <td class="number">{index}</td>
            <td class="number">{score(value)}</td>
            {error !== undefined && <td class="number soft">{score(error)}</td>}
          </tr>
        );
      })}
    </Grid>
  );
}

function share(part: number, whole: number): string {
  return whole === 0 ? "" : percent(part / whole);
}

function percent(value: number): string {
  return `${(100 * value).toFixed(value > 0 && value < 0.01 ? 2 : 1)}\u00a0%`;
}
