import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UserError } from "../../../core/error.ts";
import { hubCache, hubSettings } from "../../../core/hub/settings.ts";

const env = (values: Record<string, string>) => (name: string) => values[name];
const cache = (values: Record<string, string>) => hubCache(env(values), "/base");

Deno.test("hubCache() finds the Python client's folder in its order of variables", () => {
  assertEquals(cache({ HOME: "/h" }), "/h/.cache/huggingface/hub");
  assertEquals(cache({ HOME: "/h", XDG_CACHE_HOME: "/x" }), "/x/huggingface/hub");
  assertEquals(cache({ HOME: "/h", XDG_CACHE_HOME: "/x", HF_HOME: "/hf" }), "/hf/hub");
  assertEquals(cache({ HOME: "/h", HF_HOME: "/hf", HUGGINGFACE_HUB_CACHE: "/old" }), "/old");
  assertEquals(
    cache({ HOME: "/h", HF_HOME: "/hf", HUGGINGFACE_HUB_CACHE: "/old", HF_HUB_CACHE: "/new" }),
    "/new",
  );
  assertEquals(cache({ HOME: "/h", HF_HUB_CACHE: "" }), "/h/.cache/huggingface/hub");
  assertEquals(cache({ HOME: "/h", HF_HOME: "~/hf" }), "/h/hf/hub");
  assertEquals(cache({ HOME: "/h", HF_HOME: "hf" }), "/base/hf/hub");
  assertThrows(() => cache({ HOME: "/h", HF_HOME: "$SCRATCH/hf" }), UserError, "HF_HOME");
});

Deno.test("hubSettings() reads endpoint, token and HF_HUB_OFFLINE, and the token that a login wrote", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const base = { HOME: "/none", HF_HOME: folder };
    const read = (values: Record<string, string>) => hubSettings(env({ ...base, ...values }), "/base");
    assertEquals(read({}), { endpoint: "https://huggingface.co", cache: `${folder}/hub`, offline: false });
    Deno.writeTextFileSync(`${folder}/token`, " hf_file\n");
    assertEquals(read({}).token, "hf_file");
    assertEquals(read({ HUGGING_FACE_HUB_TOKEN: "hf_old" }).token, "hf_old");
    assertEquals(read({ HF_TOKEN: "hf_env\n", HUGGING_FACE_HUB_TOKEN: "hf_old" }).token, "hf_env");
    assertEquals(read({ HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" }).token, undefined);
    Deno.writeTextFileSync(`${folder}/other`, "hf_other");
    assertEquals(read({ HF_TOKEN_PATH: `${folder}/other` }).token, "hf_other");
    assertEquals(read({ HF_ENDPOINT: "http://127.0.0.1:8/hub//" }).endpoint, "http://127.0.0.1:8/hub");
    assertEquals(["1", "true", "yes", "0", ""].map((text) => read({ HF_HUB_OFFLINE: text }).offline), [
      true,
      true,
      true,
      false,
      false,
    ]);
    for (const text of ["hub", "file:///x", "https://me:pw@hub", "https://hub?x=1"]) {
      const { message } = assertThrows(() => read({ HF_ENDPOINT: text }), UserError) as UserError;
      assertStringIncludes(message, "HF_ENDPOINT");
    }
    const { message } = assertThrows(() => read({ HF_TOKEN: "hf_a b\u00e9" }), UserError) as UserError;
    assertEquals(message.includes("hf_a"), false, "a token is never printed");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
