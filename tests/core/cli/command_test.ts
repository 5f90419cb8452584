import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { type Command, helpText, readArguments } from "../../../core/cli/command.ts";
import { createProgressBar } from "../../../core/cli/progress.ts";
import { UserError } from "../../../core/error.ts";

const COMMAND: Command = {
  name: "demo",
  summary: "do a thing",
  positionals: "[FILE]",
  maxPositionals: 1,
  flags: [
    { name: "limit", value: "N", about: "how many" },
    { name: "plugin", value: "PATH", multiple: true, about: "which" },
    { name: "list", about: "print a list" },
  ],
  run: () => Promise.resolve(0),
};

function message(args: string[], use = (_: ReturnType<typeof readArguments>): unknown => undefined): string {
  return (assertThrows(() => use(readArguments(COMMAND, args)), UserError) as UserError).message;
}

Deno.test("readArguments() reads values, repeated flags, switches and positionals in any order", () => {
  const args = readArguments(COMMAND, ["--plugin", "a", "file", "--limit=3", "--plugin=b", "--list"]);
  assertEquals(args.positionals, ["file"]);
  assertEquals(args.values("plugin"), ["a", "b"]);
  assertEquals([args.integer("limit", 1), args.has("list"), args.value("plugin")], [3, true, "b"]);
  assertEquals(readArguments(COMMAND, []).integer("limit", 1), undefined);
  assertEquals(readArguments(COMMAND, ["-h"]).has("help"), true);
});

Deno.test("readArguments() refuses what it does not know, naming the nearest flag", () => {
  assertEquals(message(["--limt", "3"]), 'Cannot run demo: unknown flag "--limt", did you mean "--limit"');
  assertEquals(message(["--limit"]), "Cannot run demo: --limit has no value, wanted --limit N");
  assertEquals(message(["--list=x"]), "Cannot run demo: --list has a value, wanted none");
  assertEquals(
    message(["a", "b"]),
    'Cannot run demo: "b" is one argument too many, wanted deno task demo [FILE] [flags]',
  );
  for (const text of ["0", "-1", "1.5", "x"]) {
    assertEquals(
      message([`--limit=${text}`], (args) => args.integer("limit", 1)),
      `Cannot run demo: --limit is "${text}", wanted a whole number from 1`,
    );
  }
});

Deno.test("helpText() lists every flag with its value", () => {
  const text = helpText(COMMAND);
  for (const part of ["deno task demo [FILE] [flags]", "--limit N", "--plugin PATH", "--list", "--help"]) {
    assertStringIncludes(text, part);
  }
});

Deno.test("createProgressBar() redraws one line on a terminal and writes few lines elsewhere", () => {
  const progress = (done: number) => ({
    cells: { done: Math.floor(done / 10), total: 10 },
    items: { done, total: 100, found: 20 },
    tokens: 5000,
    elapsedMs: 2000,
    current: "fables / silenced",
  });
  const draw = (tty: boolean) => {
    const written: string[] = [];
    let now = 0;
    const bar = createProgressBar({ tty, width: 80, write: (text) => written.push(text), now: () => now });
    for (const done of [40, 41, 60]) {
      bar.update(progress(done));
      now += 60;
    }
    bar.end();
    return written;
  };
  const [first = "", second = "", end, ...more] = draw(true);
  const wanted = "[#########---------------]  40 %  4 of 10 cells  2,500 tok/s  0:06 left";
  assertEquals(first.startsWith(`\r\x1b[K${wanted}`), true, first);
  assertEquals(
    first.replace("\r\x1b[K", "").length,
    76,
    "the line does not wrap, not even with the ^C that a terminal writes after it",
  );
  assertStringIncludes(second, " 60 % ");
  assertEquals([end, more], ["\r\x1b[K", []]);
  assertEquals(draw(false), [" 40 %  4 of 10 cells  2,500 tok/s  0:06 left  fables / silenced\n"]);
});

Deno.test("createProgressBar() shows the end of scoring, however soon it comes", () => {
  const written: string[] = [];
  const bar = createProgressBar({ tty: false, width: 80, write: (text) => written.push(text), now: () => 0 });
  for (const done of [32, 64, 96]) {
    bar.update({
      cells: { done: 0, total: 10 },
      items: { done: 0, total: 100, found: 0 },
      tokens: 5000,
      elapsedMs: 2000,
      current: "gradient_product",
      scoring: { done, total: 96 },
    });
  }
  assertEquals(written.map((line) => line.match(/\d+ of \d+ samples/)?.[0]), [
    "32 of 96 samples",
    "96 of 96 samples",
  ]);
});
