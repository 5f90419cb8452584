/**
 * Model.run() without a model: an activation follows from the tap, the column, the token and its position, a gradient besides from the
 * target. At layer 0's gate the unit `item % 16`, the item's number as its prompt says it, stands out at the prompt's last token:
 * activation 3, gradient 1. Two layers of four heads.
 */
import {
  type Objective,
  type Observation,
  type Observed,
  type RunRequest,
  type RunResult,
  type RunSample,
  sha256,
  type Site,
  SITES,
  type Tap,
  UserError,
} from "../core/mod.ts";

const WIDTHS: Readonly<Partial<Record<Site, number>>> = {
  "attn.q": 16,
  "attn.head": 16,
  "mlp.gate": 16,
  "mlp.up": 16,
  "mlp.act": 16,
};
const WIDTH = 8, HEADS = 4, PLANTED = "layers.0.mlp.gate";

const siteOf = (tap: Tap) => tap.replace(/^layers\.[01]\./, "") as Site | "embed";
const widthOf = (tap: Tap) => WIDTHS[siteOf(tap) as Site] ?? WIDTH;

export function fakeUnits(tap: Tap): number {
  const site = siteOf(tap);
  if (site !== "embed" && !SITES.includes(site)) {
    throw new UserError(`Cannot edit ${tap}: the model has no such tap`);
  }
  return site === "attn.head" ? HEADS : widthOf(tap);
}

/** In [-1, 1), one and the same for the same numbers. */
function noise(...numbers: readonly number[]): number {
  let state = 2166136261;
  for (const each of numbers) {
    state = Math.imul(state ^ each, 16777619);
    state = Math.imul(state ^ (state >>> 15), 2246822519);
  }
  return ((state ^ (state >>> 13)) >>> 0) / 2 ** 31 - 1;
}

const salts = new Map(
  ["embed" as const, ...[0, 1].flatMap((layer) => SITES.map((site): Tap => `layers.${layer}.${site}`))]
    .map((tap) => [tap as Tap, parseInt(sha256(tap).slice(0, 7), 16)]),
);

interface Token {
  readonly id: number;
  readonly position: number;
  readonly isPrompt: boolean;
  readonly isLast: boolean;
}

function tokensOf({ prompt, continuations = [] }: RunSample): Token[] {
  const own = prompt.map((id, position) => ({
    id,
    position,
    isPrompt: true,
    isLast: position === prompt.length - 1,
  }));
  const more = continuations.flatMap((ids) =>
    ids.slice(0, -1).map((id, i) => ({ id, position: prompt.length + i, isPrompt: false, isLast: false }))
  );
  return [...own, ...more];
}

const isCounted = ({ isPrompt }: Token, over: Observation["over"] = "all") =>
  over === "all" || isPrompt === (over === "prompt");

/** The unit of layer 0's gate that stands out for a prompt. */
export function plantedUnit(prompt: readonly number[]): number {
  return Number(String.fromCodePoint(...prompt).replace(/\D/g, "")) % widthOf(PLANTED);
}

/** What `target` is to a sample, as a number. */
function aimOf(objective: Objective | undefined, i: number): number {
  const { target, answer } = { target: 0, answer: 0, ...objective } as Record<
    string,
    number | readonly number[]
  >;
  const at = (value: number | readonly number[] = 0) => typeof value === "number" ? value : value[i] ?? 0;
  return 1000 * at(answer) + at(target);
}

function valueAt(
  { tap, quantity }: Observation,
  column: number,
  { token, aim, sample }: { readonly token: Token; readonly aim: number; readonly sample: RunSample },
): number {
  const place = [salts.get(tap)!, column, token.id, token.position];
  const stands = tap === PLANTED && token.isLast && column === plantedUnit(sample.prompt);
  const edited = (activation: number) =>
    (sample.edits ?? []).filter((edit) => edit.tap === tap && edit.units.includes(column))
      .reduce(
        (x, { op, value }) =>
          op === "scale" ? x * Number(value) : op === "add" ? x + Number(value) : Number(value),
        activation,
      );
  const activation = edited(stands ? 3 : noise(...place)), gradient = stands ? 1 : noise(...place, aim, 1);
  return { activation, gradient, product: activation * gradient, direct: activation * gradient }[quantity];
}

function pooled(values: readonly number[], pool: Observation["pool"], zeros: number): number {
  const all = [...values, ...new Array<number>(zeros).fill(0)];
  const sum = all.reduce((a, b) => a + b, 0);
  if (pool === "sum") return sum;
  if (pool === "mean") return sum / all.length;
  if (pool === "max") return Math.max(...all);
  return Math.sqrt(all.reduce((a, b) => a + b * b, 0) / all.length);
}

function observed(observation: Observation, samples: readonly RunSample[], request: RunRequest): Observed {
  const { tap, quantity, pool, over, padding } = observation;
  const { objective, batch = samples.length, edits = [] } = request;
  const isPerUnit = quantity === "product" || quantity === "direct";
  const columns = isPerUnit ? fakeUnits(tap) : widthOf(tap), span = widthOf(tap) / columns;
  const counted = samples.map((sample) => tokensOf(sample).filter((token) => isCounted(token, over)));
  const values = samples.map((sample, i) => {
    const mates = counted.slice(Math.floor(i / batch) * batch, (Math.floor(i / batch) + 1) * batch);
    const zeros = padding === "zero"
      ? Math.max(...mates.map(({ length }) => length)) - counted[i]!.length
      : 0;
    const at = (column: number, token: Token) => {
      const own = { ...sample, edits: [...edits, ...sample.edits ?? []] };
      return Array.from(
        { length: span },
        (_, j) => valueAt(observation, column * span + j, { token, aim: aimOf(objective, i), sample: own }),
      )
        .reduce((a, b) => a + b, 0);
    };
    const tokens = pool === "last" ? tokensOf(sample).filter(({ isLast }) => isLast) : counted[i]!;
    if (pool === "none") {
      return Float64Array.from(
        tokens.flatMap((token) => Array.from({ length: columns }, (_, k) => at(k, token))),
      );
    }
    return Float64Array.from(
      { length: columns },
      (_, k) =>
        pool === "last" ? at(k, tokens[0]!) : pooled(tokens.map((token) => at(k, token)), pool, zeros),
    );
  });
  return { observation, columns, values };
}

export function fakeRun(samples: readonly RunSample[], request: RunRequest = {}): RunResult {
  const { objective, observe = [] } = request;
  // In (0, 1) for a probability, and its logarithm else.
  const values = samples.map(({ prompt }, i) => (1 + noise(...prompt, aimOf(objective, i))) / 2);
  return {
    objective: Float64Array.from(
      objective ? values : [],
      (p) => objective?.kind === "probability" ? p : Math.log(p),
    ),
    observed: observe.map((observation) => observed(observation, samples, request)),
    positions: samples.map((sample) => tokensOf(sample).map(({ position }) => position)),
    tokens: samples.reduce((sum, sample) => sum + tokensOf(sample).length, 0),
  };
}
