/**
 * Dynamic activation patching: a source runs on the same text as the model that generates, and what it has at some units replaces what
 * that model has there.
 *
 *   source:  w -> a(w)            w: prompt and what was generated so far
 *   target:  w, a_S := a_S(w) -> next token, which both go on with
 *
 * Source: Chen et al., Finding Safety Neurons in Large Language Models, arXiv 2406.14144. There the source runs anew on the
 * whole text at each step; here both keep their keys and values, which gives the same.
 */
import { type Edit, type GenerateOptions, type Model, type Tap, UserError } from "../../core/mod.ts";
import { columnsOf, unitsOf } from "./architectures/shape.ts";
import type { Engine } from "./engine.ts";
import { checkEdits } from "./graph/edits.ts";
import { outputOf } from "./graph/observe.ts";
import { refuseUnknown } from "./known_keys.ts";
import { createLane, refuseText, type Text } from "./lane.ts";

/** A source and the units it gives, by tap; no units, no source. */
export interface Patch {
  readonly source: Engine;
  readonly units: readonly Pick<Edit, "tap" | "units">[];
}

/** Engines of this backend's models. */
const ENGINES = new WeakMap<Model, Engine>();

/** Lets the model be the source of a patch. @returns the model */
export function registerSource(model: Model, engine: Engine): Model {
  ENGINES.set(model, engine);
  return model;
}

export interface Target extends Pick<Model, "info"> {
  readonly engine: Engine;
  /** Most tokens that a text may come to. */
  readonly longest: number;
}

/** @throws {UserError} for units that the target lacks, and for a source that does not fit the target. */
export function patchOf(patch: NonNullable<GenerateOptions["patch"]>, target: Target): Patch {
  const { engine, info, longest } = target;
  refuseUnknown(`patch ${info.name}`, patch, ["from", "units"] satisfies (keyof typeof patch)[]);
  const { from, units } = patch, source = ENGINES.get(from);
  const parts = [...Map.groupBy(units, ({ tap }) => tap)]
    .map(([tap, found]) => ({ tap, units: found.map(({ index }) => index) }))
    .sort((a, b) => a.tap < b.tap ? -1 : 1);
  checkEdits(parts.map((part) => ({ ...part, op: "set", value: 0 })), engine.shape);
  if (!source) {
    throw new UserError(`Cannot patch ${info.name}: the source is not a model of this backend, wanted one`);
  }
  const refuse = (state: string) => {
    throw new UserError(`Cannot patch ${info.name} from ${source.name}: ${state}`);
  };
  const there = source.shape, here = engine.shape;
  if (there.vocab !== here.vocab) refuse(`the source has ${there.vocab} tokens, wanted ${here.vocab}`);
  if (from.info.hash.tokenizer !== info.hash.tokenizer) {
    refuse("the source has another tokenizer, wanted the same");
  }
  if (there.context < longest) {
    refuse(`the source's context length is ${there.context}, wanted ${longest} or more`);
  }
  for (const { tap } of parts) {
    if (Number(tap.split(".")[1] ?? 0) >= there.layers) {
      refuse(`the source has ${there.layers} layers, wanted one with ${tap}`);
    }
    const sizes = ({ shape }: Engine) => `${columnsOf(shape, tap)} columns in ${unitsOf(shape, tap)} units`;
    if (sizes(source) !== sizes(engine)) refuse(`${tap} has ${sizes(source)}, wanted ${sizes(engine)}`);
  }
  return { source, units: parts };
}

/** The source's side of a patched generation. */
export interface SourceLane extends AsyncDisposable {
  /** Edits that set what the source has at the new tokens of each text, as a lane counts them. */
  advance(texts: readonly Text[]): Promise<(text: Text) => readonly Edit[]>;
}

export function createSource({ source, units }: Patch): SourceLane {
  const drawn = (tap: Tap) => ({ tap, quantity: "activation", pool: "none", over: "all" } as const);
  const lane = createLane(source, { kind: "score", edits: [], observe: units.map(({ tap }) => drawn(tap)) });
  return {
    async advance(texts) {
      const { rows, outputs } = await lane.advance(texts, () => []);
      await refuseText(source, { texts, logsumexp: outputs["logsumexp"]! }, () => []);
      return (text) => {
        const row = texts.indexOf(text), { tokens, start } = rows[row]!;
        return units.map((part): Edit => {
          const { data, dims } = outputs[outputOf(drawn(part.tap))]!, [, padded, columns] = dims as Dims;
          const first = row * padded * columns, last = first + tokens.length * columns;
          const values = (data as Float32Array).subarray(first, last);
          return {
            ...part,
            op: "set",
            from: { tap: part.tap, positions: tokens.map((_, i) => start + i), values },
          };
        });
      };
    },
    [Symbol.asyncDispose]: () => lane[Symbol.asyncDispose](),
  };
}

/** Batch, tokens, columns. */
type Dims = readonly [number, number, number];
