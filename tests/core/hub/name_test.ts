import { assert, assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../core/error.ts";
import {
  hubLabel,
  hubText,
  isHubName,
  isSafePath,
  parseHubName,
  revisionOf,
} from "../../../core/hub/name.ts";

const COMMIT = "12fd25f77366fa6b3b4b768ec3050bf629338bd4";

Deno.test("parseHubName() reads every part, and hubText() writes the same name", () => {
  const cases: Record<string, ReturnType<typeof parseHubName>> = {
    "hf:org/name": { kind: "models", repo: "org/name" },
    "hf:HuggingFaceTB/SmolLM2-135M-Instruct@main": {
      kind: "models",
      repo: "HuggingFaceTB/SmolLM2-135M-Instruct",
      revision: "main",
    },
    "hf:org/na.me_2/sub/small.Q4_1.gguf@v1.0": {
      kind: "models",
      repo: "org/na.me_2",
      path: "sub/small.Q4_1.gguf",
      revision: "v1.0",
    },
    "hf:datasets/org/name@refs/pr/1": { kind: "datasets", repo: "org/name", revision: "refs/pr/1" },
    "hf:org/name/onnx/model_q4.onnx": { kind: "models", repo: "org/name", path: "onnx/model_q4.onnx" },
    "hf:datasets/org/name/data": { kind: "datasets", repo: "org/name", path: "data" },
    [`hf:org/name@${COMMIT}`]: { kind: "models", repo: "org/name", revision: COMMIT },
  };
  for (const [text, wanted] of Object.entries(cases)) {
    assertEquals(parseHubName(text), wanted);
    assertEquals(hubText(wanted), text);
  }
  assertEquals(hubText(parseHubName("hf:org/name/a.gguf@main"), COMMIT), `hf:org/name/a.gguf@${COMMIT}`);
  assertEquals(revisionOf(parseHubName("hf:org/name")), "main");
});

Deno.test("parseHubName() refuses what is no repository, path or revision, and whatever could leave the cache", () => {
  const bad = [
    "org/name",
    "hf:name",
    "hf:",
    "hf://org/name",
    "hf:datasets/name",
    "hf:../name",
    "hf:org/..",
    "hf:org/a--b",
    "hf:org/name.git",
    "hf:-org/name",
    "hf:org/name/model.bin",
    "hf:org/name/",
    "hf:org/name/../x.gguf",
    "hf:org/name//x.gguf",
    "hf:org/name@",
    "hf:org/name@../../x",
    "hf:org/name@a/../b",
    "hf:org/name@.hidden",
    "hf:org/name@a b",
    "hf:org/name@x.lock",
    "hf:org/na me",
    "hf:datasets/org/name/a\\b",
    "hf:datasets/org/name/a\nb",
  ];
  for (const text of bad) {
    const { message } = assertThrows(() => parseHubName(text), UserError) as UserError;
    assert(message.includes("wanted hf:org/name"), message);
  }
});

Deno.test("hubLabel() is the name's own part, with the revision where one was given", () => {
  assertEquals(hubLabel(parseHubName("hf:org/name")), "name");
  assertEquals(hubLabel(parseHubName("hf:org/name@step1000")), "name@step1000");
  assertEquals(hubLabel(parseHubName(`hf:org/name@${COMMIT}`)), "name@12fd25f7");
  assertEquals(hubLabel(parseHubName("hf:org/name/sub/a.gguf")), "a.gguf");
  assertEquals(hubLabel(parseHubName("hf:org/name/onnx/model.onnx@v1")), "name/onnx/model.onnx@v1");
  assertEquals(hubLabel(parseHubName("hf:org/name/onnx/model_q4.onnx")), "name/onnx/model_q4.onnx");
});

Deno.test("isSafePath() keeps below a folder, and isHubName() sees the prefix", () => {
  assertEquals(["a", "a/b.c", "..a/b"].map(isSafePath), [true, true, true]);
  assertEquals(["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\\b", "a\x1b[2J"].some(isSafePath), false);
  assertEquals(["hf:x", "x", "./hf:x"].map(isHubName), [true, false, false]);
});
