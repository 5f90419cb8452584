import { assert, assertEquals, assertThrows } from "@std/assert";
import qnli from "../../benchmarks/qnli.ts";
import { UserError } from "../../core/mod.ts";

const text = [
  "index\tquestion\tsentence\tlabel",
  '0\tWho wrote "Otters?\tThe book "Otters" is by Ann.\tentailment',
  '1\tWho wrote "Otters?\tOtters swim.\tnot_entailment',
  "",
].join("\n");
const load = (params: unknown = {}, content = text) =>
  qnli.load({ dev: { key: "dev", path: "dev.tsv", sha256: "", text: content } }, qnli.params.parse(params));

Deno.test("qnli under lm-eval asks in plain text; entailment is yes", () => {
  const [first, second] = load();
  assertEquals(first?.prompt, {
    kind: "text",
    text:
      'Who wrote "Otters?\nThe book "Otters" is by Ann.\nQuestion: Does this response answer the question?\nAnswer:',
  });
  assertEquals(first?.continuations, [" yes", " no"]);
  assertEquals([first?.gold, second?.gold], [0, 1]);
  assertEquals(first?.clusters, second?.clusters);
});

Deno.test("qnli under culnig asks each pair under each template for the digit of its class", () => {
  const items = load({ protocol: "culnig", templates: [1, 3] });
  assertEquals(items.map(({ id }) => id), ["0/1", "0/3", "1/1", "1/3"]);
  assertEquals(items.map(({ gold, labels }) => labels[gold]), ["0", "0", "1", "1"]);
  for (const { prompt, continuations, oneToken } of items) {
    assert(prompt.kind === "chat" && (prompt.messages[0]?.content ?? "").includes('"Otters?'));
    assertEquals([continuations, oneToken], [["0", "1"], true]);
  }
});

Deno.test("qnli names the line of a label that is none", () => {
  assertThrows(
    () => load({}, text.replace("not_entailment", "neutral")),
    UserError,
    'dev.tsv: line 3: label is "neutral"',
  );
});

Deno.test("qnli's train split is to tune on, under ids of its own and from its own file", () => {
  const params = qnli.params.parse({ protocol: "culnig", templates: [0], split: "train" });
  assertEquals(qnli.files(params).map(({ key }) => key), ["train"]);
  const items = qnli.load({ train: { key: "train", path: "train.tsv", sha256: "", text } }, params);
  assertEquals(items.map(({ id, role }) => [id, role]), [["train/0/0", "tune"], ["train/1/0", "tune"]]);
  // "dev" is what stands without it, so that earlier results are found.
  const written = (given: unknown) => JSON.stringify(qnli.params.parse(given));
  assertEquals(written({ split: "dev" }), written({}));
});
