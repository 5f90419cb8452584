/**
 * CountryRC: reading comprehension whose answer is a country that the passage names, so that no knowledge of a culture is needed. What is found
 * by it has to do with names of countries and with choosing a label, and not with what is known of the countries (arXiv 2510.08284).
 *
 * 50 passages with their questions, in each of which 8 countries take the place of the answer, under 4 wordings: letters in the first two,
 * digits in the others. Passages 0 to 24 are to localise by, 25 to 49 to report on. Passages 15 to 24 and 40 to 49 name a second country, one
 * that was considered, postponed or visited less; it is one of the wrong options. The answer is one bare letter or digit, read as the most
 * probable token of the whole vocabulary.
 *
 * Options are drawn as the authors' program draws them (github.com/ynklab/CULNIG, MIT): Python's generator, seeded by the first 8 hex digits of
 * an MD5 of passage, question, wording and country, takes three wrong ones of the other 15 names of BLEnD, shuffles them with the right
 * one behind them, and picks the second country among the wrong ones. Assam and West Java are among the names though they are no countries.
 *
 * Ours: passages (but for `items` "published") and wordings. A wording's text is part of the seed, so options stand in other orders than in the
 * paper, with the published passages too. In our passages UK and USA have their article, and of each ten with a second country five name it
 * last, so that it does not help to take the last; the published ones end with the right one in 19 of 20.
 *
 * Arms: `orders`, `ask` and `chat` of core/confounds.ts, `templates`. "answers_only" leaves out the passage as well as the question: what
 * is left shows whether a model prefers the eight countries to the eight names that are never right.
 */
import { z } from "zod";
import {
  armId,
  AskParam,
  ChatParam,
  type ChoiceItem,
  countryCluster,
  defineBenchmark,
  filledTemplate,
  inOrders,
  jsonDocument,
  labelPrompt,
  OrdersParam,
  promptOf,
  pythonRandomOf,
} from "../core/mod.ts";

/** The right answers. */
const COUNTRIES = ["China", "Indonesia", "Iran", "Mexico", "South Korea", "Spain", "UK", "USA"] as const;
/** BLEnD's 16 in the order of the authors' table, which the draws depend on. */
const NAMES = [
  "USA",
  "UK",
  "South Korea",
  "Algeria",
  "Indonesia",
  "Spain",
  "Iran",
  "Mexico",
  "Assam",
  "Greece",
  "Ethiopia",
  "Nigeria",
  "North Korea",
  "West Java",
  "China",
  "Azerbaijan",
] as const;
const REPORTED_FROM = 25;

const LETTERS = ["A", "B", "C", "D"] as const, DIGITS = ["1", "2", "3", "4"] as const;
/** Own wordings. `{options}` becomes a line an option, "A. text"; passage and question stand on lines of their own. */
const TEMPLATES = [
  {
    labels: LETTERS,
    text: "Passage: {passage}\n\nQuestion: {question}\n{options}\n\n" +
      "Write the letter of the right answer, A, B, C or D, without any other word.",
  },
  {
    labels: LETTERS,
    text: "{passage}\n\n{question}\n\n{options}\n\n" +
      "Which of the four is it? Your whole reply must be one letter from A to D.",
  },
  {
    labels: DIGITS,
    text: "Say which of four answers fits. Give its digit (1, 2, 3 or 4) and no explanation.\n\n" +
      "Text: {passage}\nQ: {question}\n\n{options}\n\nAnswer:",
  },
  {
    labels: DIGITS,
    text: "Question: {question}\n\n{options}\n\nText: {passage}\n\n" +
      "Reply with the number of the right option only, a single digit from 1 to 4.",
  },
] as const;
const ALL = TEMPLATES.map((_, i) => i);

/** A passage and, on the second line, its question; the index is the id. */
const PASSAGES = [
  "The meeting of bridge engineers takes place somewhere else each year. This time it was held in {country}, and about four hundred people came.\nIn which country did the bridge engineers meet this time?",
  "A crate of bicycle parts was left at the wrong warehouse last month. When its label was read again, it turned out to be addressed to a shop in {country}.\nTo which country should the crate have gone?",
  "Of the three albums on the shelf, the blue one is the fullest. Every stamp in it is from {country}, and the oldest is kept under thin paper.\nWhich country are the stamps in the blue album from?",
  "The table tennis club saved for two years to pay for a trip. In May its eleven members flew to {country}, where they played against four local teams.\nWhere did the table tennis club go in May?",
  "My neighbour lets her flat from June to August. This summer her tenants are a retired couple from {country}, who look after the plants on the balcony.\nWhere do this summer's tenants come from?",
  "A letter that had been lost for nine years was found behind a sorting machine. It was posted in {country}, as its postmark shows, but nobody can read the sender's name.\nIn which country was the lost letter posted?",
  "The film club shows one film a month without saying beforehand what it will be. The one in October had been made in {country}, and hardly anybody had guessed that.\nWhere had the October film been made?",
  "Before the printing works closed, its largest press was taken apart and every piece was numbered. A firm in {country} bought the pieces and put the press together again there.\nIn which country does the press stand now?",
  "Two nurses from our ward spent the spring in {country} to see how a smaller hospital plans its night shifts. They came back with a notebook full of timetables.\nWhere did the two nurses spend the spring?",
  "The radio play was recorded in three days by a cast of six. All the street noise in it was taped in {country} by the director's brother.\nIn which country was the street noise taped?",
  "According to the sticker on its base, the lamp was put together in {country}. The shop gives a guarantee of five years on it.\nWhere was the lamp put together?",
  "Helen numbers her diaries. Number seven is about the four months in which she taught mathematics in {country}, and it is the only one in pencil.\nIn which country did Helen teach mathematics?",
  "Our choir has had a new conductor since January. She moved here from {country}, and the songbooks that she ordered while she lived in {country} have just arrived.\nWhich country did the conductor move here from?",
  "Half of the seeds in the trial were stored in the cellar of the institute. The other half went to a laboratory in {country}, so that the two halves could be compared after a year.\nTo which country did half of the seeds go?",
  "A couple who had met on a railway platform in {country} went back to it ten years later to marry. The speeches had to stop whenever a train was announced.\nIn which country did the couple marry?",
  "The astronomy society asked about a camp site in {country_dummy} for its summer week, but no places were left. It put up its telescopes in {country} instead.\nWhere did the astronomy society put up its telescopes?",
  "A furniture shop has its chairs made in {country}. It had asked for prices in {country_dummy} as well, but that offer came too late.\nIn which country are the chairs made?",
  "The string quartet will play in {country} in March. Its concerts in {country_dummy}, which were planned for the same month, have been put off until next year.\nWhere will the string quartet play in March?",
  "Martin had forty days of leave. He spent all but three of them in {country}, and those three with an uncle in {country_dummy}.\nIn which country did Martin spend most of his leave?",
  "The parcel was meant to go by way of {country_dummy}, but its route was changed overnight. On Tuesday it was scanned in {country}, and two days later it was delivered.\nWhere was the parcel scanned on Tuesday?",
  "Two classes answered our search for pen friends, one in {country} and one in {country_dummy}. Lots were drawn, and it is the class in {country} that our pupils have written to ever since, not the one in {country_dummy}.\nTo which country do our pupils write?",
  "The open chess tournament had been given to {country_dummy} this year. After a burst pipe had flooded the hall, it was moved to {country} at two weeks' notice.\nWhere was the open chess tournament moved to?",
  "Ines owns thirty-one maps of {country}, because a map of {country} was the first that she was ever given, and a single one of {country_dummy}.\nWhich country do most of Ines's maps show?",
  "The bakery thought of buying a used oven in {country_dummy}, but moving it would have cost more than the oven. A week later it found another in {country} and paid for it at once.\nIn which country did the bakery buy its oven?",
  "On the form for his exchange year Tom wrote {country_dummy}, then crossed it out and wrote {country}. The office went by the correction, and he leaves in August.\nWhere will Tom spend his exchange year?",
  "The ferry museum owns eleven bells. The smallest of them, which visitors may ring, was cast in {country} and is the gift of a retired captain.\nWhere was the smallest bell cast?",
  "After the storm the sports hall needed a new roof. Its beams were ordered from a sawmill in {country} and lay in the car park for a week until the crane came.\nWhich country did the beams come from?",
  "Every trainee of the insurance company works at another branch for six weeks. Paula was sent to {country}, where she shared a desk with the accountant.\nIn which country did Paula work for six weeks?",
  "The animal doctors' congress is half lectures and half visits to farms. Those who came to {country} for it in September talk mostly of the long rides by coach.\nWhere was the animal doctors' congress in September?",
  "Two sisters threw a bottle with a note in it from a pier. Fourteen months later an answer came from {country}, together with a photograph of the bottle.\nFrom which country did the sisters get an answer?",
  "The crossword magazine has a page for puzzles by its readers. The winner of the spring issue lives in {country} and had sent in a grid shaped like a key.\nIn which country does the winner of the spring issue live?",
  "The dentist will be away for the whole of April, since she is helping her sister to open a practice in {country}. Until then her colleague on the second floor learns where everything is.\nWhere will the dentist be in April?",
  "Nine of the ten violins in the workshop are waiting for new strings. The tenth is packed already, because its owner is coming from {country} tomorrow to fetch it.\nWhich country is the owner of the tenth violin coming from?",
  "Our town has had a partner town in {country} since 1988. Every third year a group goes to {country} for a week, and the fire brigade's band goes with it.\nIn which country is our partner town?",
  "The running shoes were sent back because the left one squeaked. Their maker, a small firm in {country}, found the fault and sent a new pair with an apology.\nWhere is the maker of the running shoes?",
  "Each volunteer at the archive takes care of one box. In box 58 are the bills and notebooks of a photographer who worked in {country} all his life.\nIn which country did the photographer work?",
  "The geology students voted on a place for their week of field work. With twenty-six votes out of thirty they chose {country}, and two of them began to pack that evening.\nWhere will the geology students do their field work?",
  "Somebody had used a train ticket as a bookmark in the second-hand novel. It had been bought in {country} for a journey of forty minutes.\nIn which country was the train ticket bought?",
  "The youth orchestra has a guest at the harp this season. He grew up in {country}, and he will go back to {country} when the season is over.\nWhere will the guest at the harp go back to?",
  "When the lens of the lighthouse cracked, only one workshop could grind another. It was in {country}, so the engineer travelled there with the drawings under his arm.\nIn which country was the workshop that could grind the lens?",
  "The swimming team compared two training camps, one in {country_dummy} and one in {country}. The pool in {country_dummy} was under repair, so the team trained in {country}.\nWhere did the swimming team train?",
  "Leo's firm was going to open an office in {country_dummy} this year. That plan lies in a drawer now, and the new office opens in {country} on the first of June.\nIn which country does the new office open?",
  "In {country} the travelling exhibition of toys stayed for seven months, since the rooms were free. Before that it had been in {country_dummy} for a weekend.\nIn which country did the exhibition of toys stay longest?",
  "A botanist has cuttings of a rare shrub from a garden in {country}, which sent them within days. She had also written to a garden in {country_dummy} and never got a reply.\nWhere did the botanist's cuttings come from?",
  "The flight to {country_dummy} was overbooked, so the airline offered some passengers a different journey. Ruth said yes, and that is how she came to spend her free week in {country}.\nWhere did Ruth spend her free week?",
  "The publisher nearly had its atlas printed in {country_dummy}. In the end the job went to {country}, where a printer had the right paper in stock.\nIn which country was the atlas printed?",
  "The first guest room of the institute has been taken since Monday by a biologist from {country}. The second is kept for her colleague from {country_dummy}, who will not come before winter.\nWhere is the biologist in the first guest room from?",
  "On one and the same weekend the rowing club was invited to races in {country_dummy} and in {country}. It took its boats to {country} and sent a card with good wishes to {country_dummy}.\nWhere did the rowing club take its boats?",
  "Clara's pottery class gets its clay from {country}. Once it ordered a bag from {country_dummy} as a trial, and that was the only time.\nWhich country does the pottery class get its clay from?",
  "The documentary about night watchmen was to be filmed in {country_dummy}, until the permit was delayed. So the crew unpacked its cameras in {country} and was done before the permit came.\nIn which country was the documentary filmed?",
] as const;

const Params = z.strictObject({
  /** Our passages, or the authors' from the data folder. */
  items: z.enum(["own", "published"]).default("own"),
  /** "all" reports on every passage, those too that are to localise by. */
  part: z.enum(["report", "localise", "all"]).default("report"),
  /** Wordings, each an item of its own. */
  templates: z.array(z.int().min(0).max(TEMPLATES.length - 1)).min(1)
    .refine((list) => new Set(list).size === list.length, "wanted different templates").default(ALL),
  orders: OrdersParam,
  ask: AskParam,
  chat: ChatParam,
});
type Params = z.output<typeof Params>;

const Row = z.looseObject({
  id: z.string().regex(/^\d+$/, "a whole number as text"),
  /** With {country}, and {country_dummy} where there is a second one. */
  context: z.string().refine((text) => text.includes("{country}"), "a text with {country}"),
  question: z.string().min(1),
});
type Row = z.output<typeof Row>;
const Rows = z.array(Row).refine(
  (rows) => new Set(rows.map(({ id }) => id)).size === rows.length,
  "records of different ids",
);

export default defineBenchmark({
  name: "country_rc",
  version: "2",
  title: "CountryRC, countries named in a passage",
  licence: "CC0-1.0 (own items), MIT (published items)",
  source:
    "Plumbline, benchmarks/country_rc.ts, after Yamamoto et al., arXiv 2510.08284; published items: https://github.com/ynklab/CULNIG",
  params: Params,
  evaluator: "multiple_choice",
  metric: () => "exact_match",
  files: ({ items }) =>
    items === "own" ? [] : [{
      key: "items",
      names: ["CountryRC/data.json", "culture_countryrc/data.json", "country_rc.json"],
      sha256: "2fe62c2f74688fd8fd494bf9f1849dc4494d60bcdaeefbdb4c6e53b83af91d1e",
    }],
  load(files, params): ChoiceItem[] {
    const rows = params.items === "own" ? ownRows() : jsonDocument(files.items!, Rows);
    return rows.filter(({ id }) => params.part === "all" || params.part === roleOf(id))
      .flatMap((row) =>
        COUNTRIES.flatMap((country) => params.templates.flatMap((t) => choices(row, { country, t }, params)))
      );
  },
});

function ownRows(): Row[] {
  return PASSAGES.map((text, i) => {
    const [context = "", question = ""] = text.split("\n");
    return { id: String(i), context, question };
  });
}

function roleOf(id: string): "localise" | "report" {
  return Number(id) < REPORTED_FROM ? "localise" : "report";
}

interface Variant {
  readonly country: typeof COUNTRIES[number];
  /** Index of a wording. */
  readonly t: number;
}

/** The items of one passage about one country in one wording. */
function choices(row: Row, { country, t }: Variant, params: Params): ChoiceItem[] {
  const { items, part, orders, ask, chat } = params;
  const { id, context, question } = row;
  const { labels, text } = TEMPLATES[t]!;
  const { drawn, dummy } = draw(row, country, text);
  const passage = context.replaceAll(/\{country(_dummy)?\}/g, (_, second: string | undefined) => {
    const name = second === undefined ? country : dummy;
    return items === "own" && /^U/.test(name) ? `the ${name}` : name;
  });
  const name = items === "own" ? id : `published/${id}`;
  const has = context.includes("{country_dummy}") ? { country_dummy: dummy } : {};
  return inOrders({ options: drawn, gold: drawn.indexOf(country) }, orders, ({ options, gold }) => {
    const lines = options.map((option, i) => `${labels[i]}. ${option}`).join("\n");
    const render = (passage: string, question: string) =>
      filledTemplate(text, { passage, question, options: lines });
    const message = ask === undefined
      ? render(passage, question)
      : promptOf((gap) => render(gap, gap), question, ask);
    return {
      id: armId(`${name}/${country}/${t}`, { ask, chat }),
      role: part === "all" ? "report" : roleOf(id),
      clusters: { question: name, country: countryCluster(country), template: String(t) },
      content: [passage, question, ...drawn].join("\n"),
      ...labelPrompt(message, labels, chat ?? true),
      labels,
      oneToken: true,
      gold,
      doc: { id, country, template: t, context, question, options, ...has },
    };
  });
}

/** Options in their first order and the wrong one that a passage may name, drawn as the authors' program draws them. */
function draw({ context, question }: Row, country: string, template: string) {
  const random = pythonRandomOf(`${context}_${question}_${template}_${country}`);
  const wrong = random.sample(NAMES.filter((name) => name !== country), 3);
  const drawn = random.shuffle<string>([...wrong, country]);
  return { drawn, dummy: random.choice(drawn.filter((name) => name !== country)) };
}
