import { assertEquals, assertThrows } from "@std/assert";
import { canonicalJson, hashOfList, sha256 } from "../../core/hash.ts";

Deno.test("canonicalJson() sorts members and leaves no space when objects are nested", () => {
  const value = { b: [1, 1e21, -0.5, null, true], a: { "é": "€\n", Z: 1e-7 } };
  assertEquals(canonicalJson(value), '{"a":{"Z":1e-7,"é":"€\\n"},"b":[1,1e+21,-0.5,null,true]}');
});

Deno.test("canonicalJson() gives one text when member order, prototype or the sign of zero differ", () => {
  const bare = Object.assign(Object.create(null), { y: 0, x: "s" });
  assertEquals(canonicalJson({ x: "s", y: -0 }), canonicalJson(bare));
});

Deno.test("canonicalJson() reads back the same when numbers need all their digits", () => {
  const numbers = [0.1 + 0.2, Math.PI * 1e-300, Number.MAX_SAFE_INTEGER, 5e-324];
  assertEquals(JSON.parse(canonicalJson(numbers)), numbers);
});

Deno.test("canonicalJson() throws with the place when JSON would drop or bend a value", () => {
  const holes: number[] = [];
  holes[1] = 1;
  const cases: readonly (readonly [unknown, string])[] = [
    [undefined, "$ as JSON: it is undefined"],
    [{ a: { b: undefined } }, "$.a.b"],
    [[0, NaN], "$[1]"],
    [{ a: -Infinity }, "$.a as JSON: it is -Infinity"],
    [holes, "$[0]"],
    [{ n: 1n }, "$.n"],
    [{ f: () => 1 }, "$.f"],
    [{ m: new Map() }, "$.m as JSON: it is an object of a class"],
    [[new Float32Array(2)], "$[0]"],
    [new Date(0), "$ as JSON"],
  ];
  for (const [value, place] of cases) assertThrows(() => canonicalJson(value), TypeError, place);
});

Deno.test("sha256() equals the standard's digest when given text or bytes", () => {
  // FIPS 180-4's example, and: python -c 'import hashlib; print(hashlib.sha256("héllo".encode()).hexdigest())'
  assertEquals(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const digest = "3c48591d8d098a4538f5e013dfcf406e948eac4d3277b10bf614e295d6068179";
  assertEquals(sha256("héllo"), digest);
  assertEquals(sha256(new TextEncoder().encode("héllo")), digest);
});

Deno.test("hashOfList() is the hash of the list's one text, and names the place of what is no JSON", () => {
  const lists: readonly unknown[][] = [[], [1], [{ b: 1, a: ["é"] }, null, "x"]];
  for (const list of lists) {
    assertEquals(hashOfList(Iterator.from(list)), sha256(canonicalJson(list)));
  }
  assertThrows(() => hashOfList([1, { a: NaN }]), TypeError, "$[1].a");
});
