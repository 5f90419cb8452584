/** What was done to the models: the arms of treatments that edit, the trainings of those that train. */
import type { TreatmentRecord } from "../../core/mod.ts";
import { count } from "../format.ts";
import { Grid, Record } from "./methods.tsx";
import { Hash } from "./parts.tsx";

/** "opened as demo (int8)", where a treatment opens the model otherwise. */
function openedAs(
  treatments: readonly TreatmentRecord[],
  { treatment, arm, model }: TreatmentRecord["arms"][number],
): string | undefined {
  const { opened = [] } = treatments.find(({ name }) => name === treatment) ?? {};
  const own = opened.filter((each) => model === undefined || each.model === model);
  if (own.length === 0 || arm !== "treated") return undefined;
  return `opened as ${own.map(({ opened }) => opened.label).join(", ")}`;
}

/** A control's sets differ only in which units were drawn, so they share a line. */
export function Treatments({ treatments }: { readonly treatments: readonly TreatmentRecord[] }) {
  const arms = treatments.filter(({ trained }) => !trained).flatMap((treatment) => treatment.arms);
  const trainings = treatments.flatMap(({ name, trained = [] }) =>
    trained.map((each) => ({ treatment: name, ...each }))
  );
  const groups = Map.groupBy(
    arms,
    (arm) => JSON.stringify([arm.treatment, arm.model, arm.arm.replace(/ \d+$/, "")]),
  );
  return (
    <>
      <Grid
        id="treatments"
        caption="Treatments and their arms"
        heads={["Treatment", "Arm", "Sets", "Units a set", "Edit", "Taps"]}
      >
        {[...groups.values()].map((group) => {
          const [first] = group;
          if (!first) return null;
          const taps = new Set(group.flatMap((arm) => arm.edits.map((edit) => edit.tap)));
          return (
            <tr>
              <th scope="row">{first.treatment}{first.model !== undefined && `, ${first.model}`}</th>
              <td>{first.arm.replace(/ \d+$/, "")}</td>
              <td class="number">{group.length}</td>
              <td class="number">{count(first.units)}</td>
              <td>{openedAs(treatments, first) ?? operations(first.edits)}</td>
              <td class="wrap">{[...taps].join(", ") || <span class="soft">none</span>}</td>
            </tr>
          );
        })}
      </Grid>
      {trainings.length > 0 && (
        <Grid
          id="trainings"
          caption="Trainings"
          heads={[
            "Treatment",
            "Arm",
            "Seed",
            "Tuner",
            "Answers",
            "Examples",
            "Updates",
            "Last loss",
            "Delta",
          ]}
        >
          {trainings.map((each) => (
            <tr>
              <th scope="row">{each.treatment}, {each.model}</th>
              <td>{each.arm}</td>
              <td class="number">{each.seed}</td>
              <td>{each.tuner.name} {each.tuner.version}</td>
              <td>{each.answers}</td>
              <td class="number">
                {count(each.examples)}
                {each.leftOut > 0 && ` (${count(each.leftOut)} too long)`}
              </td>
              <td class="number">{count(each.steps)}</td>
              <td class="number">{each.finalLoss?.toFixed(3)}</td>
              <td>
                <Hash value={each.delta} />
              </td>
            </tr>
          ))}
        </Grid>
      )}
      {treatments.map(({ name, ...rest }) => (
        <Record title={`${name}: steps, controls and every edited unit`} value={rest} />
      ))}
    </>
  );
}

/** What the edits of an arm do: "scale 0". */
export function operations(edits: TreatmentRecord["arms"][number]["edits"]) {
  const said = edits.map(({ op, value }) => `${op} ${typeof value === "number" ? value : "a value a unit"}`);
  return [...new Set(said)].join(", ") || <span class="soft">none</span>;
}
