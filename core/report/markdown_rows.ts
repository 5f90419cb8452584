/** Texts and tables as Markdown takes them. */

/** A table of texts, its head first. */
export function rows(lines: readonly (readonly string[])[]): string {
  const [head = [], ...body] = lines.map((line) => `| ${line.map(escape).join(" | ")} |`);
  return [head, `|${" --- |".repeat(lines[0]?.length ?? 0)}`, ...body].join("\n");
}

/** Text as it stands: a bar would end the cell, a line end the row. */
export function escape(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", "<br>").replaceAll(
    /([*_`<>](?!br>))/g,
    (mark) => mark === ">" ? mark : `\\${mark}`,
  )
    .replaceAll("\\<br>", "<br>");
}
