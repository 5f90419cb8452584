/** `deno task fetch` and `eval` on what it brought, beside a hub on loopback; and downloads that are killed. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Results } from "../../core/mod.ts";
import { DEMO_COMMIT, demoRepos, sha256Of, type StandInHub, startHub } from "../core/hub/stand_in_hub.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const FABLES = `${ROOT}fixtures/fables`;
const NAME = "hf:demo/planted";
const REPO = "models--demo--planted";
const MATRIX = {
  version: 1,
  data: `${FABLES}/data`,
  models: [{ use: "onnx", params: { path: FABLES } }],
  benchmarks: [{ use: "fables", params: { topic: "food" } }],
  treatments: [{
    name: "silenced",
    steps: [{ edit: { use: "suppress", units: `${FABLES}/units_food.json` } }],
    controls: [],
  }],
};

interface End {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface Place {
  readonly folder: string;
  readonly env: Record<string, string>;
}

/** Everything of Hugging Face that the caller may have set is out of the way. */
function environment(folder: string, endpoint: string): Record<string, string> {
  return {
    INIT_CWD: folder,
    HF_HOME: `${folder}/hf`,
    HF_ENDPOINT: endpoint,
    HF_HUB_CACHE: "",
    HUGGINGFACE_HUB_CACHE: "",
    HF_TOKEN: "",
    HUGGING_FACE_HUB_TOKEN: "",
    HF_TOKEN_PATH: "",
    HF_HUB_OFFLINE: "",
    PLUMBLINE_RESULTS: "",
    PLUMBLINE_CACHE: `${folder}/cache`,
    NO_COLOR: "1",
  };
}

function task({ folder, env }: Place, ...args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "--config", `${ROOT}deno.json`, ...args],
    cwd: folder,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Not through `deno task`: the process that is killed must be the one that writes. */
function fetchAlone({ folder, env }: Place): Deno.ChildProcess {
  const { tasks } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));
  const flags: string[] = tasks.fetch.split(" ").filter((word: string) => word.startsWith("--"));
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--config", `${ROOT}deno.json`, ...flags, `${ROOT}core/cli/main.ts`, "fetch", NAME],
    cwd: folder,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function finish(child: Deno.ChildProcess): Promise<End> {
  const { code, stdout, stderr } = await child.output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

async function inPlace(
  work: (place: Place, hub: StandInHub) => Promise<void>,
  repos = demoRepos(),
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "plumb hub " });
  const hub = startHub(repos);
  try {
    await work({ folder, env: environment(folder, hub.url) }, hub);
  } finally {
    await hub[Symbol.asyncDispose]();
    await Deno.remove(folder, { recursive: true });
  }
}

function results({ folder }: Place, below: string): Results {
  const [run] = [...Deno.readDirSync(`${folder}/${below}`)].filter((entry) => entry.isDirectory);
  return JSON.parse(Deno.readTextFileSync(`${folder}/${below}/${run?.name}/results.json`));
}

/** Bytes of the weights that are on the disk and not whole. */
function bytesOnDisk({ folder }: Place): number {
  try {
    const [part] = [...Deno.readDirSync(`${folder}/hf/hub/${REPO}/blobs`)].filter(({ name }) =>
      /^[0-9a-f]{64}\.incomplete$/.test(name)
    );
    return part === undefined ? 0 : Deno.statSync(`${folder}/hf/hub/${REPO}/blobs/${part.name}`).size;
  } catch {
    return 0;
  }
}

async function until(ready: () => boolean): Promise<void> {
  for (let i = 0; i < 3000 && !ready(); i++) await new Promise((done) => setTimeout(done, 10));
  assert(ready(), "it came to that within 30 s");
}

Deno.test("fetch, then eval without a hub: the numbers and the keys of the local folder, the commit in the record", () =>
  inPlace(async (place, hub) => {
    await Deno.writeTextFile(`${place.folder}/m.json`, JSON.stringify(MATRIX));
    const local = await finish(task(place, "eval", "m.json", "--results", "local"));
    assertEquals(local.code, 0, local.err);

    const missing = await finish(task(place, "eval", "m.json", "--model", NAME));
    assertEquals([missing.code, missing.out], [2, ""]);
    assertMatch(
      missing.err,
      /^Cannot open hf:demo\/planted: it is not in .*, wanted it fetched first: .* fetch hf:demo\/planted\n$/,
    );
    assertEquals(hub.asked, [], "eval asks no network");

    const listed = await finish(task(place, "fetch", NAME, "--list"));
    assertEquals([listed.code, hub.sent()], [0, 0], listed.err);
    assertMatch(listed.out, /model\.safetensors +1\.78 MB\n/);
    const fetched = await finish(task(place, "fetch", NAME, "hf:datasets/demo/fables"));
    assertEquals(fetched.code, 0, fetched.err);
    for (
      const word of [
        "revision main is commit ddd",
        "Received 1.79 MB in ",
        `eval MATRIX.json --model ${NAME}\n`,
      ]
    ) {
      assertStringIncludes(fetched.out, word);
    }
    assertStringIncludes(fetched.out, "eval MATRIX.json --data hf:datasets/demo/fables\n");
    assertEquals(hub.asked.some(({ path }) => /\.(bin|onnx|py)$|gitattributes/.test(path)), false);
    await hub[Symbol.asyncDispose]();

    const data = ["--data", "hf:datasets/demo/fables"];
    const remote = await finish(
      task(place, "eval", "m.json", "--model", NAME, ...data, "--results", "remote"),
    );
    assertEquals([remote.code, remote.err.includes("Note:")], [0, false], remote.err);
    const [ours, theirs] = ["local", "remote"].map((below) => results(place, below));
    const nameless = ({ cells }: Results) => cells.map(({ model: _, ...cell }) => cell);
    assertEquals(nameless(theirs!), nameless(ours!));
    const [record] = theirs!.models;
    assertEquals([record?.label, record?.info.name], ["planted", "planted"]);
    assertEquals(record?.params, { path: `${NAME}@${DEMO_COMMIT}` });
    assertEquals(record?.info.hash, ours!.models[0]!.info.hash);
    const { run: _, ...about } = theirs!;
    assertEquals(
      JSON.stringify(about).includes(`${place.folder}/hf`),
      false,
      "no path of this machine is recorded",
    );

    // The same name inside a matrix, pinned, over the store of the local run: every cell is found.
    const models = [{ use: "onnx", params: { path: `${NAME}@${DEMO_COMMIT}` } }];
    await Deno.writeTextFile(`${place.folder}/pinned.json`, JSON.stringify({ ...MATRIX, models }));
    const pinned = await finish(task(place, "eval", "pinned.json", "--results", "local"));
    assertStringIncludes(pinned.out, "Cells: 0 computed, 2 found", pinned.err);
    assertStringIncludes(pinned.out, `Model planted@${DEMO_COMMIT.slice(0, 8)}`);
  }));

/** An export as Transformers.js keeps it, its graph in a folder of its own, below the rest. */
function exportRepos(): ReturnType<typeof demoRepos> {
  const folder = `${ROOT}tests/goldens/exports/biased`;
  const read = (name: string) => ({ bytes: Deno.readFileSync(`${folder}/${name}`) });
  const files = {
    "config.json": read("config.json"),
    "onnx/model.onnx": { ...read("model.onnx"), large: true },
    "onnx/model_q4.onnx": { bytes: new Uint8Array(4096), large: true },
    "tokenizer.json": read("tokenizer.json"),
    "tokenizer_config.json": read("tokenizer_config.json"),
  };
  return {
    ...demoRepos(),
    "models/demo/export": { refs: { main: DEMO_COMMIT }, commits: { [DEMO_COMMIT]: files } },
  };
}

Deno.test("fetch takes one ONNX export of a repository with what belongs to it, and eval opens it as a white box", () =>
  inPlace(async (place, hub) => {
    const matrix = { ...MATRIX, treatments: [] };
    await Deno.writeTextFile(`${place.folder}/m.json`, JSON.stringify(matrix));
    const whole = await finish(task(place, "fetch", "hf:demo/export"));
    assertEquals(
      [whole.code, whole.err],
      [
        2,
        "Cannot use hf:demo/export: it has no .safetensors file, wanted hf:demo/export/onnx/model.onnx or " +
        "hf:demo/export/onnx/model_q4.onnx\n",
      ],
    );
    const name = "hf:demo/export/onnx/model.onnx";
    const fetched = await finish(task(place, "fetch", name));
    assertEquals(fetched.code, 0, fetched.err);
    assertEquals(hub.asked.some(({ path }) => path.endsWith("model_q4.onnx")), false);
    const run = await finish(task(place, "eval", "m.json", "--model", name, "--results", "out"));
    assertEquals(run.code, 0, run.err);
    assertStringIncludes(run.err, "export opens as llama");
    const [record] = results(place, "out").models;
    assertEquals([record?.label, record?.params], ["export/onnx/model.onnx", {
      path: `${name}@${DEMO_COMMIT}`,
    }]);
  }, exportRepos()));

Deno.test("a fetch that is killed three times goes on where it was each time, and ends whole", () =>
  inPlace(async (place, hub) => {
    const total = Deno.statSync(`${FABLES}/model.safetensors`).size;
    hub.faults = { delayMs: 25 };
    let kept = 0;
    for (let kills = 0; kills < 3; kills++) {
      const child = fetchAlone(place);
      await until(() => bytesOnDisk(place) > kept + total / 6);
      child.kill("SIGKILL");
      await child.output();
      const now = bytesOnDisk(place);
      assert(now > kept && now < total, `${now} of ${total} bytes`);
      kept = now;
    }
    hub.faults = {};
    hub.asked.length = 0;
    const { code, out, err } = await finish(fetchAlone(place));
    assertEquals(code, 0, err);
    const [content, ...more] = hub.asked.filter(({ origin }) => origin === "content");
    assertEquals([content?.range, content?.sent, more.length], [`bytes=${kept}-`, total - kept, 0]);
    assertStringIncludes(out, "each with the hash that is listed");
    const path = `${place.folder}/hf/hub/${REPO}/snapshots/${DEMO_COMMIT}/model.safetensors`;
    assertEquals(
      sha256Of(Deno.readFileSync(path)),
      sha256Of(Deno.readFileSync(`${FABLES}/model.safetensors`)),
    );
  }));

Deno.test("Ctrl-C ends a fetch with 130 and one line and keeps what came", () =>
  inPlace(async (place, hub) => {
    hub.faults = { delayMs: 25 };
    const child = task(place, "fetch", NAME);
    await until(() => bytesOnDisk(place) > 500_000);
    child.kill("SIGINT");
    const { code, err } = await finish(child);
    assertEquals(code, 130, err);
    const lines = err.trimEnd().split("\n").filter((line) => !/^ *\d+ % /.test(line));
    assertEquals(lines, ["Stopped: what was received is kept, the same command goes on from there"]);
    const kept = bytesOnDisk(place);
    assert(kept > 500_000);
    hub.faults = {};
    hub.asked.length = 0;
    const again = await finish(task(place, "fetch", NAME));
    assertEquals(again.code, 0, again.err);
    assertEquals(hub.asked.find(({ origin }) => origin === "content")?.range, `bytes=${kept}-`);
  }));

Deno.test("fetch says in one line what a user can mend, and ends with 2", () =>
  inPlace(async (place) => {
    const cases: [string[], Record<string, string>, string][] = [
      [[], {}, "wanted deno task fetch hf:org/name"],
      [["demo/planted"], {}, "it does not begin with hf:"],
      [["hf:demo/planted@v9"], {}, 'no revision "v9"'],
      [["hf:demo/none"], {}, "HF_TOKEN"],
      [[NAME], { HF_HUB_OFFLINE: "1" }, "HF_HUB_OFFLINE is set"],
      [[NAME], { HF_ENDPOINT: "hub" }, "HF_ENDPOINT"],
      [[NAME], { HF_HUB_CACHE: "/proc/none" }, "/proc/none"],
    ];
    for (const [args, env, word] of cases) {
      const { code, err } = await finish(
        task({ ...place, env: { ...place.env, ...env } }, "fetch", ...args),
      );
      assertEquals(code, 2, err);
      assertMatch(err, /^Cannot [^\n]+\n$/);
      assertStringIncludes(err, word);
    }
  }));
