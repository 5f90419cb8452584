/** What keys are made of: one spelling for every JSON value, and its sha256. */
import { createHash } from "node:crypto";

/**
 * The one JSON text of a value: members sorted by UTF-16 code units, no spaces, numbers as ECMAScript prints them (-0 as 0).
 *
 * @throws {TypeError} naming the place of anything that JSON would drop or bend: undefined, a hole in an array, a number that
 * is not finite, a bigint, a function, a symbol, an object of a class (Map, Date, typed array).
 *
 * @example
 * ```ts
 * import { canonicalJson } from "./hash.ts";
 * if (canonicalJson({ b: 1, a: [true, null] }) !== '{"a":[true,null],"b":1}') throw new Error("unexpected text");
 * ```
 */
export function canonicalJson(value: unknown): string {
  return write(value, "$");
}

/** Lower-case hex digest; a string counts as its UTF-8 bytes. */
export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** sha256(canonicalJson(list)) of a list that is never in memory as one text. */
export function hashOfList(list: Iterable<unknown>): string {
  const hash = createHash("sha256").update("[");
  let i = 0;
  for (const each of list) hash.update(`${i === 0 ? "" : ","}${write(each, `$[${i++}]`)}`);
  return hash.update("]").digest("hex");
}

function write(value: unknown, place: string): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number" && Number.isFinite(value)) return JSON.stringify(value);
  if (Array.isArray(value)) {
    // Array.from visits holes too, as undefined.
    return `[${Array.from(value, (entry, i) => write(entry, `${place}[${i}]`)).join(",")}]`;
  }
  if (isPlain(value)) {
    const members = Object.keys(value).sort().map((key) =>
      `${JSON.stringify(key)}:${write(value[key], `${place}.${key}`)}`
    );
    return `{${members.join(",")}}`;
  }
  const state = typeof value === "object" ? "an object of a class" : String(value);
  throw new TypeError(`Cannot write ${place} as JSON: it is ${state}, wanted plain JSON`);
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
