import { assertEquals } from "@std/assert";
import { bytesText, transferView } from "../../../core/cli/fetch.ts";

Deno.test("bytesText() writes three digits of the largest unit that has one before the point", () => {
  const cases: [number, string][] = [
    [0, "0 B"],
    [861, "861 B"],
    [999, "999 B"],
    [1000, "1.00 kB"],
    [4386, "4.39 kB"],
    [9996, "10.0 kB"],
    [99_960, "100 kB"],
    [999_600, "1.00 MB"],
    [269_060_552, "269 MB"],
    [5e12, "5.00 TB"],
    [5e15, "5000 TB"],
  ];
  assertEquals(cases.map(([bytes]) => bytesText(bytes)), cases.map(([, text]) => text));
});

Deno.test("transferView() tells bytes, rate and time left, the rate by what was received now alone", () => {
  const progress = { done: 120e6, total: 270e6, received: 20e6, path: "model.safetensors" };
  assertEquals(transferView(progress, 2000), {
    share: 120 / 270,
    text: " 44 %  120 MB of 270 MB  10.0 MB/s  0:15 left  model.safetensors",
    last: false,
  });
  const resumed = transferView({ ...progress, received: 0 }, 0);
  assertEquals(resumed.text, " 44 %  120 MB of 270 MB  0 B/s  ? left  model.safetensors");
  const end = transferView({ done: 0, total: 0, received: 0, path: "empty.json" }, 5);
  assertEquals([end.share, end.last], [1, true]);
});
