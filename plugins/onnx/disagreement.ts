/**
 * How far a model in slices is from itself in float32, on a text of Plumbline's own: measured when the model is first opened, kept in the cache,
 * and said whenever it is opened. What it means for a benchmark, a matrix says: a treatment that opens the model otherwise, beside the untouched one.
 */
import { dirname, join } from "node:path";
import {
  type Context,
  type Disagreement,
  disagreementText,
  type Model,
  type ModelInfo,
  sha256,
} from "../../core/mod.ts";
import type { OnnxParams } from "./describe.ts";
import { readTextIfAny } from "./weights/file.ts";
import { writeWhole } from "./weights/write.ts";

/** Several kinds of text, so that more than one way to go on is asked for. */
const TEXT = `The ferry leaves the island at seven in the morning and comes back when the market closes. ` +
  `Question: Which of these floats on water? A. an anvil B. a cork C. a brick. Answer: B. ` +
  `Dear neighbours, the well will be cleaned on Thursday, so please fill your jugs the evening before. ` +
  `for i in range(10): print(i * i) # squares of the first ten numbers. ` +
  `She had never liked the cold, yet every winter she walked to the lake to look at the ice.`;
/** Tokens of it that are read, and the parameters up to which a model is also opened in float32 for that: 8 GB of weights. */
const TOKENS = 96, LARGEST = 2e9;
/** Raised whenever the same model would be measured otherwise. */
const VERSION = 1;

/** What opens the same model in either way; they are open one after the other, so that no more than one holds its weights. */
interface Openings {
  own(): Promise<Model>;
  reference(): Promise<Model>;
}

export async function sayDisagreement(
  info: ModelInfo,
  openings: Openings,
  { cacheDir, log }: Context,
): Promise<void> {
  const { name, parameters } = info, path = pathOf(info, cacheDir), known = read(path);
  if (known === undefined && parameters > LARGEST) {
    log(`${name} was not compared with float32, which would hold ${(4 * parameters / 1e9).toFixed(0)} GB`);
    return;
  }
  const found = known === undefined ? await measure(openings) : known;
  if (known === undefined) keep(path, found);
  log(disagreementText(name, found));
}

/** What an earlier opening found. */
export function knownDisagreement(info: ModelInfo, { cacheDir }: Context): Disagreement | undefined {
  return read(pathOf(info, cacheDir));
}

/** Whether the next opening holds float32's weights too. */
export function willCompare(
  info: ModelInfo,
  { precision = "float32" }: OnnxParams,
  context: Context,
): boolean {
  return precision !== "float32" && info.parameters <= LARGEST &&
    knownDisagreement(info, context) === undefined;
}

function pathOf({ hash }: Pick<ModelInfo, "hash">, cacheDir: string): string {
  const key = sha256([VERSION, hash.weights, hash.tokenizer, hash.config].join("\n"));
  return join(cacheDir, "precision", `${key}.json`);
}

/** What was found before; a broken file is made anew. */
function read(path: string): Disagreement | undefined {
  try {
    const found = JSON.parse(readTextIfAny(path) ?? "null") as Disagreement | null;
    const { places, same, mean, most } = found ?? {} as Partial<Disagreement>;
    if (![places, same, mean, most].every(Number.isFinite)) return undefined;
    return { ...found!, reference: "float32" };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function keep(path: string, found: Disagreement): void {
  try {
    Deno.mkdirSync(dirname(path), { recursive: true });
    writeWhole(path, (write) => write(new TextEncoder().encode(JSON.stringify(found))));
  } catch {
    // A cache that cannot be written, or that another process writes, costs some seconds at the next opening and nothing else.
  }
}

async function measure({ own, reference }: Openings): Promise<Disagreement> {
  const read = async (opening: Promise<Model>) => {
    await using model = await opening;
    const { vocab, contextLength } = model.info;
    const ids = model.tokenizer.encode(TEXT).slice(0, Math.min(TOKENS, contextLength));
    return { ids, vocab, logits: await model.logits(ids) };
  };
  const { ids, vocab, logits } = await read(own()), { logits: expected } = await read(reference());
  const row = (logits: Float32Array, place: number) => logits.subarray(place * vocab, (place + 1) * vocab);
  const apart: number[] = [];
  let same = 0;
  ids.forEach((_, place) => {
    const [ours, theirs] = [row(logits, place), row(expected, place)];
    if (largestOf(ours) === largestOf(theirs)) same++;
    const next = ids[place + 1];
    if (next !== undefined) apart.push(Math.abs(logprob(ours, next) - logprob(theirs, next)));
  });
  return {
    reference: "float32",
    places: ids.length,
    same,
    mean: apart.reduce((sum, each) => sum + each, 0) / Math.max(1, apart.length),
    most: Math.max(0, ...apart),
  };
}

function largestOf(row: Float32Array): number {
  return row.reduce((best, value, id) => value > row[best]! ? id : best, 0);
}

function logprob(row: Float32Array, id: number): number {
  const top = row[largestOf(row)]!;
  return row[id]! - top - Math.log(row.reduce((sum, value) => sum + Math.exp(value - top), 0));
}
