/** What can be said of a checkpoint before it is computed with: its info, its tokenizer, its sizes. */
import {
  canonicalJson,
  type Model,
  type ModelInfo,
  sha256,
  type Tokenizer,
  UserError,
} from "../../core/mod.ts";
import { findArchitecture } from "./architectures/mod.ts";
import { type Hyperparameters, shapeOf, unitsOf } from "./architectures/shape.ts";
import { DEVICE_ARITHMETIC } from "./graph/lower/devices.ts";
import type { Device } from "./session/door.ts";
import { createTokenizer } from "./tokenizer.ts";
import { ARITHMETIC, type Precision } from "./weights/slices.ts";
import { nameAt } from "./weights/file.ts";
import type { CheckpointInfo, ModelConfig } from "./weights/types.ts";

/** Params of the backend `onnx`. */
export interface OnnxParams {
  /** A folder with config.json, tokenizer.json and *.safetensors, or one .gguf or .onnx file. */
  readonly path: string;
  /** Whether sessions keep the weights packed for speed, a second copy in memory; default true. */
  readonly packed?: boolean | undefined;
  /** Where graphs are computed; default "cpu". */
  readonly device?: Device | undefined;
  /** What products by weights of projections are made of; default "float32", the reference. */
  readonly precision?: Precision | undefined;
}

/** The family of a checkpoint. */
export const architectureOf = ({ config, path }: CheckpointInfo) => findArchitecture(config.model_type, path);

/** What is known of a checkpoint before it is opened. */
export interface Description {
  readonly info: ModelInfo;
  /** As deltas know it: a delta of one device or precision is one of any. */
  readonly trained: ModelInfo;
  readonly tokenizer: Tokenizer;
  readonly shape: Hyperparameters;
  readonly units: Model["units"];
}

/** @param params what of them decides numbers, and the name
 * @throws {UserError} for sizes that do not fit together and a tokenizer that cannot be read. */
export function describe(
  checkpoint: CheckpointInfo,
  { packed = true, device = "cpu", precision = "float32" }: Pick<
    OnnxParams,
    "packed" | "device" | "precision"
  >,
): Description {
  const shape = shapeOf(checkpoint.config, architectureOf(checkpoint));
  const { tokenizer, hash, chatTemplateHash } = createTokenizer(checkpoint.tokenizer, checkpoint.path);
  const isReference = precision === "float32", name = nameAt(checkpoint.path);
  const info: ModelInfo = {
    name: isReference ? name : `${name} (${precision})`,
    ...(!isReference && { variant: precision }),
    architecture: checkpoint.config.model_type,
    parameters: checkpoint.parameters,
    layers: shape.layers,
    contextLength: shape.context,
    vocab: shape.vocab,
    hash: {
      weights: checkpoint.weightsHash,
      tokenizer: hash,
      chatTemplate: chatTemplateHash,
      // Products of packed weights and of unpacked ones round differently, by some 1e-6 of a logit, those of another device more.
      config: configHash(checkpoint, {
        ...(!packed && { packed }),
        ...(device !== "cpu" && { device, deviceArithmetic: DEVICE_ARITHMETIC }),
        ...(!isReference && { precision: `${precision} ${ARITHMETIC[precision]}` }),
      }),
    },
  };
  const { variant: _, ...plain } = info;
  const trained = { ...plain, name, hash: { ...info.hash, config: configHash(checkpoint, {}) } };
  return { info, trained, tokenizer, shape, units: (tap) => unitsOf(shape, tap) };
}

const configHash = ({ config }: CheckpointInfo, more: object) =>
  sha256(canonicalJson({ ...withoutTextIds(config), ...more }));

/** What decides a logit; which tokens begin and end a text does not. */
function withoutTextIds(
  { bos_token_id: _, eos_token_id: __, ...config }: ModelConfig,
): Omit<ModelConfig, "bos_token_id" | "eos_token_id"> {
  return config;
}

/** @throws {UserError} where products cannot be made of slices. */
export function refuseSlices(
  { path, device = "cpu", precision = "float32" }: OnnxParams,
  foreign: string | undefined,
) {
  if (precision === "float32" || (device === "cpu" && foreign === undefined)) return;
  const state = foreign === undefined
    ? `its device is ${device}, wanted cpu`
    : "it is an ONNX export, wanted a model folder or a .gguf file";
  throw new UserError(`Cannot open ${path} in ${precision}: ${state}`);
}
