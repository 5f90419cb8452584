/** The rules of the house that a program can check: who imports whom, no ambient state, names, sizes. */
import { assertEquals } from "@std/assert";

const ROOT = new URL("../", import.meta.url).pathname;
const FOLDERS = ["core", "plugins", "benchmarks", "server", "fixtures", "tests"];
const MAX_LINES = 300;

/** Packages that one place alone may import. */
const FENCES: Readonly<Record<string, readonly string[]>> = {
  "onnxruntime-node": ["plugins/onnx/"],
  "onnx-buf": ["plugins/onnx/"],
  "hyparquet-writer": ["core/report/"],
  hyparquet: ["tests/"],
  hono: ["server/"],
  comlink: ["plugins/onnx/session/", "core/sandbox/", "server/"],
  "playwright-core": ["tests/"],
};

interface Source {
  /** Relative to the root. */
  readonly path: string;
  readonly text: string;
  /** The text without comments, strings kept. */
  readonly code: string;
}

function sources(folder: string): Source[] {
  return [...Deno.readDirSync(ROOT + folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    if (isDirectory) return sources(path);
    if (!/\.tsx?$/.test(name)) return [];
    const text = Deno.readTextFileSync(ROOT + path);
    return [{ path, text, code: text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(?<!:)\/\/.*$/gm, "") }];
  });
}

const ALL = FOLDERS.flatMap(sources);
const shipped = ALL.filter(({ path }) => !path.startsWith("tests/"));

/** Imports as paths relative to the root, or as names of packages. */
function imports({ path, code }: Source): string[] {
  const found = [...code.matchAll(/(?:\bfrom\s+|\bimport\s*\(?\s*)"([^"]+)"/g)].map((match) =>
    match[1] ?? ""
  );
  return found.map((name) =>
    name.startsWith(".") ? new URL(name, `file:///${path}`).pathname.slice(1) : name.replace(/^npm:/, "")
  );
}

function offenders(files: readonly Source[], isWrong: (source: Source, name: string) => boolean): string[] {
  return files.flatMap((source) =>
    imports(source).filter((name) => isWrong(source, name)).map((name) => `${source.path} imports ${name}`)
  );
}

const ours = (name: string) => FOLDERS.some((folder) => name.startsWith(`${folder}/`));
const within = (folder: string) => shipped.filter(({ path }) => path.startsWith(`${folder}/`));

Deno.test("imports() sees static, dynamic and re-exported names", () => {
  const code = 'import a from "./b.ts"; export * from "../c/d.ts"; await import("hono"); import "zod";';
  assertEquals(imports({ path: "core/x/a.ts", text: code, code }), [
    "core/x/b.ts",
    "core/c/d.ts",
    "hono",
    "zod",
  ]);
  assertEquals(ALL.length > 50, true, "the files are found");
});

Deno.test("core imports nothing of plugins, benchmarks or fixtures, and the server only for its command", () => {
  const wrong = offenders(within("core"), ({ path }, name) =>
    ours(name) && !name.startsWith("core/") &&
    !(path === "core/cli/serve.ts" && name === "server/main.ts"));
  assertEquals(wrong, []);
});

Deno.test("core/cli is imported by nothing else in core", () => {
  const files = within("core").filter(({ path }) => !path.startsWith("core/cli/"));
  assertEquals(offenders(files, (_, name) => name.startsWith("core/cli/")), []);
});

Deno.test("plugins import core/mod.ts and themselves only", () => {
  const wrong = offenders(within("plugins"), ({ path }, name) => {
    const own = path.split("/").slice(0, 2).join("/");
    return ours(name) && name !== "core/mod.ts" && !name.startsWith(`${own}/`);
  });
  assertEquals(wrong, []);
});

Deno.test("benchmarks import core/mod.ts only", () => {
  assertEquals(offenders(within("benchmarks"), (_, name) => ours(name) && name !== "core/mod.ts"), []);
});

Deno.test("the server imports core/mod.ts and itself, and the store where it is opened", () => {
  const wrong = offenders(
    within("server"),
    ({ path }, name) =>
      ours(name) && name !== "core/mod.ts" && !name.startsWith("server/") &&
      !(path === "server/main.ts" && name === "core/store/mod.ts"),
  );
  assertEquals(wrong, []);
});

Deno.test("a fenced package is imported behind its fence only", () => {
  const files = shipped.concat(ALL.filter(({ path }) => path.startsWith("tests/core/")));
  const wrong = offenders(
    files,
    ({ path }, name) =>
      Object.entries(FENCES).some(([fenced, places]) =>
        (name === fenced || name.startsWith(`${fenced}/`) || name.startsWith(`${fenced}@`)) &&
        !places.some((place) => path.startsWith(place))
      ),
  );
  assertEquals(wrong, []);
});

Deno.test("nothing outside core/cli, server/main.ts and scripts reads clock, chance, console or environment", () => {
  const AMBIENT =
    /\b(Math\.random|Date\.now|new Date\(\)|performance\.now|console\.\w+|Deno\.env|Deno\.args)\b/;
  const STATE = /^(export )?let /m;
  const wrong = shipped
    .filter(({ path }) => !path.startsWith("core/cli/") && path !== "server/main.ts")
    .flatMap(({ path, code }) => {
      // The last lines of a script that is run as one are its command line.
      const body = code.split("if (import.meta.main)")[0] ?? "";
      // What libraries below read in the environment can be told them in no other way.
      const own = body.replace('Deno.env.set("NVIDIA_TF32_OVERRIDE", "0")', "");
      const found = AMBIENT.exec(own)?.[0] ?? STATE.exec(own)?.[0];
      return found === undefined ? [] : [`${path}: ${found.trim()}`];
    });
  assertEquals(wrong, []);
});

Deno.test("files are snake_case and no type is a Manager, Helper, Utils or Base", () => {
  const names = ALL.map(({ path }) => path).filter((path) => !/^[a-z0-9_./]+(\.d)?\.tsx?$/.test(path));
  assertEquals(names, []);
  const types = ALL.flatMap(({ path, code }) =>
    [...code.matchAll(/\b(?:class|interface|type)\s+(\w*(?:Manager|Helper|Utils|Base))\b/g)].map((match) =>
      `${path}: ${match[1]}`
    )
  );
  assertEquals(types, []);
});

Deno.test("a file of over 300 lines, tests apart, says why in its header", () => {
  const wrong = shipped.filter(({ text }) => text.split("\n").length - 1 > MAX_LINES)
    .filter(({ text }) => !/300 lines/.test(text.slice(0, text.indexOf("*/"))))
    .map(({ path, text }) => `${path}: ${text.split("\n").length - 1} lines`);
  assertEquals(wrong, []);
});
