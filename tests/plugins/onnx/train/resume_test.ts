/** SIGKILL, and going on to the same bits. */
import { assert, assertEquals } from "@std/assert";
import { folder } from "../gradients_golden.ts";
import { open } from "../open.ts";
import { caseOf, refusal, trainerOf } from "./training_golden.ts";

const SCRIPT = new URL("train_once.ts", import.meta.url).pathname;

/** Lines of a training; it is killed when it has said `until`. */
async function train(kind: string, checkpoints: string, until?: string): Promise<string[]> {
  const out = Deno.makeTempDirSync();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", SCRIPT, kind, checkpoints, out],
    stdout: "piped",
  }).spawn();
  let text = "", killed = false;
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (killed || until === undefined || !text.includes(`${until}\n`)) continue;
    killed = true;
    child.kill("SIGKILL");
  }
  await child.status;
  Deno.removeSync(out, { recursive: true });
  return text.trimEnd().split("\n");
}

for (const kind of ["full", "dpo"]) {
  Deno.test(`a training that was killed twice goes on to the weights of one that was not: ${kind}`, async () => {
    const [quiet, killed] = [Deno.makeTempDirSync(), Deno.makeTempDirSync()];
    const whole = await train(kind, quiet);
    assertEquals(whole[0], "from 0");
    const first = await train(kind, killed, "update 17");
    assert(!first.at(-1)!.startsWith("delta"), "it was killed before the end");
    const second = await train(kind, killed, "update 41");
    assert(Number(second[0]!.split(" ")[1]) >= 14, second[0]);
    const third = await train(kind, killed);
    assert(Number(third[0]!.split(" ")[1]) >= 35, third[0]);
    assert(whole.at(-1)!.startsWith("delta "));
    assertEquals(third.at(-1), whole.at(-1));
    for (const path of [quiet, killed]) Deno.removeSync(path, { recursive: true });
  });
}

Deno.test("the checkpoint of another training is refused", async () => {
  const checkpoints = Deno.makeTempDirSync(), checkpoint = { folder: checkpoints, every: 1 };
  await using model = await open(folder("biased"));
  {
    await using trainer = await trainerOf(model, caseOf("full"), { steps: 2, checkpoint });
    for await (const _ of trainer.run());
  }
  const error = await refusal(() => trainerOf(model, caseOf("full"), { steps: 3, checkpoint }));
  assert(error.includes("is the checkpoint of another training"), error);
  Deno.removeSync(checkpoints, { recursive: true });
});

Deno.test("a rate that diverges stops at the update, and the last checkpoint stays", async () => {
  const checkpoints = Deno.makeTempDirSync();
  await using model = await open(folder("biased"));
  const place = caseOf("full");
  const diverging = {
    optimizer: { learningRate: 1e37 },
    schedule: { kind: "linear", warmup: 30 },
    steps: 40,
    checkpoint: { folder: checkpoints, every: 1 },
  } as const;
  await using trainer = await trainerOf(model, place, diverging);
  let last = 0;
  const error = await refusal(async () => {
    for await (const { step } of trainer.run()) last = step;
  });
  assert(last > 0, "the first update has no rate");
  assert(
    new RegExp(`^Cannot go on to train biased: .* at update ${last + 1} of 40`).test(error),
    error,
  );
  await using again = await trainerOf(model, place, diverging);
  assert(again.done() > 0 && again.done() <= last);
  for (const { values } of again.values().values()) {
    assert(values.every(Number.isFinite), "what was kept is finite");
  }
  Deno.removeSync(checkpoints, { recursive: true });
});
