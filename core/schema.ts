/** Reads data against a zod schema and says what is wrong with it in one line. */
import { z } from "zod";
import { UserError } from "./error.ts";
import { suggest } from "./nearest.ts";

type Issue = z.core.$ZodIssue;
type Place = readonly PropertyKey[];

/**
 * The parsed value, defaults filled in.
 *
 * @param task What could not be done, for the message: "read matrix demo.json".
 * @throws {UserError} about the first unknown key, else the first issue, with its place.
 */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown, task: string): T {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const issues = result.error.issues.flatMap((issue) => flatten(issue, []));
  const first = issues.find((issue) => issue.code === "unrecognized_keys") ?? issues[0];
  throw new UserError(`Cannot ${task}: ${first ? describe(schema, first) : "it is not as described"}`, {
    cause: result.error,
  });
}

/** Of a union's branches the one that understood the value best, which is where its issues lie deepest. */
function flatten(issue: Issue, parent: Place): Issue[] {
  const here = { ...issue, path: [...parent, ...issue.path] } as Issue;
  if (issue.code !== "invalid_union") return [here];
  const depth = (branch: readonly Issue[]) => Math.max(0, ...branch.map((inner) => inner.path.length));
  const best = [...issue.errors].sort((a, b) => depth(b) - depth(a))[0];
  if (!best || depth(best) === 0) return [here];
  return best.flatMap((inner) => flatten(inner, here.path));
}

function describe(schema: z.ZodType, issue: Issue): string {
  const place = issue.path.length > 0 ? `at ${placeName(issue.path)}` : "at top level";
  const known = knownValues(issue);
  if (known.length > 1) {
    const given = givenValue(issue);
    return typeof given === "string"
      ? `unknown value ${JSON.stringify(given)} ${place}${suggest(given, known)}`
      : `wanted one of ${known.map((word) => JSON.stringify(word)).join(", ")} ${place}`;
  }
  if (issue.code === "too_small" && issue.origin === "array" && issue.minimum === 1) {
    return `empty list ${place}, wanted one entry or more`;
  }
  if (issue.code !== "unrecognized_keys") {
    return `${
      lowerFirst(issue.message).replaceAll(/\s*\n\s*/g, " ").replace(/^invalid input: /, "")
    } ${place}`;
  }
  const key = issue.keys[0] ?? "";
  return `unknown key ${JSON.stringify(key)} ${place}${suggest(key, knownKeys(schema, issue.path))}`;
}

/** Of a choice among words, or of what tells a union's branches apart. */
function knownValues(issue: Issue): string[] {
  if (issue.code === "invalid_value") return issue.values.map(String);
  return issue.code === "invalid_union" && "options" in issue && Array.isArray(issue.options)
    ? issue.options.map(String)
    : [];
}

/** What stands at the issue's place; of a union the issue has the whole object. */
function givenValue({ code, input, path }: Issue): unknown {
  return code === "invalid_union" && typeof input === "object" && input !== null
    ? (input as Readonly<Record<PropertyKey, unknown>>)[path.at(-1) ?? ""]
    : input;
}

/** `models[0].params` for ["models", 0, "params"]. */
function placeName(path: Place): string {
  return path.map((part) => typeof part === "number" ? `[${part}]` : `.${String(part)}`).join("").replace(
    /^\./,
    "",
  );
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

interface Node {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Node>>;
  /** What members of a record are; false where no others are allowed. */
  readonly additionalProperties?: Node | false;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
  readonly allOf?: readonly Node[];
}

/** The params of a schema with the words that each may be: "protocol (lm-eval, culnig), templates, chat (true, false)". */
export function paramsText(schema: z.ZodType): string {
  const { properties = {} } = z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
    reused: "inline",
  }) as Node;
  return Object.entries(properties).map(([name, property]) => {
    const words = property.type === "boolean" ? ["true", "false"] : property.enum ?? [];
    return words.length > 1 ? `${name} (${words.join(", ")})` : name;
  }).join(", ");
}

/** The keys that an object may have at a place, through every branch of a union. */
function knownKeys(schema: z.ZodType, path: Place): string[] {
  const root = z.toJSONSchema(schema, { io: "input", unrepresentable: "any", reused: "inline" }) as Node;
  const branches = (node: Node): Node[] => [
    node,
    ...[...node.anyOf ?? [], ...node.oneOf ?? [], ...node.allOf ?? []].flatMap(branches),
  ];
  const step = (nodes: readonly Node[], part: PropertyKey): Node[] =>
    nodes.flatMap(branches).flatMap((node) =>
      (typeof part === "number"
        ? node.items
        : node.properties?.[String(part)] ?? (node.additionalProperties || undefined)) ?? []
    );
  const nodes = path.reduce<Node[]>(step, [root]).flatMap(branches);
  return [...new Set(nodes.flatMap((node) => Object.keys(node.properties ?? {})))];
}
