/** The harness's side of the Worker: opens it, runs calls one after another, ends it. */
import * as comlink from "comlink";
import { UserError } from "../../../core/mod.ts";
import type { Call, Reply, Runtime, SessionOptions } from "./door.ts";

export type { SessionOptions };

export interface Session extends AsyncDisposable {
  /** @throws when the runtime refuses the call or its Worker has died. */
  run(call: Call): Promise<Reply>;
  drop(cache: number): Promise<void>;
  /** Whether a call is under way, or keys and values of an earlier one are kept: they end with the session. */
  isBusy(): boolean;
}

/** Starts a Worker and opens an ONNX model in it.
 * @param model ONNX bytes with external data at real paths without their first slash. */
export async function openSession(model: Uint8Array, options: SessionOptions): Promise<Session> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  // A call to a dead Worker never settles, so its death refuses those that wait. (A race with one promise of death would keep every reply
  // alive as long as the session.)
  const waiting = new Set<(reason: Error) => void>();
  let death: Error | undefined;
  const die = (reason: Error) => {
    death ??= reason;
    for (const refuse of waiting) refuse(death);
  };
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    die(new Error(`Cannot run the graph: the runtime's Worker died: ${event.message}`));
  });
  const runtime = comlink.wrap<Runtime>(worker);
  const alive = <T>(call: Promise<T>) =>
    new Promise<T>((resolve, reject) => {
      if (death) return reject(death);
      waiting.add(reject);
      call.then(resolve, reject).finally(() => waiting.delete(reject));
    });
  try {
    await alive(runtime.open(comlink.transfer(model, [model.buffer as ArrayBuffer]), options));
  } catch (error) {
    worker.terminate();
    const { device = "cpu" } = options;
    if (device === "cpu" || !(error instanceof Error)) throw error;
    // Where in the runtime's source it failed is no news to a user.
    const state = error.message.split("\n")[0]!.replace(/^.* was false\. /, "");
    const hint = device === "cuda" ? " (README says what cuda needs)" : "";
    throw new UserError(
      `Cannot compute on ${device}: the runtime says ${state}, wanted a device that it finds${hint}, or cpu`,
      { cause: error },
    );
  }
  const kept = new Set<number>();
  let calls = 0;
  return {
    async run(call) {
      calls++;
      try {
        const reply = await alive(runtime.run(comlink.transfer(call, buffersOf(call))));
        if (reply.cache !== undefined) kept.add(reply.cache);
        return reply;
      } finally {
        calls--;
      }
    },
    async drop(cache) {
      kept.delete(cache);
      await alive(runtime.drop(cache));
    },
    isBusy: () => calls > 0 || kept.size > 0,
    async [Symbol.asyncDispose]() {
      try {
        await alive(runtime.close());
      } finally {
        worker.terminate();
        die(new Error("Cannot run the graph: its session is closed"));
      }
    },
  };
}

function buffersOf({ feeds }: Call): ArrayBuffer[] {
  return [...new Set(Object.values(feeds).map(({ data }) => data.buffer as ArrayBuffer))];
}
