/** results.json: one spelling, made for reading and for diffs. */

const WIDTH = 110;

/**
 * JSON with sorted keys; whatever fits on a line stays on one, and long lists of numbers fill lines.
 *
 * @example
 * ```ts
 * import { prettyJson } from "./json.ts";
 * if (prettyJson({ b: [1, 2], a: 0 }) !== '{ "a": 0, "b": [1, 2] }\n') throw new Error("unexpected spelling");
 * ```
 */
export function prettyJson(value: unknown): string {
  return write(value, "", 0) + "\n";
}

/** @param taken Characters on the line before the value. */
function write(value: unknown, indent: string, taken: number): string {
  const short = inline(value);
  if (typeof value !== "object" || value === null || taken + short.length <= WIDTH) return short;
  const inner = indent + "  ";
  if (!Array.isArray(value)) {
    const members = entriesOf(value).map(([key, member]) => {
      const head = `${inner}${JSON.stringify(key)}: `;
      return head + write(member, inner, head.length);
    });
    return `{\n${members.join(",\n")}\n${indent}}`;
  }
  if (value.every((entry) => typeof entry === "number")) {
    return `[\n${fill(value.map(String), inner)}\n${indent}]`;
  }
  return `[\n${value.map((entry) => inner + write(entry, inner, inner.length)).join(",\n")}\n${indent}]`;
}

function inline(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  const members = entriesOf(value).map(([key, member]) => `${JSON.stringify(key)}: ${inline(member)}`);
  return members.length > 0 ? `{ ${members.join(", ")} }` : "{}";
}

function entriesOf(value: object): [string, unknown][] {
  return Object.entries(value).filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => a < b ? -1 : 1);
}

function fill(words: readonly string[], indent: string): string {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 3 > WIDTH) lines.push(indent + word);
    else lines[lines.length - 1] = `${last}, ${word}`;
  }
  return lines.join(",\n");
}
