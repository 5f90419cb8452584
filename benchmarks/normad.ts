/**
 * NormAd-Eti: short stories from 75 countries, and whether what somebody does in them is what is done there (yes), is not (no), or neither
 * (neutral). 2,633 stories when CULNIG read it.
 *
 * Protocol "culnig": the set-up of CULNIG (arXiv 2510.08284), a conversation whose answer is one digit, read as the most probable token of the
 * whole vocabulary, each story under four wordings of our own, with the country as the data spells it. As in the authors' program
 * (github.com/ynklab/CULNIG, MIT) Python's generator, seeded by id and wording of the story, deals 1, 2 and 3 to yes, no and neutral, and the
 * prompt lists which is which. A wording's text is part of the seed, so digits mean other things than in the paper.
 *
 * Arms: `orders`, `ask` and `chat` of core/confounds.ts, `template` or `templates`. "answers_only" leaves out the country as well as the story.
 */
import { z } from "zod";
import {
  armId,
  AskParam,
  ChatParam,
  type ChoiceItem,
  chosenTemplates,
  countryCluster,
  csvRows,
  defineBenchmark,
  filledTemplate,
  inOrders,
  labelPrompt,
  OrdersParam,
  promptOf,
  pythonRandomOf,
  templateParams,
} from "../core/mod.ts";

const LABELS = ["1", "2", "3"] as const;
const ANSWERS = ["yes", "no", "neutral"] as const;
/** Own wordings. `{options}` becomes "1: yes, 2: no, 3: neutral"; country and story stand on lines of their own. */
const TEMPLATES = [
  "Does the person in this story behave as is usual in the country? Write one of the digits 1, 2 and 3 and nothing else.\n\n" +
  "Country: {country}\nStory: {story}\nAnswers: {options}",
  "Story: {story}\nWhere it happens: {country}\n\nIs what is done there good manners? {options}. Reply with one digit only.",
  "Judge a scene from daily life by the customs of the place, and by nothing that the scene does not say.\n\n" +
  "{country}\n{story}\n\n{options}\n\nYour whole reply must be the digit:",
  "Place: {country}\n\nScene: {story}\n\nWould people of that place find this proper? " +
  "Choose among {options}, and give the digit without explanation.",
] as const;

const Params = z.strictObject({
  protocol: z.enum(["culnig"]).default("culnig"),
  ...templateParams(TEMPLATES.length),
  orders: OrdersParam,
  ask: AskParam,
  chat: ChatParam,
}).transform(chosenTemplates(TEMPLATES.length));
type Params = z.output<typeof Params>;

const Row = z.looseObject({
  ID: z.string().min(1),
  Country: z.string().min(1),
  Story: z.string().min(1),
  "Gold Label": z.enum(ANSWERS),
});
type Row = z.output<typeof Row>;

export default defineBenchmark({
  name: "normad",
  version: "1",
  title: "NormAd-Eti",
  licence: "CC BY 4.0",
  source: "Rao et al., NAACL 2025, https://huggingface.co/datasets/akhilayerukola/NormAd",
  params: Params,
  evaluator: "multiple_choice",
  metric: () => "exact_match",
  files: () => [{ key: "stories", names: ["normad_etiquette_final_data.csv"] }],
  load(files, params): ChoiceItem[] {
    return csvRows(files.stories!, Row).flatMap((row) =>
      params.templates.flatMap((t) => choices(row, t, params))
    );
  },
});

/** The items of one story in one wording. */
function choices(row: Row, t: number, { orders, ask, chat }: Params): ChoiceItem[] {
  const { ID, Country, "Gold Label": right } = row;
  const template = TEMPLATES[t]!, story = row.Story.replaceAll(/\s+/g, " ").trim();
  const digits = pythonRandomOf(`${ID}_${template}`).shuffle([0, 1, 2]);
  const dealt = LABELS.map((_, digit) => ANSWERS[digits.indexOf(digit)]!);
  return inOrders({ options: dealt, gold: dealt.indexOf(right) }, orders, ({ options, gold }) => {
    const list = options.map((answer, i) => `${LABELS[i]}: ${answer}`).join(", ");
    const render = (country: string, shown: string) =>
      filledTemplate(template, { country, story: shown, options: list });
    const message = ask === undefined
      ? render(Country, story)
      : promptOf((gap) => render(gap, gap), story, ask);
    return {
      id: armId(`${ID}/${t}`, { ask, chat }),
      role: "report",
      clusters: { question: ID, country: countryCluster(Country) },
      content: `${Country}\n${story}`,
      ...labelPrompt(message, LABELS, chat ?? true),
      labels: LABELS,
      oneToken: true,
      gold,
      doc: { ID, Country, template: t, story, options, "Gold Label": right },
    };
  });
}
