/** Files in the layouts in which others publish their data, whose content is our own: for benchmarks whose data few machines have. */

type Cells = readonly (string | number)[];

function csv(rows: readonly Cells[]): string {
  const cell = (value: string | number) => {
    const text = String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => `${row.map(cell).join(",")}\n`).join("");
}

const tsv = (rows: readonly Cells[]) => rows.map((row) => `${row.join("\t")}\n`).join("");

const PARAPHRASES: readonly Cells[] = [
  ["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"],
  [1, 101, 102, "The ferry was late , <QUOTE> again <QUOTE> .", "Once more the ferry did not come in time ."],
  [0, 103, 104, "The mill grinds rye .", "The mill was sold in spring ."],
  [1, 105, 106, 'Nobody saw the "fox go.', "The fox went unseen."],
];

const CULTURE: readonly Cells[] = [
  [
    "data_idx",
    "question_idx",
    "prompt_question",
    "prompt_option_a",
    "prompt_option_b",
    "prompt_option_c",
    "prompt_option_d",
    "answer",
    "country",
  ],
  [
    "0",
    "7",
    "In Norland, what is eaten with soup?",
    "bread",
    "figs",
    "ice, salted",
    "nothing",
    "A",
    "South Korea",
  ],
  [
    "1",
    "8",
    'What does a guest in Sudland say, "yes" or "no"?',
    "yes",
    "no",
    "perhaps",
    "nothing",
    "d",
    "United States",
  ],
  ["2", "9", "When is the market?", "Monday", "Tuesday", "Friday", "Sunday", "C", "Germany"],
];

const NORMS: readonly Cells[] = [
  [
    "",
    "ID",
    "Country",
    "Background",
    "Axis",
    "Subaxis",
    "Value",
    "Rule-of-Thumb",
    "Story",
    "Explanation",
    "Gold Label",
  ],
  [
    0,
    1,
    "united_states_of_america",
    "x",
    "x",
    "visiting",
    "x",
    "x",
    "Ann rang twice.\nNobody minded.",
    "x",
    "yes",
  ],
  [1, 2, "south_korea", "x", "x", "visiting", "x", "x", 'Bo said, "Later," and left.', "x", "no"],
  [2, 3, "papua_new_guinea", "x", "x", "visiting", "x", "x", "Cy looked at the sea.", "x", "neutral"],
];

/** Topics of the questions below. */
export const TOPICS: Readonly<Record<string, string>> = {
  "Ma-en-01": "Food",
  "Ma-en-02": "Family",
  "Ma-en-03": "Sport",
};
const QUESTIONS: readonly Cells[] = [
  ["", "ID", "Topic", "Source", "Question", "Translation"],
  ...Object.entries(TOPICS).map(([id, topic], i) => [i, id, topic, "s", "x", "y"]),
];

/** An item as BLEnD publishes it: `n` in its id, options in alphabetical order. */
function choiceRow(id: string, n: number, country: string): Cells {
  const choices = { A: "ash", B: "birch", C: `"elm" ${n}`, D: "fir, white" };
  const lines = Object.entries(choices).map(([letter, text]) => `${letter}. ${text}\n`).join("");
  const prompt =
    `Which tree of ${id} is usual in ${country}? Without any explanation, name a letter as {"answer_choice":""}\n\n${lines}\nAnswer:`;
  const from = { A: "US", B: country, C: "UK", D: "dummy" };
  return [`${id}_${n}`, id, country, prompt, JSON.stringify(choices), JSON.stringify(from), "ABCD"[n % 4]!];
}

const CHOICES: readonly Cells[] = [
  ["MCQID", "ID", "country", "prompt", "choices", "choice_countries", "answer_idx"],
];
/** Seven items of one question and country in the first file, one more in the second, and others between. */
const FIRST = [
  ...[0, 1, 2].map((n) => choiceRow("Ma-en-01", n, "South_Korea")),
  choiceRow("Ma-en-02", 0, "US"),
  ...[3, 4, 5, 6].map((n) => choiceRow("Ma-en-01", n, "South_Korea")),
  ...[0, 1, 2].map((n) => choiceRow("Ma-en-02", n, "UK")),
];
const SECOND = [
  choiceRow("Ma-en-01", 7, "South_Korea"),
  ...[3, 4, 5, 6].map((n) => choiceRow("Ma-en-02", n, "UK")),
  choiceRow("Ma-en-03", 0, "US"),
];

const ANSWERED: readonly Cells[] = [
  ["index", "question", "sentence", "label"],
  [0, "Who keeps the ferry?", "The ferry is kept by Ann.", "entailment"],
  [1, "Who keeps the ferry?", "The ferry leaves at nine.", "not_entailment"],
  [2, "When does the mill open?", "The mill opens at ten.", "entailment"],
];

/** Texts by name of file. */
export const MADE_UP = {
  "QNLI_train.tsv": tsv(ANSWERED),
  "msr_paraphrase_test.txt": tsv(PARAPHRASES),
  "MRPC_dev.tsv": tsv(PARAPHRASES),
  "CulturalBench-Easy.csv": csv(CULTURE),
  "normad_etiquette_final_data.csv": csv(NORMS),
  "US_questions.csv": csv(QUESTIONS),
  "mc_questions_file-1.csv": csv([...CHOICES, ...FIRST]),
  "mc_questions_file-2.csv": csv([...CHOICES, ...SECOND]),
  "mc_questions_file.csv": csv([...CHOICES, ...FIRST, ...SECOND]),
} as const;
