/**
 * BLEnD short answers: everyday knowledge of 16 countries, asked openly and in the country's own language.
 *
 * As CULNIG (arXiv 2510.08284) asks them: questions of the topics that units are not localised by, put into one of the prompts that the
 * country has in its language, drawn by the seed; right is whatever anyone of the country answered. Questions that nobody answered are left
 * out. Draws are Python's, one an item in the program's order of countries, so that seed 42, the default, draws what the program draws.
 *
 * Ours: at most 64 new tokens, not 512, by default (`maxNewTokens`: 512 is the paper's); greedy decoding, not the model's own settings; the
 * metric, see the evaluator. Two Algerian prompts have their slot's name translated too, and so go without any question in the program; here
 * it stands in that slot.
 *
 * 599 of the 3,676 items have a right answer of one character ("5"), which many texts contain for other reasons.
 *
 * `language`: "english" puts the English question into the same prompt and takes the answers' English forms.
 */
import { z } from "zod";
import {
  ChatParam,
  csvRows,
  defineBenchmark,
  type FoundFile,
  jsonDocument,
  pythonRandom,
  type ShortAnswerItem,
  UserError,
} from "../core/mod.ts";

/** File names, in the order in which prompts are drawn, with the sha256 of annotations and of prompts. */
const COUNTRIES: Readonly<Record<string, readonly [annotations: string, prompts: string]>> = {
  US: [
    "a9da7f3ad4f4c90b7460e1e66be63d1910212fa35678f92778b81b279472ed6a",
    "8ef180e55a1e2eae507788b25e31ca9bc678a3d3cdc9c0c9eed95edcad7f23fb",
  ],
  UK: [
    "0cb8ea116988e574d4161bcde51013d2896e5d412f593dc4ad80afe9c8ba01c6",
    "c43dbbb3946ded4ebc46f51e9fa8dc3bdf16ca0c05cedc1617495a107317623c",
  ],
  South_Korea: [
    "b04e620e2731183f57af045c3c90cf2aadd42699fd642fc2d3448d89d3a4c90b",
    "a3f7e7981e15c41ebd2a75f705c0aeff3e556452f6c7523fae4f46847adc33a0",
  ],
  Algeria: [
    "96bfafe589edbae426261bca3b5f7afff1a01f4787430aeecb47e56dd68064bf",
    "66277bd197eaee2a795c140d095b0896a473741fc15ca05e911add244b394b68",
  ],
  Indonesia: [
    "a2a7674934e7678ce14334d4667b051443335a504e06e050e40495fb98d2a0c0",
    "ffca0c4379fc0f92cd41d70b035aefce646f4f2e3489e4cf95cc40b8881a6afe",
  ],
  Spain: [
    "92406493cac03364e1daabcf7c54b80f232884ccf8cb708200aff5322a354472",
    "a445ab118fe5042b77ee3fd990a46e1d641b7ffdc23251a370366a911b2c5f3d",
  ],
  Iran: [
    "516d80b0fe05a464f25f734c5c3683da2362988a710c8fabfea29eefbd95fa72",
    "73d335b22b54ec41c1a147a9e3da563d6cd6c5d7cf59814719b7e2a5083d46d1",
  ],
  Mexico: [
    "ab36bf638bae6e959e54c456328a167066bfbb96e48ca42d847a386477b677a4",
    "48e549f29eef5dea5400f3517fcbdcccb73cb830b1c7f27110b4ba80ffddd529",
  ],
  Assam: [
    "6d28e046b8230a9f3e4720a3ffbfb15c44fca07ecdd535c7f215a2cb9a4df00f",
    "7ddd6801de36ebb40ab561de4ebce07f76c5c90321e44930f5ab27f8b766c256",
  ],
  Greece: [
    "1be01ca43db4a46717e691e4664e2fe1dafd240427df65ad4e6e9405a73fc5da",
    "32681c4d5927d70361bf71b0010c6917d19cbd849221237a9c57aeb6835543a7",
  ],
  Ethiopia: [
    "71ddd5feef8483ff9dc3769f51e03b2ae14df5b125f9cd296c8d96fd215149a0",
    "c57f16ff29131670ba1c7d2d5b3b23c302782858ecf8d297eb54b85d4a421540",
  ],
  Northern_Nigeria: [
    "0af2da94867902824c4ac745fd1b3d2f1d51a72015b68103800dbdc82104c776",
    "5250facd842e4518638cf60494028960b88f560a0443a682e56df51e4c1abef9",
  ],
  North_Korea: [
    "a97e0290461d5fca65018716d01b648cfaf99344d7a50db735767d821cc28dad",
    "1e92571c8bc87959abeec96279baa2d5ff2c06256ea85a63184314f70f422b80",
  ],
  West_Java: [
    "7d34d20b711b99da57a6d0351d381f7a7fa79d69f49abd64829b27aeebde0868",
    "f81be5f2734e354e12ba58c4c4810ba884edcac3c2f3fbd82c61384360b503a6",
  ],
  China: [
    "43321ad7e228d6f8d28d98a3175f258755ec3e0a7805eb1a6550e609ccdc8b0d",
    "a1a277578ebbff1db2322fbc98bb85ccb7eb3c73651a6214b4da3e9330a8a4f7",
  ],
  Azerbaijan: [
    "4d5d93b0179f457ee0364bdc5403ba1d595cfa755f76878425f0833835b1ea18",
    "3cac25e9d402abbd75f08dd10ed65a8c9b22299da7840371b17939b453e1171d",
  ],
};
const TEST: readonly string[] = ["Education", "Family", "Holidays/Celebration/Leisure"];
/** "{q}", or a letter of another script in its place. */
const SLOT = /\{\p{L}\}/gu;

const Params = z.strictObject({
  /** Of question and right answers; the prompt around the question is the country's own. */
  language: z.enum(["local", "english"]).default("local"),
  seed: z.int().min(0).default(42),
  maxNewTokens: z.int().min(1).default(64),
  chat: ChatParam,
});
type Params = z.output<typeof Params>;

const Question = z.looseObject({ ID: z.string(), Topic: z.string() });
const Prompt = z.looseObject({
  id: z.string(),
  Translation: z.string().regex(new RegExp(SLOT.source, "u"), "a text with a slot {q}"),
});
const Entry = z.looseObject({
  question: z.string(),
  en_question: z.string(),
  annotations: z.array(
    z.looseObject({ answers: z.array(z.string()), en_answers: z.array(z.string()), count: z.int() }),
  ),
});
type Entry = z.output<typeof Entry>;

export default defineBenchmark({
  name: "blend_saq",
  version: "1",
  title: "BLEnD short answers",
  licence: "CC BY-SA 4.0",
  source: "Myung et al., NeurIPS 2024 Datasets and Benchmarks, https://github.com/nlee0212/BLEnD",
  params: Params,
  evaluator: "short_answer",
  metric: () => "substring",
  files: () => [
    {
      key: "questions",
      names: ["questions/US_questions.csv", "US_questions.csv"],
      sha256: "d60b5643974af6084a5db9d727f01db21c487c1231bc21e07315900a43eff8e0",
    },
    ...Object.entries(COUNTRIES).flatMap(([country, [annotations, prompts]]) => [
      {
        key: country,
        names: [`annotations/${country}_data.json`, `${country}_data.json`],
        sha256: annotations,
      },
      {
        key: promptsOf(country),
        names: [`prompts/${country}_prompts.csv`, `${country}_prompts.csv`],
        sha256: prompts,
      },
    ]),
  ],
  load(files, params): ShortAnswerItem[] {
    const topics = new Map(csvRows(files.questions!, Question).map(({ ID, Topic }) => [ID, Topic]));
    const random = pythonRandom(params.seed);
    return Object.keys(COUNTRIES).flatMap((country) => {
      const entries = jsonDocument(files[country]!, z.record(z.string(), Entry));
      const prompts = promptRows(files[promptsOf(country)]!);
      checkQuestions(entries, topics, files[country]!);
      return Object.entries(entries).flatMap(([id, entry]): ShortAnswerItem[] => {
        const topic = topics.get(id) ?? "";
        if (!TEST.includes(topic) || answersOf(entry, "local").length === 0) return [];
        const prompt = random.choice(prompts);
        return itemOf({ id, country, topic, entry, prompt }, params);
      });
    });
  },
});

const promptsOf = (country: string) => `${country} prompts`;

/** @throws {UserError} for a file without prompts, or one of them without a slot for the question. */
function promptRows(file: FoundFile): z.output<typeof Prompt>[] {
  const rows = csvRows(file, Prompt);
  if (rows.length > 0) return rows;
  throw new UserError(`Cannot read ${file.path}: it has no prompts, wanted one or more`);
}

/** @throws {UserError} where a question that all countries answer is missing. */
function checkQuestions(
  entries: Readonly<Record<string, Entry>>,
  topics: ReadonlyMap<string, string>,
  file: FoundFile,
): void {
  const missing = topics.keys().find((id) => entries[id] === undefined);
  if (missing === undefined) return;
  throw new UserError(`Cannot read ${file.path}: question ${missing} is missing, wanted every question`);
}

interface Asked {
  readonly id: string;
  readonly country: string;
  readonly topic: string;
  readonly entry: Entry;
  readonly prompt: z.output<typeof Prompt>;
}

/** None where the answers have no form in the language asked for. */
function itemOf({ id, country, topic, entry, prompt }: Asked, params: Params): ShortAnswerItem[] {
  const { language, maxNewTokens, chat } = params;
  const answers = answersOf(entry, language);
  if (answers.length === 0) return [];
  const question = language === "local" ? entry.question : inEnglish(entry.en_question);
  const text = prompt.Translation.replace(SLOT, () => question);
  const parts = [
    id,
    country,
    prompt.id,
    ...language === "local" ? [] : [language],
    ...chat === false ? ["text"] : [],
  ];
  return [{
    id: parts.join("/"),
    role: "report",
    clusters: { question: id, country },
    content: question,
    prompt: chat === false
      ? { kind: "text", text }
      : { kind: "chat", messages: [{ role: "user", content: text }] },
    answers,
    maxNewTokens,
    doc: { ID: id, country, topic, question, instruction: prompt.id, answers },
  }];
}

/** Each once, in the order of the annotations. */
function answersOf({ annotations }: Entry, language: Params["language"]): string[] {
  const given = annotations.filter(({ count }) => count > 0)
    .flatMap(({ answers, en_answers }) => language === "local" ? answers : en_answers);
  return [...new Set(given.map((answer) => answer.trim()).filter((answer) => answer !== ""))];
}

/** The article that the file leaves out. */
function inEnglish(question: string): string {
  return question.replace(/\b(?:the )?(US|UK)\b/g, "the $1");
}
