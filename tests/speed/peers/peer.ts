/** A program beside ours, in a child process that computes only while it is asked; the lines between are those of rounds.py. */

export interface PeerSpec {
  readonly name: string;
  readonly python: string;
  /** Path of the script in this folder, then its arguments. */
  readonly args: readonly string[];
}

/** What a turn took. */
export interface Turn {
  readonly seconds: number;
  /** Processor time of the program that computed, in seconds. */
  readonly cpu: number;
  /** Tokens of the prompts, padding not counted. */
  readonly tokens: number;
}

/** Samples [from, to) of the file that the program was started with. */
export interface Slice {
  readonly from: number;
  readonly to: number;
}

export interface Peer extends AsyncDisposable {
  readonly name: string;
  /** Warms up and tries settings; says what it chose and runs on. */
  prepare(slice: Slice): Promise<Turn & { readonly chosen: string }>;
  round(slice: Slice): Promise<Turn>;
  /** Scores [samples][columns], gate, up, query, key and value of layer after layer. */
  scores(slice: Slice): Promise<Float32Array[]>;
}

const QUIET = { TQDM_DISABLE: "1", TRANSFORMERS_VERBOSITY: "error", HF_HUB_OFFLINE: "1" };

/** Starts a program; every promise fails when it ends early. */
export function startPeer({ name, python, args }: PeerSpec): Peer {
  const [script = "", ...rest] = args;
  const child = new Deno.Command(python, {
    args: [new URL(script, import.meta.url).pathname, ...rest],
    env: QUIET,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const lines = linesOf(child.stdout), requests = child.stdin.getWriter();

  async function ask<T>(request: Slice & { readonly do: string; readonly file?: string }): Promise<T> {
    await requests.write(new TextEncoder().encode(`${JSON.stringify(request)}\n`));
    const { value, done } = await lines.next();
    if (done) throw new Error(`${name} ended without an answer; it says why above`);
    return JSON.parse(value);
  }

  return {
    name,
    prepare: (slice) => ask({ do: "prepare", ...slice }),
    round: (slice) => ask({ do: "round", ...slice }),
    async scores(slice) {
      const file = await Deno.makeTempFile();
      const { columns } = await ask<{ columns: number }>({ do: "scores", ...slice, file });
      const all = new Float32Array((await Deno.readFile(file)).buffer);
      await Deno.remove(file);
      return Array.from(
        { length: slice.to - slice.from },
        (_, i) => all.subarray(i * columns, (i + 1) * columns),
      );
    },
    async [Symbol.asyncDispose]() {
      // A closed input is the end of its loop.
      await requests.close().catch(() => {});
      await child.status;
    },
  };
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}
