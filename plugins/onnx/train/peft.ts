/** The layout in which Hugging Face's PEFT keeps a LoRA adapter: adapter_config.json and adapter_model.safetensors. */
import { type Trained, UserError } from "../../../core/mod.ts";
import { parseObject } from "../weights/file.ts";

export const PEFT_CONFIG = "adapter_config.json", PEFT_TENSORS = "adapter_model.safetensors";
/** What PEFT puts before the names of a causal model's modules. */
const PREFIX = "base_model.model.";

export const peftName = (name: string) => PREFIX + name;

/** What PEFT reads an adapter with.
 * @param adapted full names of modules, "model.layers.0.self_attn.q_proj"; their last parts stand for them where these mean no others */
export function adapterConfig(
  { rank, alpha, dropout = 0 }: Extract<Trained, { kind: "lora" }>,
  { adapted, modules, base }: {
    readonly adapted: readonly string[];
    readonly modules: readonly string[];
    readonly base: string;
  },
): Readonly<Record<string, unknown>> {
  const last = (name: string) => name.split(".").at(-1)!;
  const parts = [...new Set(adapted.map(last))].sort();
  const isWhole = modules.filter((name) => parts.includes(last(name))).length === adapted.length;
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: dropout,
    target_modules: isWhole ? parts : adapted,
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    modules_to_save: null,
    use_dora: false,
    use_rslora: false,
  };
}

/** @param turned whether the family stores weights [in, out], which PEFT's "fan_in_fan_out" says of them
 * @throws {UserError} for a kind of adapter that is more than W + scale * B A with one rank. */
export function readAdapterConfig(
  text: string,
  path: string,
  turned: boolean,
): { readonly rank: number; readonly scale: number; readonly alpha: number } {
  const config = parseObject(text, path);
  const refuse = (field: string, wanted: string): never => {
    throw new UserError(
      `Cannot read ${path}: ${field} is ${JSON.stringify(config[field])}, wanted ${wanted}`,
    );
  };
  const isEmpty = (value: unknown) =>
    value === undefined || value === null || value === false ||
    (typeof value === "object" && Object.keys(value).length === 0);
  if (config["peft_type"] !== "LORA") refuse("peft_type", "LORA");
  if (!isEmpty(config["bias"]) && config["bias"] !== "none") refuse("bias", '"none"');
  for (
    const field of [
      "use_dora",
      ...turned ? [] : ["fan_in_fan_out"],
      "modules_to_save",
      "rank_pattern",
      "alpha_pattern",
      "lora_bias",
    ]
  ) {
    if (!isEmpty(config[field])) refuse(field, "none");
  }
  const rank = config["r"], alpha = config["lora_alpha"];
  if (typeof rank !== "number" || !Number.isInteger(rank) || rank < 1) {
    return refuse("r", "a whole number from 1");
  }
  if (typeof alpha !== "number" || !(alpha > 0)) return refuse("lora_alpha", "a number above 0");
  return { rank, alpha, scale: config["use_rslora"] === true ? alpha / Math.sqrt(rank) : alpha / rank };
}
