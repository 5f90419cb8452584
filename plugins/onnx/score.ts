/** Log-probabilities of continuations: plan, run, collect. */
import type { Edit, ScoredBatch, ScoreOptions, ScoreRequest, ScoreResult } from "../../core/mod.ts";
import { type Engine, engineFor, type GraphSpec } from "./engine.ts";
import { type Batch, type Group, planBatches, type Row, type RowRequest, run } from "./batching.ts";
import { type FeedRow, feedsOf } from "./feeds.ts";
import { type Computed, refuseNonFinite } from "./non_finite.ts";
import { planSweep, scoreSweep } from "./sweep.ts";
import type { Reply, TensorData } from "./session/door.ts";

/** Default of ScoreOptions.tokenBudget: large enough for full speed, small enough for 1.5 GB with a 135M model. */
const TOKEN_BUDGET = 2048;

/** What scores rows under these edits, beside the taps that the model was opened with. */
export function scoringSpec(engine: Engine, edits: readonly Pick<Edit, "tap">[]): GraphSpec {
  return { kind: "score", edits: [...new Set([...engine.taps, ...edits.map(({ tap }) => tap)])].sort() };
}

/** Tokens that score() computes for requests without edits of their own: rows of the batches wanted, and each group's prefix once. */
export function countTokens(
  requests: readonly ScoreRequest[],
  { tokenBudget = TOKEN_BUDGET, skip }: Pick<ScoreOptions, "skip" | "tokenBudget"> = {},
): number {
  return planBatches(requests, tokenBudget).reduce((sum, { prefix, batches }) => {
    const rows = batches.filter(({ indices }) => !skip?.(indices)).flatMap((batch) => batch.rows);
    return rows.reduce((all, row) => all + row.tokens.length, sum + (rows.length > 0 ? prefix.length : 0));
  }, 0);
}

/** Requests must have been checked. Yields batches in the order of their making; texts that turn by other angles, because of their length, have
 * batches of their own. */
export async function* score(
  engine: Engine,
  requests: readonly ScoreRequest[],
  options: ScoreOptions,
): AsyncGenerator<ScoredBatch> {
  const straddling = (index: number) => new Set(sidesOf(engine, requests[index]!).values()).size > 1;
  for (const index of engine.long ? [...requests.keys()].filter(straddling) : []) {
    if (!options.skip?.([index])) {
      yield await scoreApart(engine, { index, request: requests[index]! }, options);
    }
  }
  const alike = [...requests.keys()].filter((index) => !engine.long || !straddling(index));
  const engines = Map.groupBy(alike, (index) => engineFor(engine, lengthOf(requests[index]!)));
  for (const [engine, indices] of engines) {
    const own = (batch: readonly number[]) => batch.map((index) => indices[index]!), { skip } = options;
    const batches = scoreAlike(engine, indices.map((index) => requests[index]!), {
      ...options,
      ...(skip ? { skip: (batch: readonly number[]) => skip(own(batch)) } : {}),
    });
    for await (const batch of batches) yield { ...batch, indices: own(batch.indices) };
  }
}

/** Tokens that are run: the last of a continuation is only read. */
function lengthOf({ prompt, continuations }: ScoreRequest): number {
  return prompt.length + Math.max(0, ...continuations.map((ids) => ids.length - 1));
}

/** What runs the prompt alone, under -1, and it with each continuation, by the continuation's place. */
function sidesOf(engine: Engine, { prompt, continuations }: ScoreRequest): ReadonlyMap<number, Engine> {
  return new Map(
    [[] as readonly number[], ...continuations].map((ids, i) =>
      [i - 1, engineFor(engine, lengthOf({ prompt, continuations: i === 0 ? [] : [ids] }))] as const
    ),
  );
}

/** A request whose continuations lie on either side of the length from which on texts turn otherwise: each side on its own, and what follows the
 * prompt from the prompt's. */
async function scoreApart(
  engine: Engine,
  { index, request }: { readonly index: number; readonly request: ScoreRequest },
  { skip: _, ...options }: ScoreOptions,
): Promise<ScoredBatch> {
  const sides = sidesOf(engine, request), { continuations } = request;
  const logprobs: number[] = [], greedy: boolean[] = [];
  let first: ScoreResult | undefined, tokens = 0;
  for (const side of new Set(sides.values())) {
    const own = [...continuations.keys()].filter((i) => sides.get(i) === side);
    const part = { ...request, continuations: own.map((i) => continuations[i]!) };
    for await (const { results: [result], tokens: computed } of scoreAlike(side, [part], options)) {
      own.forEach((place, i) => {
        logprobs[place] = result!.logprobs[i]!;
        greedy[place] = result!.greedy[i]!;
      });
      tokens += computed;
      if (side === sides.get(-1)) first = result;
    }
  }
  const { argmax, argmaxLogprob } = first!;
  return { indices: [index], results: [{ logprobs, greedy, argmax, argmaxLogprob }], tokens };
}

async function* scoreAlike(
  engine: Engine,
  requests: readonly ScoreRequest[],
  options: ScoreOptions,
): AsyncGenerator<ScoredBatch> {
  const budget = options.tokenBudget ?? TOKEN_BUDGET, sweep = planSweep(requests, budget);
  if (sweep) {
    yield* scoreSweep(engine, sweep, options);
    return;
  }
  const spec = scoringSpec(engine, [...options.edits ?? [], ...requests.flatMap(({ edits = [] }) => edits)]);
  for (const group of planBatches(requests, budget)) {
    const edits = [...options.edits ?? [], ...group.edits];
    const wanted = group.batches.filter((batch) => !options.skip?.(batch.indices));
    if (wanted.length === 0) continue;
    const cache = group.prefix.length > 0
      ? await runPrefix(engine, spec, { prefix: group.prefix, edits })
      : undefined;
    try {
      let extra = group.prefix.length;
      for (const batch of wanted) {
        const run = await runBatch(engine, spec, { batch, group, edits, cache });
        yield { ...run, tokens: run.tokens + extra };
        extra = 0;
      }
    } finally {
      if (cache !== undefined) await (await engine.session(spec)).drop(cache);
    }
  }
}

async function runPrefix(
  engine: Engine,
  spec: GraphSpec,
  { prefix, edits }: { readonly prefix: readonly number[]; readonly edits: readonly Edit[] },
): Promise<number> {
  const feeds = {
    ...feedsOf([{ tokens: run(prefix, false), start: 0, edits }], { ...engine, taps: spec.edits, past: 0 }),
    rows: ints([0]),
    picks: ints([0]),
  };
  const { cache } = await (await engine.session(spec)).run({ feeds, fetch: [], keep: true });
  return cache!;
}

interface Work {
  readonly batch: Batch;
  readonly group: Group;
  readonly edits: readonly Edit[];
  readonly cache: number | undefined;
}

async function runBatch(
  engine: Engine,
  spec: GraphSpec,
  { batch, group, edits, cache }: Work,
): Promise<ScoredBatch> {
  const past = group.prefix.length;
  const rows = batch.rows.map((row): FeedRow => ({ tokens: row.tokens, start: past, edits }));
  const tokens = Math.max(...rows.map((row) => row.tokens.length));
  const reads = planReads(batch.rows, { tokens, vocab: engine.shape.vocab });
  const reply = await (await engine.session(spec)).run({
    feeds: {
      ...feedsOf(rows, { ...engine, taps: spec.edits, past }),
      rows: ints(reads.rows),
      picks: ints(reads.picks),
    },
    fetch: ["logsumexp", "topLogit", "top", "picked"],
    ...(cache === undefined ? {} : { past: { cache, rows: rows.map(() => 0) } }),
  });
  await refuseLogits(engine, reads, {
    reply,
    rowOf(place) {
      const row = batch.rows[Math.floor(place / tokens)]!;
      const before = run(group.prefix, false);
      const after = row.tokens.map((token) => ({ ...token, parent: token.parent + past }));
      return { tokens: [...before, ...after], edits, task: taskOf(engine, row) };
    },
  });
  return {
    indices: batch.indices,
    results: collect(batch.rows, reads, reply),
    tokens: batch.rows.reduce((sum, row) => sum + row.tokens.length, 0),
  };
}

/** Looks at log-sum-exps, and at the logits that are asked for: one that is minus infinity leaves the sum as it is.
 * @param rowOf the row that a place in batch * tokens belongs to
 * @throws {UserError} naming the row and the first layer, where a logit is not finite. */
export async function refuseLogits(
  engine: Engine,
  { rows, picks }: Reads,
  { reply: { outputs }, rowOf }: { readonly reply: Reply; readonly rowOf: (place: number) => Computed },
): Promise<void> {
  const { vocab } = engine.shape;
  await refuseNonFinite(engine, outputs["logsumexp"]!, (place) => rowOf(rows[place]!));
  await refuseNonFinite(
    engine,
    outputs["picked"]!,
    (place) => rowOf(rows[Math.floor(picks[place]! / vocab)]!),
  );
}

/** For messages. */
export function taskOf({ name }: Engine, { requests }: Row): string {
  return `score ${requests[0]!.name} on ${name}`;
}

export interface Reads {
  /** Index into batch * tokens of each row of logits. */
  readonly rows: readonly number[];
  /** Index into rows * vocab of each logit asked for, in the order in which collect() meets the picks. */
  readonly picks: readonly number[];
  /** Row of logits after token t of batch row r. */
  at(row: number, token: number): number;
}

/** @param sizes padded length of the rows, and width of a row of logits */
export function planReads(
  rows: readonly Row[],
  { tokens, vocab }: { readonly tokens: number; readonly vocab: number },
): Reads {
  const places = new Map<number, number>(), picks: number[] = [];
  const at = (row: number, token: number) => {
    const place = row * tokens + token;
    if (!places.has(place)) places.set(place, places.size);
    return places.get(place)!;
  };
  rows.forEach((row, r) =>
    row.requests.forEach((request) => {
      at(r, request.last);
      for (const { token, id } of request.continuations.flat()) picks.push(at(r, token) * vocab + id);
    })
  );
  if (picks.length === 0) picks.push(0);
  return { rows: [...places.keys()], picks, at };
}

export function collect(rows: readonly Row[], reads: Reads, { outputs }: Reply): ScoreResult[] {
  const logsumexp = outputs["logsumexp"]!.data, topLogit = outputs["topLogit"]!.data;
  const top = outputs["top"]!.data, picked = outputs["picked"]!.data;
  let next = 0;
  const resultOf = (r: number, request: RowRequest): ScoreResult => {
    const read = (token: number) => reads.at(r, token);
    const answers = request.continuations.map((picks) => {
      let logprob = 0, greedy = true;
      for (const { token, id } of picks) {
        logprob += Number(picked[next++]) - Number(logsumexp[read(token)]);
        greedy &&= Number(top[read(token)]) === id;
      }
      return { logprob, greedy };
    });
    const last = read(request.last);
    return {
      logprobs: answers.map((answer) => answer.logprob),
      greedy: answers.map((answer) => answer.greedy),
      argmax: Number(top[last]),
      argmaxLogprob: Number(topLogit[last]) - Number(logsumexp[last]),
    };
  };
  return rows.flatMap((row, r) => row.requests.map((request) => resultOf(r, request)));
}

export function ints(values: readonly number[]): TensorData {
  return { data: BigInt64Array.from(values, BigInt), dims: [values.length] };
}
