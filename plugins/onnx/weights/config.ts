/** Hyperparameters of a Hugging Face folder. */
import { UserError } from "../../../core/mod.ts";
import type { ModelConfig } from "./types.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Reads `model_type` alone, so that an unknown family is told before its hyperparameters are looked for. */
export function modelTypeOf(fields: Fields, path: string): string {
  if (typeof fields.model_type === "string") return fields.model_type;
  throw new UserError(
    `Cannot read ${path}: model_type is ${JSON.stringify(fields.model_type)}, wanted a name`,
  );
}

/** How a family's config.json departs from Llama's. */
export interface ConfigRules {
  /** The part of a file that describes the text model, where the file describes more than that. */
  readonly within?: string;
  /** What it calls fields, by Llama's names. */
  readonly keys?: Readonly<Record<string, string>>;
  /** What fields are that a file leaves out, by its own names. */
  readonly defaults?: Fields;
  /** Fields beyond Llama's that decide numbers. */
  readonly read?: readonly (
    | "query_pre_attn_scalar"
    | "attn_logit_softcapping"
    | "final_logit_softcapping"
    | "partial_rotary_factor"
  )[];
  /** Which layers have a window of attention; absent: none, whatever a file says. */
  readonly windows?: Windows;
  /** Width of the MLP in widths of the residual, where a file does not say. */
  readonly mlpWidths?: number;
  /** Fields that may have these values, or be left out, and no others. */
  readonly only?: Readonly<Record<string, readonly unknown[]>>;
}

/** "all" layers have one where a file gives its size; "where asked": those from `max_window_layers` on, if `use_sliding_window`; "pattern": all
 * but every n-th. A file's `layer_types` goes before either of the latter two. */
type Windows =
  | { readonly kind: "all"; readonly size?: number }
  | { readonly kind: "where asked"; readonly size: number; readonly first: number }
  | { readonly kind: "pattern"; readonly size: number; readonly every: number };

/** The content of config.json, with generation_config.json's end of sequence, checked and with defaults written out.
 * @throws {UserError} naming the field that is missing, of the wrong type, or of a value that is not known. */
export function parseConfig(
  given: Fields,
  generation: Fields,
  { path, rules }: { readonly path: string; readonly rules: ConfigRules },
): ModelConfig {
  const fields = textFields(given, rules);
  const read = reader(fields, { path, rules });
  refuseOthers(fields, { path, rules });
  const width = read.count("hidden_size"), heads = read.count("num_attention_heads");
  if (width % heads !== 0 && Number.isNaN(read.number("head_dim", NaN))) {
    throw read.fail("num_attention_heads", `a divisor of the width ${width}`);
  }
  const mlp = rules.mlpWidths === undefined ? undefined : rules.mlpWidths * width;
  return {
    model_type: modelTypeOf(fields, path),
    hidden_size: width,
    intermediate_size: read.count("intermediate_size", mlp),
    num_hidden_layers: read.count("num_hidden_layers"),
    num_attention_heads: heads,
    num_key_value_heads: read.count("num_key_value_heads", heads),
    head_dim: read.count("head_dim", width / heads),
    hidden_act: read.string("hidden_act", "silu"),
    rms_norm_eps: read.number("rms_norm_eps", 1e-6),
    ...ropeOf(fields, { path, rules }),
    ...windowOf(fields, { path, rules }),
    ...Object.fromEntries(
      (rules.read ?? []).filter((name) => name !== "partial_rotary_factor").flatMap((name) => {
        const value = read.number(name, NaN);
        if (value <= 0) throw read.fail(name, "a number above 0");
        return Number.isNaN(value) ? [] : [[name, value]];
      }),
    ),
    vocab_size: read.count("vocab_size"),
    max_position_embeddings: read.count("max_position_embeddings", 2048),
    tie_word_embeddings: read.flag("tie_word_embeddings"),
    attention_bias: read.flag("attention_bias"),
    mlp_bias: read.flag("mlp_bias"),
    bos_token_id: ids(fields.bos_token_id)[0] ?? null,
    eos_token_id: [...new Set([...ids(fields.eos_token_id), ...ids(generation.eos_token_id)])],
  };
}

/** The fields of the text model, with what the whole says of its texts' beginning and end. */
export function textFields(given: Fields, { within }: ConfigRules): Fields {
  const inner = within === undefined ? undefined : given[within];
  if (typeof inner !== "object" || inner === null) return given;
  const outer = ["bos_token_id", "eos_token_id", "tie_word_embeddings"].filter((name) => name in given);
  return {
    ...inner,
    ...Object.fromEntries(outer.map((name) => [name, given[name]])),
    model_type: given.model_type,
  };
}

interface Reading {
  readonly path: string;
  readonly rules: ConfigRules;
}

function refuseOthers(fields: Fields, { path, rules }: Reading): void {
  for (const [name, known] of Object.entries(rules.only ?? {})) {
    if (fields[name] === undefined || known.includes(fields[name])) continue;
    const wanted = known.length === 0
      ? "a model without it"
      : known.map((value) => JSON.stringify(value)).join(" or ");
    throw new UserError(`Cannot read ${path}: ${name} is ${shown(fields[name])}, wanted ${wanted}`);
  }
}

type Rope = Pick<
  ModelConfig,
  "rope_theta" | "rope_scaling" | "rope_local_base_freq" | "partial_rotary_factor"
>;

/** Bases, scaling rule and share of the columns that are turned. transformers 5 writes what were fields of their own as `rope_parameters`, by kind
 * of layer where there are two. */
function ropeOf(fields: Fields, { path, rules }: Reading): Rope {
  const read = reader(fields, { path, rules });
  const written = read.object("rope_parameters"), scaling = read.object("rope_scaling");
  const byKind = written && ["full_attention", "sliding_attention"].some((kind) => kind in written);
  const part = (kind: string) => reader(written ?? {}, { path, rules: {} }).object(kind) ?? {};
  const { rope_theta: theta, partial_rotary_factor: share, ...rule } = byKind
    ? part("full_attention")
    : written ?? scaling ?? {};
  const local = byKind ? part("sliding_attention") : {};
  if (!["default", undefined].includes(local.rope_type as string | undefined)) {
    throw new UserError(
      `Cannot read ${path}: rope_parameters of sliding_attention are of type ${
        shown(local.rope_type)
      }, wanted default`,
    );
  }
  const localTheta = byKind && typeof local.rope_theta === "number"
    ? local.rope_theta
    : read.number("rope_local_base_freq", NaN);
  const turned = !rules.read?.includes("partial_rotary_factor")
    ? 1
    : typeof share === "number"
    ? share
    : read.number("partial_rotary_factor", 1);
  return {
    rope_theta: typeof theta === "number" ? theta : read.number("rope_theta", 10_000),
    rope_scaling: scalingOf(rule, fields, { path, rules }),
    // Other families' files may have the field, and their programs leave it aside.
    ...(Number.isNaN(localTheta) || rules.windows?.kind !== "pattern"
      ? {}
      : { rope_local_base_freq: localTheta }),
    ...(turned === 1 ? {} : { partial_rotary_factor: turned }),
  };
}

/** The scaling rule under its name of today; longrope has its context, and how far it stretches, beside it in the file. */
function scalingOf(rule: Fields, fields: Fields, { path, rules }: Reading): ModelConfig["rope_scaling"] {
  const type = rule.rope_type ?? rule.type ?? "default";
  if (type === "default") return null;
  // Before it was called longrope, Phi-3's files called it su, and some of them yarn.
  const long = type === "longrope" || type === "su" || (type === "yarn" && "long_factor" in rule);
  if (!long) return rule;
  const read = reader(fields, { path, rules });
  const context = rule.original_max_position_embeddings ?? read.count("original_max_position_embeddings");
  const { type: _, ...rest } = rule;
  const odd = ["short_factor", "long_factor"].find((name) => {
    const list = rule[name];
    return !Array.isArray(list) || !list.every((value) => typeof value === "number" && value > 0);
  });
  if (odd !== undefined) {
    throw new UserError(
      `Cannot read ${path}: ${odd} of longrope is ${shown(rule[odd])}, wanted a list of numbers above 0`,
    );
  }
  return {
    ...rest,
    rope_type: "longrope",
    original_max_position_embeddings: context,
    factor: rule.factor ?? read.count("max_position_embeddings", 2048) / Number(context),
  };
}

/** The window and, where not all layers have it, those that do; with transformers' defaults. */
function windowOf(
  fields: Fields,
  { path, rules }: Reading,
): Pick<ModelConfig, "sliding_window" | "layer_types"> {
  const { windows } = rules, read = reader(fields, { path, rules });
  if (windows === undefined || fields.sliding_window === null) return {};
  if (windows.kind === "all") {
    const given = fields.sliding_window ?? windows.size;
    return given === undefined ? {} : { sliding_window: read.count("sliding_window", windows.size) };
  }
  if (windows.kind === "where asked" && !read.flag("use_sliding_window")) return {};
  const layers = read.count("num_hidden_layers"), size = read.count("sliding_window", windows.size);
  const first = windows.kind === "where asked" ? read.number("max_window_layers", windows.first) : 0;
  const every = windows.kind === "pattern" ? read.count("sliding_window_pattern", windows.every) : 0;
  const isWindowed = (layer: number) =>
    windows.kind === "pattern" ? (layer + 1) % every !== 0 : layer >= first;
  const types = read.names("layer_types", ["full_attention", "sliding_attention"] as const) ??
    Array.from({ length: layers }, (_, layer) => isWindowed(layer) ? "sliding_attention" : "full_attention");
  if (types.length !== layers) {
    throw new UserError(
      `Cannot read ${path}: layer_types has ${types.length} entries, wanted ${layers}, one a layer`,
    );
  }
  const windowed = types.filter((type) => type === "sliding_attention").length;
  if (windowed === 0) return {};
  return { sliding_window: size, ...(windowed === layers ? {} : { layer_types: types }) };
}

const shown = (value: unknown) =>
  typeof value === "object" && value !== null
    ? Array.isArray(value) ? "a list" : "an object"
    : JSON.stringify(value);

/** One id, several or none, as a list. */
function ids(value: unknown): number[] {
  return [value].flat().filter((id): id is number => Number.isSafeInteger(id));
}

function reader(fields: Fields, { path, rules: { keys = {}, defaults = {} } }: Reading) {
  const own = (name: string) => keys[name] ?? name;
  const valueOf = (name: string) => own(name) in fields ? fields[own(name)] : defaults[own(name)];
  const fail = (name: string, wanted: string) =>
    new UserError(`Cannot read ${path}: ${own(name)} is ${shown(valueOf(name))}, wanted ${wanted}`);
  const number = (name: string, otherwise?: number): number => {
    const value = valueOf(name) ?? otherwise;
    if (typeof value !== "number") throw fail(name, "a number");
    return value;
  };
  return {
    fail,
    number,
    count(name: string, otherwise?: number): number {
      const value = number(name, otherwise);
      if (!Number.isSafeInteger(value) || value < 1) throw fail(name, "a whole number from 1");
      return value;
    },
    string(name: string, otherwise: string): string {
      const value = valueOf(name) ?? otherwise;
      if (typeof value !== "string") throw fail(name, "a name");
      return value;
    },
    flag(name: string): boolean {
      const value = valueOf(name) ?? false;
      if (typeof value !== "boolean") throw fail(name, "true or false");
      return value;
    },
    object(name: string): Fields | undefined {
      const value = valueOf(name) ?? undefined;
      if (value !== undefined && (typeof value !== "object" || Array.isArray(value))) {
        throw fail(name, "an object");
      }
      return value as Fields | undefined;
    },
    names<N extends string>(name: string, known: readonly N[]): readonly N[] | undefined {
      const value = valueOf(name) ?? undefined;
      if (value === undefined) return undefined;
      if (!Array.isArray(value) || !value.every((each) => known.includes(each))) {
        throw fail(name, `a list of ${known.join(" and ")}`);
      }
      return value;
    },
  };
}
