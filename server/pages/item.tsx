/** One item: what was asked, what the model made of it, and what it made of it before. */
import type { Metric, Sample } from "../../core/mod.ts";
import { level, logprob, signed } from "../format.ts";
import { type ItemRow, type ItemView, type OptionView, viewItem } from "../items.ts";
import { Record } from "./methods.tsx";

export interface ItemCardProps {
  readonly row: ItemRow;
  readonly sample: Sample | undefined;
  readonly metric: Metric;
}

const SAID = { fell: "▼ fell", rose: "▲ rose", same: "" } as const;

/** Readable without the record behind it; the record is there as JSON for what this view leaves out. */
export function ItemCard({ row, sample, metric }: ItemCardProps) {
  const view = viewItem(row, sample);
  return (
    <article class={`item ${row.change}`}>
      <header>
        <h3>{row.id}</h3>
        {row.change !== "same" && <span class="verdict">{SAID[row.change]}</span>}
        <span class="soft">{metric.title} {values(row, metric)}</span>
      </header>
      <Answers view={view} />
      {view.prompt !== undefined && (
        <pre class="prompt" tabindex={0} aria-label={`Prompt of ${row.id}`}>{view.prompt}</pre>
      )}
      {view.options.length > 0 && (
        <Options id={row.id} options={view.options} compared={row.before !== undefined} />
      )}
      <Record title="Record" value={{ before: row.before, after: row.after, sample }} />
    </article>
  );
}

function values({ before, after }: ItemRow, { name, binary }: Metric): string {
  const show = (value: number | undefined) =>
    value === undefined ? "absent" : binary ? (value === 1 ? "1" : "0") : level(value, false);
  return before ? `${show(before.values[name])} → ${show(after.values[name])}` : show(after.values[name]);
}

function Answers({ view }: { readonly view: ItemView }) {
  const facts: readonly (readonly [string, string | undefined, string | undefined])[] = [
    ["Gold", undefined, view.gold],
    ["Choice", view.choiceBefore, view.choice],
    ["Answered", view.givenBefore, view.given],
  ];
  return (
    <dl class="facts">
      {facts.filter(([, , now]) => now !== undefined).map(([name, before, now]) => (
        <div>
          <dt>{name}</dt>
          <dd>
            {before !== undefined && before !== now && (
              <>
                <Verbatim text={before} /> →{" "}
              </>
            )}
            <Verbatim text={now ?? ""} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** Text with the spaces and line ends at its edges made visible: " A" and "A" are different answers. */
function Verbatim({ text }: { readonly text: string }) {
  if (text === "") return <span class="soft">(nothing, or a special token)</span>;
  const [, lead = "", body = "", tail = ""] = /^(\s*)(.*?)(\s*)$/s.exec(text) ?? [];
  const seen = (space: string) => space.replace(/\s/g, (each) => each === "\n" ? "⏎" : "␣");
  return (
    <span class="verbatim">
      {lead && <span class="space">{seen(lead)}</span>}
      {body}
      {tail && <span class="space">{seen(tail)}</span>}
    </span>
  );
}

interface OptionsProps {
  readonly id: string;
  readonly options: readonly OptionView[];
  readonly compared: boolean;
}

function Options({ id, options, compared }: OptionsProps) {
  return (
    <div class="scroll" tabindex={0} role="region" aria-label={`Options of ${id}`}>
      <table class="options">
        <caption class="hidden">Log-probabilities of the options of {id}</caption>
        <thead>
          <tr>
            <th scope="col">Option</th>
            {compared && <th scope="col" class="number">log&nbsp;P before</th>}
            <th scope="col" class="number">log&nbsp;P{compared && " after"}</th>
            {compared && <th scope="col" class="number">Change</th>}
            <th scope="col">
              <span class="hidden">Role</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {options.map((option) => (
            <tr class={option.gold ? "gold" : ""}>
              <th scope="row" class="wrap">
                {option.label !== option.text.trim() && <>{option.label}:{" "}</>}
                <Verbatim text={option.text} />
              </th>
              {compared && <td class="number">{option.before === undefined ? "" : logprob(option.before)}
              </td>}
              <td class="number">{option.after === undefined ? "" : logprob(option.after)}</td>
              {compared && (
                <td class="number">
                  {option.before === undefined || option.after === undefined
                    ? ""
                    : signedLog(option.after - option.before)}
                </td>
              )}
              <td class="role">{roles(option, compared)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function signedLog(change: number): string {
  return signed(Number(change.toFixed(2)), false).replace(/0$/, "");
}

function roles(option: OptionView, compared: boolean): string {
  const chosen = option.chosen && option.chosenBefore
    ? "chosen before and after"
    : option.chosen
    ? (compared ? "chosen after" : "chosen")
    : option.chosenBefore
    ? "chosen before"
    : undefined;
  return [option.gold ? "✓ gold" : undefined, chosen].filter((each) => each !== undefined).join(", ");
}
