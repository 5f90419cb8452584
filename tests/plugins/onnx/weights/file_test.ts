import { assertEquals, assertNotEquals } from "@std/assert";
import { sha256 } from "../../../../core/mod.ts";
import { hashFile } from "../../../../plugins/onnx/weights/file.ts";
import { testContext } from "../../../support.ts";

Deno.test("hashFile() reads a file again that was swapped for one of the same size and time of modification", async () => {
  const folder = await Deno.makeTempDir({ prefix: "plumbline-hash-" });
  try {
    const path = `${folder}/weights`, context = testContext({ cacheDir: `${folder}/cache` });
    await Deno.writeTextFile(path, "first weights");
    const { mtime } = await Deno.stat(path);
    const first = await hashFile(path, context);
    assertEquals(first, sha256("first weights"));
    assertEquals(await hashFile(path, context), first);
    await Deno.writeTextFile(path, "other weights");
    await Deno.utime(path, mtime!, mtime!);
    const second = await hashFile(path, context);
    assertNotEquals(second, first);
    assertEquals(second, sha256("other weights"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
