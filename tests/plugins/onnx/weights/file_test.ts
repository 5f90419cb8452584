import { assertEquals } from "@std/assert";
import { sha256 } from "../../../../core/mod.ts";
import { hashFile } from "../../../../plugins/onnx/weights/file.ts";
import { testContext } from "../../../support.ts";

/** Far beyond the second in which times of change are told. */
const LATER_MS = 10_000;

Deno.test("hashFile() remembers a hash, but reads a file again that was swapped for one of the same size and time", async () => {
  const folder = await Deno.makeTempDir({ prefix: "plumbline-hash-" });
  try {
    const path = `${folder}/weights`, context = testContext({ cacheDir: `${folder}/cache` });
    await Deno.writeTextFile(path, "first weights");
    const { mtime } = await Deno.stat(path);
    assertEquals(await hashFile(path, context), sha256("first weights"));
    // A memo that is plainly newer than the file is believed: a planted one comes back.
    const planted = "0".repeat(64), later = new Date(mtime!.getTime() + LATER_MS);
    const [memo] = [...Deno.readDirSync(`${folder}/cache/hashes`)];
    await Deno.writeTextFile(`${folder}/cache/hashes/${memo!.name}`, planted);
    await Deno.utime(`${folder}/cache/hashes/${memo!.name}`, later, later);
    assertEquals(await hashFile(path, context), planted);
    await new Promise((done) => setTimeout(done, 1100)); // the next second of the file's time of change
    await Deno.writeTextFile(path, "other weights");
    await Deno.utime(path, mtime!, mtime!);
    assertEquals(await hashFile(path, context), sha256("other weights"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
