/** Sessions that come and go. */
import { assertEquals, assertRejects } from "@std/assert";
import type { Generation, Tap } from "../../../core/mod.ts";
import { open } from "./open.ts";
import { RANDOM } from "./other_weights.ts";

const PROMPTS = [[5, 6, 7], [8, 9, 10]];
const look = (tap: Tap) => [{ tap, quantity: "activation", pool: "mean" }] as const;

Deno.test("generate() goes on while run() opens other sessions", async () => {
  await using model = await open(RANDOM);
  const [first] = await Array.fromAsync(model.generate(PROMPTS, { maxNewTokens: 6, stop: [], batch: 1 }));
  // The first text ends at once, so that the other is under way when run() opens graphs of its own.
  const options = { maxNewTokens: 6, stop: [first!.tokens[0]!], batch: 2 };
  const wanted = await Array.fromAsync(model.generate(PROMPTS, options));
  const texts: Generation[] = [];
  for await (const text of model.generate(PROMPTS, options)) {
    texts.push(text);
    for (const tap of ["layers.0.mlp.act", "layers.1.mlp.act", "layers.2.mlp.act"] as const) {
      await model.run([{ prompt: [3, 4] }], { observe: look(tap) });
    }
  }
  assertEquals(texts, wanted);
});

Deno.test("run() gives each of several calls at once its own graph and results", async () => {
  await using model = await open(RANDOM);
  const taps = ["embed", "layers.0.mlp.act", "layers.1.mlp.act", "layers.2.mlp.act"] as const;
  const ask = (tap: Tap) => model.run([{ prompt: [3, 4] }], { observe: look(tap) });
  const together = await Promise.all(taps.map(ask));
  for (const [i, tap] of taps.entries()) assertEquals(together[i], await ask(tap));
});

Deno.test("run() after the model is closed is refused, not left waiting", async () => {
  const model = await open(RANDOM);
  await model[Symbol.asyncDispose]();
  await assertRejects(() => model.run([{ prompt: [3, 4] }], { observe: look("embed") }), Error, "closed");
});
