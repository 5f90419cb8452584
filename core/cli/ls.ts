/** `deno task ls`: what Plumbline can do. */
import type { Command } from "./command.ts";

export const command: Command = {
  name: "ls",
  summary: "list plugins, models' backends, scorers, tuners, interventions, evaluators and benchmarks",
  positionals: "",
  maxPositionals: 0,
  flags: [{
    name: "plugin",
    value: "PATH",
    multiple: true,
    about: "also load this plugin, scorer or benchmark",
  }],
  async run(args) {
    const { loadRegistry } = await import("../registry.ts");
    const { paramsText } = await import("../schema.ts");
    const env = await import("./environment.ts");
    const registry = await loadRegistry(env.PROJECT, args.values("plugin").map(env.userPath));
    const sections: [string, (readonly string[])[]][] = [
      ["Plugins", registry.plugins.map((each) => [each.name, each.version, each.source])],
      ["Backends", [...registry.backends.values()].map((each) => [each.name, each.version, each.title])],
      [
        "Scorers",
        [...registry.scorers.values()].map((each) => [
          each.name,
          each.version,
          `${each.title} (looks at ${
            [...each.sets, ...(each.optionalSets ?? []).map((set) => `${set}, if given`)].join(" and ") ||
            "no items"
          })`,
        ]),
      ],
      [
        "Tuners",
        [...registry.tuners.values()].map((each) => [
          each.name,
          each.version,
          `${each.title} (trains on ${
            [...each.sets, ...(each.optionalSets ?? []).map((set) => `${set}, if given`)].join(" and ")
          })`,
        ]),
      ],
      [
        "Interventions",
        [...registry.interventions.values()].map((each) => [each.name, each.version, each.title]),
      ],
      [
        "Evaluators",
        [...registry.evaluators.values()].map((each) => [
          each.name,
          each.version,
          `gives ${[...each.metrics, ...each.joint ?? []].map((metric) => metric.name).join(", ")}`,
        ]),
      ],
      [
        "Benchmarks",
        [...registry.benchmarks.values()].flatMap((each) => [
          [each.name, each.version, `${each.title} (${each.licence}; ${each.source})`],
          ["", "", `params: ${paramsText(each.params) || "none"}`],
        ]),
      ],
    ];
    const rows = sections.flatMap(([, entries]) => entries);
    const [name, version] = [0, 1].map((i) => Math.max(0, ...rows.map((row) => row[i]?.length ?? 0)));
    for (const [title, entries] of sections) {
      console.log(title);
      for (const [first = "", second = "", third = ""] of entries) {
        console.log(`  ${first.padEnd(name ?? 0)}  ${second.padEnd(version ?? 0)}  ${third}`);
      }
      console.log("");
    }
    return 0;
  },
};
