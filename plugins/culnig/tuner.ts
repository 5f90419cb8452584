/**
 * CULNIG's training experiment: a language task is trained into the blocks that hold most culture-general units, or into blocks that hold none, of
 * about the same number of parameters; does the first erode what is known of cultures and the second not?
 *
 *     count(layer.mlp)  = units at mlp.gate (and mlp.up)      count(layer.attn) = units at attn.q, attn.k and attn.v
 *     "richest": blocks by count, highest first;  "empty": blocks with count 0 in an order drawn by the seed;
 *     taken one by one until their parameters are `share` of the model's
 *
 * A block of an MLP is gate, up and down, one of attention q, k, v and the output projection; all else is frozen, and all weights of a block are
 * trained, with no adapter. The loss is the cross-entropy of the label's token.
 *
 * Source: Yamamoto et al., arXiv 2510.08284, and the authors' train/ (MIT): AdamW at 3e-5 constant without warm-up, one epoch, batches of 4 x 4
 * samples, 10 % of the parameters. Ours: the order among blocks with equal counts (the earlier first; empty ones drawn) and that the last block
 * taken may go over the share, which the authors' list for gemma-3-12b does too.
 */
import { z } from "zod";
import {
  createRandom,
  defineTuner,
  type Model,
  type Tap,
  type TrainRecipe,
  TrainRecipeSchema,
  type Unit,
  UserError,
} from "../../core/mod.ts";

const { optimizer, schedule, batch, epochs, maxTokens, overlong } = TrainRecipeSchema.shape;

const params = z.strictObject({
  /** Which blocks are trained. */
  blocks: z.enum(["richest", "empty"]).default("richest"),
  /** Of the model's parameters. */
  share: z.number().gt(0).max(1).default(0.1),
  optimizer: optimizer.prefault({ learningRate: 3e-5 }),
  schedule: schedule.unwrap().prefault({ kind: "constant" }),
  batch: batch.unwrap().default(16),
  epochs: epochs.default(1),
  maxTokens,
  overlong,
});

export const cultureBlocks = defineTuner({
  name: "culture_blocks",
  version: "1",
  title: "Train the blocks that hold most, or none, of some units (CULNIG)",
  source: "arXiv 2510.08284",
  params,
  sets: ["items"],
  wantsUnits: true,
  plan({ params: { blocks, share, ...own }, items: { items = [] }, model, units = [], seed }) {
    return {
      recipe: {
        // Optional members may be there and undefined, which is the same to whoever reads the recipe.
        ...own as Pick<TrainRecipe, keyof typeof own>,
        parameters: { kind: "full", blocks: blocksOf(units, { model, blocks, share, seed }) },
        objective: { kind: "crossEntropy", over: "completion" },
      },
      examples: items.map(({ id, prompt, continuations, gold }) => {
        const completion = gold === undefined ? undefined : continuations[gold];
        if (completion) return { prompt, completion };
        throw new UserError(`Cannot train on item ${id}: it has no right answer, wanted one`);
      }),
    };
  },
});

/** A block with how many of the units it holds, and its number of parameters. */
interface Block {
  readonly name: string;
  readonly count: number;
  readonly parameters: number;
}

interface BlocksOptions {
  readonly model: Pick<Model, "info" | "units">;
  readonly blocks: "richest" | "empty";
  readonly share: number;
  readonly seed: number;
}

/** Names of the blocks to be trained. @throws {UserError} where blocks without units come to less than the share. */
export function blocksOf(units: readonly Unit[], { model, blocks, share, seed }: BlocksOptions): string[] {
  const all = blocksIn(model, units), wanted = share * model.info.parameters;
  const order = blocks === "richest"
    ? all.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count)
    : createRandom(`culture_blocks/${seed}`).shuffle(all.filter(({ count }) => count === 0));
  const taken: Block[] = [];
  let sum = 0;
  for (const block of order) {
    if (sum >= wanted) break;
    taken.push(block);
    sum += block.parameters;
  }
  if (sum < wanted) {
    throw new UserError(
      `Cannot choose blocks ${blocks === "empty" ? "without" : "with"} units: they have ${
        (100 * sum / model.info.parameters).toFixed(1)
      } % of the parameters, wanted ${100 * share} %`,
    );
  }
  return taken.map(({ name }) => name);
}

/** Some families' MLPs have no gates, and no projection that these multiply. */
function hasTap(sizeOf: BlocksOptions["model"]["units"], tap: Tap): boolean {
  try {
    return sizeOf(tap) > 0;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}

function blocksIn({ info: { layers }, units: sizeOf }: BlocksOptions["model"], units: readonly Unit[]) {
  const counts = new Map<Tap, number>();
  for (const { tap } of units) counts.set(tap, (counts.get(tap) ?? 0) + 1);
  const width = sizeOf("embed"), isGated = hasTap(sizeOf, "layers.0.mlp.up");
  return Array.from({ length: layers }, (_, layer): Block[] => {
    const tap = (site: string) => `layers.${layer}.${site}` as Tap;
    const count = (...sites: string[]) => sites.reduce((sum, site) => sum + (counts.get(tap(site)) ?? 0), 0);
    const size = (site: string) => sizeOf(tap(site));
    return [
      {
        name: `layers.${layer}.attn`,
        count: count("attn.q", "attn.k", "attn.v"),
        parameters: width * (2 * size("attn.q") + size("attn.k") + size("attn.v")),
      },
      {
        name: `layers.${layer}.mlp`,
        count: count("mlp.gate", "mlp.up"),
        parameters: width * (isGated ? 3 : 2) * size("mlp.gate"),
      },
    ];
  }).flat();
}
