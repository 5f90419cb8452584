/** The guard as a user meets it, with the permissions of deno.json's tasks, and what the pages say. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { openSqliteStore } from "../../core/store/sqlite.ts";
import { createApp } from "../../server/app.tsx";

const ROOT = new URL("../../", import.meta.url).pathname;

async function evaluate(folder: string, ...flags: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "--config", `${ROOT}deno.json`, "eval", "leak.json", ...flags],
    cwd: folder,
    env: { INIT_CWD: folder, PLUMBLINE_RESULTS: "", NO_COLOR: "1" },
    stdin: "null",
  }).output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

/** The fables' food found and reported on by the same questions. */
const MATRIX = {
  version: 1,
  data: `${ROOT}fixtures/fables/data`,
  models: [{ use: "onnx", params: { path: `${ROOT}fixtures/fables` } }],
  benchmarks: [{ use: "fables", name: "food", params: { topic: "food" } }, {
    use: "fables",
    name: "work",
    params: { topic: "work" },
  }],
  treatments: [{
    name: "food found",
    steps: [
      {
        score: {
          use: "gradient_product",
          params: { sites: ["mlp.gate"], objective: "cloze", pool: "sum" },
          on: { items: { use: "fables", params: { topic: "food", part: "localise" } } },
        },
      },
      { select: { top: 48 } },
      { edit: { use: "suppress" } },
    ],
  }],
};

Deno.test("eval refuses a leak with exit code 2 and one line, and stamps every output where it is allowed", async () => {
  const folder = await Deno.makeTempDir();
  try {
    Deno.writeTextFileSync(`${folder}/leak.json`, JSON.stringify(MATRIX));
    const refused = await evaluate(folder);
    assertEquals([refused.code, refused.out], [2, ""], refused.err);
    assertMatch(
      refused.err,
      /^Cannot run matrix [^\n]*: 48 of 96 items of food are among those that made the units of "food found", 48 exactly and 0 nearly, such as [^\n]*--allow-leakage[^\n]*\n$/,
    );
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["leak.json"], "nothing was begun");

    const allowed = await evaluate(folder, "--allow-leakage");
    assertEquals(allowed.code, 0, allowed.err);
    assertStringIncludes(allowed.out, "leak: 48 of 96 items made it");
    assertStringIncludes(allowed.out, "Leakage allowed: 48 of 96 items of food");
    const [run = ""] = [...Deno.readDirSync(`${folder}/results`)].flatMap(({ name, isDirectory }) =>
      isDirectory ? name : []
    );
    const read = (name: string) => Deno.readTextFileSync(`${folder}/results/${run}/${name}`);
    assertStringIncludes(read("report.md"), "**Leakage allowed: 48 of 96 items of food");
    const results = JSON.parse(read("results.json"));
    assertEquals(results.provenance.meetings[0].exact, 48);
    assertEquals(results.matrix.allowLeakage, true);

    using store = openSqliteStore(`${folder}/results/plumbline.sqlite`);
    const app = createApp({ store });
    const get = async (path: string) => await (await app.request(path)).text();
    const cell = (benchmark: string) =>
      results.cells.find((each: { benchmark: string; treatment: string }) =>
        each.benchmark === benchmark && each.treatment === "food found"
      ).key;
    const page = await get(`/runs/${run}`);
    assertStringIncludes(page, "leak: 48 of 96 items made it");
    assertStringIncludes(page, "Leakage allowed: 48 of 96 items of food");
    assertStringIncludes(
      await get(`/runs/${run}/cells/${cell("food")}`),
      "Leakage allowed: 48 of 96 items of food",
    );
    assertEquals((await get(`/runs/${run}/cells/${cell("work")}`)).includes("Leakage allowed"), false);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
