/** Graphs of one checkpoint and the sessions that run them, opened when first asked for. */
import type { Tap } from "../../core/mod.ts";
import type { Architecture } from "./architectures/architecture.ts";
import { drawDecoder } from "./architectures/decoder.ts";
import { drawScoring } from "./architectures/readout.ts";
import type { Rotary } from "./architectures/rope.ts";
import type { Hyperparameters } from "./architectures/shape.ts";
import { encode } from "./graph/encode.ts";
import type { Graph } from "./graph/graph.ts";
import { type Drawn, drawObservations } from "./graph/observe.ts";
import { openSession, type Session, type SessionOptions } from "./session/session.ts";
import type { Checkpoint } from "./weights/types.ts";

/** What a graph is for. Lists are sorted, so that the same wish is the same graph. */
export interface GraphSpec {
  /** "score": logits of read rows, with keys and values in and out; "sweep": the same for rows that differ by their edits, without keys and
   * values; "run": observations. */
  readonly kind: "score" | "sweep" | "run";
  /** Taps that carry edits. */
  readonly edits: readonly Tap[];
  /** Default none. In a graph of kind "score" activations alone, pool "none". */
  readonly observe?: readonly Drawn[];
  /** Whether a run reads logits. */
  readonly objective?: boolean;
  /** Whether a run computes tokens that samples have in common once. */
  readonly shared?: boolean;
}

export interface Engine extends AsyncDisposable {
  /** Of the model, for messages. */
  readonly name: string;
  readonly shape: Hyperparameters;
  /** By kind of attention. */
  readonly rotary: readonly Rotary[];
  /** For texts of more than so many tokens, where these turn by other angles; its sessions are this one's. */
  readonly long?: { readonly beyond: number; readonly engine: Engine };
  /** Taps that every scoring graph carries. */
  readonly taps: readonly Tap[];
  session(spec: GraphSpec): Promise<Session>;
}

/** Sessions open at once: one to score with and one to look with. */
const OPEN = 2;

export interface EngineOptions {
  readonly name: string;
  readonly architecture: Architecture;
  readonly shape: Hyperparameters;
  readonly rotary: Engine["rotary"];
  /** Tables for texts of more than `beyond` tokens, where these are others. */
  readonly long?: { readonly beyond: number; readonly rotary: Engine["rotary"] } | undefined;
  readonly taps: readonly Tap[];
  readonly session: SessionOptions;
}

export function createEngine(checkpoint: Checkpoint, options: EngineOptions): Engine {
  const { name, architecture, shape, rotary, taps, session } = options;
  const sessions = new Map<string, Session>();
  const close = async (key: string) => {
    const old = sessions.get(key);
    sessions.delete(key);
    await old?.[Symbol.asyncDispose]();
  };
  /** Closes the one used longest ago of those that nothing goes on in. @returns whether there was one. */
  const closeIdle = async () => {
    for (const [key, opened] of sessions) {
      if (opened.isBusy()) continue;
      await close(key);
      return true;
    }
    return false;
  };
  const find = async (spec: GraphSpec) => {
    const key = JSON.stringify(spec);
    const known = sessions.get(key);
    if (known) {
      // The one used last stands last.
      sessions.delete(key);
      sessions.set(key, known);
      return known;
    }
    while (sessions.size >= OPEN && await closeIdle());
    const opened = await openSession(
      encode(drawGraph(architecture, checkpoint, spec), session.device),
      session,
    );
    sessions.set(key, opened);
    return opened;
  };
  let opening: Promise<unknown> = Promise.resolve(), closed = false;
  const engine: Engine = {
    name,
    shape,
    rotary,
    taps,
    session(spec) {
      if (closed) return Promise.reject(new Error(`Cannot run ${name}: it is closed`));
      // One after another, so that two wishes for a graph open it once.
      const next = opening.then(() => find(spec));
      opening = next.catch(() => {});
      return next;
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      await opening;
      for (const key of [...sessions.keys()]) await close(key);
    },
  };
  const { long } = options;
  return long
    ? { ...engine, long: { beyond: long.beyond, engine: { ...engine, rotary: long.rotary } } }
    : engine;
}

/** What runs a text of so many tokens. */
export function engineFor(engine: Engine, tokens: number): Engine {
  return engine.long && tokens > engine.long.beyond ? engine.long.engine : engine;
}

/** @throws {UserError} for a tensor that is missing or has the wrong shape. */
export function drawGraph(
  architecture: Architecture,
  checkpoint: Checkpoint,
  spec: GraphSpec,
): Graph {
  const { kind, edits, observe = [], objective = false, shared = false } = spec;
  const rows = kind === "score" ? "cache" : kind === "sweep" ? "spread" : shared ? "shared" : "plain";
  const whole = observe.filter(({ quantity }) => quantity === "activation" || quantity === "direct");
  const drawing = drawDecoder(architecture, checkpoint, {
    edits,
    rows,
    ...(kind !== "run" || objective ? { whole: whole.map(({ tap }) => tap) } : {}),
  });
  if (kind !== "run") drawScoring(drawing);
  if (kind !== "sweep") drawObservations(drawing, observe, objective);
  return drawing.b.finish();
}
