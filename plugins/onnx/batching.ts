/**
 * From requests to batches: what is shared is computed once, and little is padded.
 *
 *   requests -> groups that share a prefix (its keys and values computed once, for all batches of the group)
 *            -> rows: a trie of the prompts and continuations of one or several requests; a token that several share stands once
 *            -> batches of rows of nearly equal length, under a budget of padded tokens
 *
 * Everything here depends on the requests and the budget alone, so that a run that is resumed makes the same batches.
 */
import type { Edit, ScoreRequest } from "../../core/mod.ts";

/** A token of a row; `parent` is its place in the row, -1 for the first after the group's prefix. */
export interface RowToken {
  readonly id: number;
  readonly parent: number;
  /** Part of a continuation; edits can tell. */
  readonly generated: boolean;
}

/** Ids as a plain run of text, each token the child of the one before. */
export function run(ids: readonly number[], generated: boolean): RowToken[] {
  return ids.map((id, i) => ({ id, parent: i - 1, generated }));
}

/** A request or sample in messages: by its id, else by its place in the list. */
export function nameOf(index: number, { id }: { readonly id?: string } = {}): string {
  return id === undefined ? `prompt ${index + 1}` : `item ${id}`;
}

/** Where a request reads its answer: what follows the token at `token` should be `id`. */
export interface Pick {
  readonly token: number;
  readonly id: number;
}

export interface RowRequest {
  /** Position in the list of requests. */
  readonly index: number;
  /** As nameOf() gives it. */
  readonly name: string;
  /** Token after which the continuations begin. */
  readonly last: number;
  readonly continuations: readonly (readonly Pick[])[];
}

export interface Row {
  readonly tokens: readonly RowToken[];
  readonly requests: readonly RowRequest[];
}

export interface Batch {
  readonly rows: readonly Row[];
  readonly indices: readonly number[];
}

export interface Group {
  readonly prefix: readonly number[];
  readonly edits: readonly Edit[];
  readonly batches: readonly Batch[];
}

/** Tokens that a prefix pass of its own costs beside its own: a small batch of its own wastes about this much. */
const GROUP_COST = 192;
/** Requests join in one row when they share at least this many tokens; less is not worth the longer attention. */
const SHARED_IN_ROW = 24;
/** Longest row that is made by joining. */
const LONGEST_JOINED = 512;

/** @param budget upper bound of rows x longest row in a batch; a row over it stands alone. */
export function planBatches(requests: readonly ScoreRequest[], budget: number): readonly Group[] {
  const classes = new Map<string, number[]>();
  requests.forEach((request, index) => {
    const key = keyOf(request.edits);
    const members = classes.get(key);
    if (members) members.push(index);
    else classes.set(key, [index]);
  });
  return [...classes.values()].flatMap((members) => {
    const edits = requests[members[0]!]!.edits ?? [];
    const sorted = inOrder(requests, members);
    return split(requests, sorted).groups.map(({ prefixLength, members }) => ({
      prefix: requests[members[0]!]!.prompt.slice(0, prefixLength),
      edits,
      batches: pack(joinRows(requests, members, prefixLength), budget),
    }));
  });
}

/** Equal for edits that are spelt alike. */
export function keyOf(edits: readonly Edit[] = []): string {
  return JSON.stringify(edits, (_, value) => value instanceof Float32Array ? value.join() : value);
}

/** Members in the lexical order of their prompts. */
export function inOrder(requests: readonly ScoreRequest[], members: readonly number[]): readonly number[] {
  return members.toSorted((a, b) => compare(requests[a]!.prompt, requests[b]!.prompt) || a - b);
}

function compare(a: readonly number[], b: readonly number[]): number {
  const shared = sharedLength(a, b);
  return (a[shared] ?? -1) - (b[shared] ?? -1);
}

function sharedLength(a: readonly number[], b: readonly number[]): number {
  const end = Math.min(a.length, b.length);
  let i = 0;
  while (i < end && a[i] === b[i]) i++;
  return i;
}

interface Split {
  /** Tokens to compute for these members. */
  readonly cost: number;
  readonly groups: readonly { readonly prefixLength: number; readonly members: readonly number[] }[];
}

/** Cuts members, in lexical order of their prompts, into groups, wherever longer prefixes of the parts save more than they cost. */
function split(requests: readonly ScoreRequest[], members: readonly number[]): Split {
  const prompt = (at: number) => requests[members[at]!]!.prompt;
  const shared = members.slice(1).map((_, i) => sharedLength(prompt(i), prompt(i + 1)));
  // Each request keeps a prompt token of its own to read after.
  const limit = Math.min(...members.map((_, i) => prompt(i).length - 1));
  const common = Math.min(limit, ...shared);
  const total = members.reduce((sum, _, i) => sum + prompt(i).length, 0);
  const prefixLength = members.length > 1 && common * (members.length - 1) > GROUP_COST ? common : 0;
  const whole: Split = {
    cost: total - prefixLength * Math.max(0, members.length - 1) + GROUP_COST,
    groups: [{ prefixLength, members }],
  };
  if (members.length < 8) return whole;
  const cuts = shared.flatMap((length, i) => length <= common ? [i + 1] : []);
  if (cuts.length === 0 || cuts.length > members.length / 4) return whole;
  const parts = [0, ...cuts].map((from, i) => split(requests, members.slice(from, cuts[i])));
  const cost = parts.reduce((sum, part) => sum + part.cost, 0);
  return cost < whole.cost ? { cost, groups: parts.flatMap((part) => part.groups) } : whole;
}

/** Rows of a group, its members in lexical order: requests whose prompts go on together beyond the prefix stand in one row. */
export function joinRows(
  requests: readonly ScoreRequest[],
  members: readonly number[],
  prefixLength: number,
): Row[] {
  const rows: Row[] = [];
  let open = createRow(prefixLength), previous: ScoreRequest | undefined;
  for (const index of members) {
    const request = requests[index]!;
    const size = request.prompt.length - prefixLength +
      request.continuations.reduce((sum, c) => sum + c.length - 1, 0);
    const shared = previous ? sharedLength(previous.prompt, request.prompt) - prefixLength : 0;
    const joins = shared >= SHARED_IN_ROW && open.length() + size - shared <= LONGEST_JOINED;
    if (previous && !joins) {
      rows.push(open.row());
      open = createRow(prefixLength);
    }
    open.add(request, index);
    previous = request;
  }
  if (previous) rows.push(open.row());
  return rows;
}

/** A trie that grows request by request. */
function createRow(prefixLength: number) {
  const tokens: RowToken[] = [], requests: RowRequest[] = [];
  const children = new Map<string, number>();
  const step = (parent: number, id: number, generated: boolean) => {
    const key = `${parent}:${id}:${generated}`;
    const known = children.get(key);
    if (known !== undefined) return known;
    tokens.push({ id, parent, generated });
    children.set(key, tokens.length - 1);
    return tokens.length - 1;
  };
  return {
    length: () => tokens.length,
    row: (): Row => ({ tokens, requests }),
    add(request: ScoreRequest, index: number) {
      const last = request.prompt.slice(prefixLength).reduce((token, id) => step(token, id, false), -1);
      const continuations = request.continuations.map((ids) => {
        let token = last;
        return ids.map((id, i) => {
          const pick = { token, id };
          if (i < ids.length - 1) token = step(token, id, true);
          return pick;
        });
      });
      requests.push({ index, name: nameOf(index, request), last, continuations });
    },
  };
}

function pack(rows: readonly Row[], budget: number): Batch[] {
  const sorted = rows.toSorted((a, b) => a.tokens.length - b.tokens.length || first(a) - first(b));
  const batches: Batch[] = [];
  let current: Row[] = [];
  const close = () => {
    if (current.length > 0) {
      batches.push({ rows: current, indices: current.flatMap((row) => row.requests.map((r) => r.index)) });
    }
    current = [];
  };
  // From the longest down, so that the last, smaller batch is the cheap one.
  for (const row of sorted.toReversed()) {
    const longest = current[0]?.tokens.length ?? row.tokens.length;
    if (current.length > 0 && (current.length + 1) * longest > budget) close();
    current.push(row);
  }
  close();
  return batches;
}

const first = (row: Row) => row.requests[0]!.index;
