/**
 * Texts as they are compared: a hash of what a reader would call the same, and a hash for each word.
 *
 * Normalised: Unicode NFKC and lower case. Letters, digits and marks make words; in scripts that put no space between words (Han, kana,
 * Thai, Lao, Khmer, Burmese) each character is one. Apostrophes vanish. A symbol (+ = < > $ % * / & # @ and what Unicode calls a symbol)
 * is a word, and so is a minus between two numbers or before one; a point between two digits stays. All else parts words and counts for nothing.
 */

/** What a text is recognised by; the text itself cannot be read from it, but a guess of it can be tested. */
export interface Print {
  /**
   * 16 hex digits over all words without their gaps, so that "e-mail" is "email" ("1 2" is not "12"); "" where there is no word. Two
   * different texts share one by chance once in 2^64.
   */
  readonly hash: string;
  /** A number in [0, 2^24) for each word, in order. */
  readonly words: readonly number[];
}

const IN_WORD = /[\p{L}\p{N}\p{M}]/u;
const ALONE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const SYMBOL = /\p{S}/u;
const ASCII_SYMBOLS = "+=<>$%*/&#@|~^";
const APOSTROPHES = "'\u2019\u02bc`";

type Kind = "letter" | "digit" | "alone" | "symbol" | "apostrophe" | "gap";

function kindOf(char: string): Kind {
  if (APOSTROPHES.includes(char)) return "apostrophe";
  if (ASCII_SYMBOLS.includes(char)) return "symbol";
  if (char >= "0" && char <= "9") return "digit";
  if (char < "\x80") return char >= "a" && char <= "z" ? "letter" : "gap";
  if (ALONE.test(char)) return "alone";
  if (IN_WORD.test(char)) return /\p{N}/u.test(char) ? "digit" : "letter";
  return SYMBOL.test(char) ? "symbol" : "gap";
}

const ASCII: readonly Kind[] = Array.from({ length: 128 }, (_, code) => kindOf(String.fromCharCode(code)));
const MINUS = 45, POINT = 46, SPACE = 32;
/** Offset and prime of FNV-1a, 32 bits (Fowler, Noll, Vo; draft-eastlake-fnv), and another odd number for a second lane. */
const OFFSET = 0x811c9dc5, PRIME = 0x01000193, SECOND = 0x85ebca6b;

/**
 * The print of a text.
 *
 * @example
 * ```ts
 * import { printOf } from "./print.ts";
 * const [one, other] = [printOf("Don't panic: it's 3.5 km!"), printOf("dont PANIC, its 3.5 km")];
 * if (one.hash !== other.hash || one.words.length !== 5) throw new Error("case and punctuation count for nothing");
 * ```
 */
export function printOf(text: string): Print {
  const folded = text.normalize("NFKC").toLowerCase();
  const words: number[] = [];
  let [first, second, word, length] = [OFFSET, OFFSET, OFFSET, 0];
  // Whether the last character that counted is a digit: two numbers side by side are not one.
  let afterDigit = false;
  const take = (code: number) => {
    first = Math.imul(first ^ code, PRIME);
    second = Math.imul((second << 13 | second >>> 19) ^ code, SECOND);
    word = Math.imul(word ^ code, PRIME);
    length++;
  };
  const close = () => {
    if (length > 0) words.push(mix(word) >>> 8);
    [word, length] = [OFFSET, 0];
  };
  for (let i = 0; i < folded.length; i++) {
    let code = folded.charCodeAt(i);
    const at = i;
    if (code >= 128) {
      code = folded.codePointAt(i)!;
      if (code > 0xffff) i++;
    }
    const kind = code < 128 ? ASCII[code]! : kindOf(String.fromCodePoint(code));
    if (kind === "apostrophe") continue;
    if (kind === "letter" || kind === "digit") {
      if (length === 0 && afterDigit && kind === "digit") [first, second] = [first ^ SPACE, second ^ SPACE];
      take(code);
      afterDigit = kind === "digit";
    } else if (code === POINT && length > 0 && afterDigit && isDigit(folded, i + 1)) {
      take(code);
    } else {
      const before = at === 0 ? "gap" : ASCII[folded.charCodeAt(at - 1)] ?? "letter";
      close();
      const isSign = code === MINUS &&
        (isDigit(folded, i + 1) && before === "gap" ||
          afterDigit && isDigit(folded, nextText(folded, i + 1)));
      if (isSign || kind === "symbol" || kind === "alone") {
        take(code);
        close();
        afterDigit = false;
      }
    }
  }
  close();
  return {
    hash: words.length === 0 ? "" : hex(mix(first)) + hex(mix(second)),
    words,
  };
}

function isDigit(text: string, at: number): boolean {
  return ASCII[text.charCodeAt(at)] === "digit";
}

function nextText(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) === SPACE) at++;
  return at;
}

/** Every bit of 32 moved by every other: the finaliser of MurmurHash3 (A. Appleby, public domain). */
export function mix(bits: number): number {
  let x = Math.imul(bits ^ bits >>> 16, 0x85ebca6b);
  x = Math.imul(x ^ x >>> 13, 0xc2b2ae35);
  return (x ^ x >>> 16) >>> 0;
}

function hex(bits: number): string {
  return bits.toString(16).padStart(8, "0");
}
