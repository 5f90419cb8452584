/** The models of a matrix: inspected, and as the treatments open them. */
import { dirname } from "node:path";
import type { Context } from "./context.ts";
import { UserError } from "./error.ts";
import { locateParams } from "./hub/locate.ts";
import type { MatrixSpec } from "./matrix.ts";
import type { ModelBackend } from "./model.ts";
import type { PlannedModel, PlanOptions } from "./plan.ts";
import type { Opened, PlannedArm } from "./plan_arms.ts";
import { plain } from "./plan_benchmarks.ts";
import type { PlannedTreatment } from "./plan_treatments.ts";
import { lookUp } from "./registry.ts";
import type { Results } from "./results.ts";
import { parseWith } from "./schema.ts";

/** What decides the numbers of a model. */
export function modelSpec({ record }: Pick<PlannedModel, "record">, engine: Results["engine"]) {
  return {
    engine: { plumbline: engine.plumbline, runtime: engine.runtime },
    backend: { name: record.use, version: record.version },
    model: { ...record.info.hash },
  };
}

/** A model as its backend describes it, by the label that the matrix, the hub or the backend gives it, marked where it is no reference.
 * @throws {UserError} as the backend's inspect(). */
export async function inspectModel(
  entry: MatrixSpec["models"][number],
  { registry, context, path, ownModels, locate }: PlanOptions,
): Promise<Omit<PlannedModel, "arms" | "scores" | "growths" | "trainings">> {
  const backendEntry = lookUp(registry.backends, entry.use, "backend");
  const read = (given: unknown): unknown =>
    parseWith(backendEntry.params, given, `read params of model ${entry.use}`);
  read(entry.params);
  const hub = locateParams(entry.params, locate);
  const params = read(hub.here);
  const own: Context = ownModels ? context : { ...context, baseDir: dirname(path) };
  const backend: ModelBackend<unknown> = await backendEntry.load();
  const inspected = await backend.inspect(params, own);
  // A snapshot's folder is called by its commit, which is no name for people.
  const { variant } = inspected.info, marked = (name: string) => variant ? `${name} (${variant})` : name;
  const info = { ...inspected.info, name: hub.label ? marked(hub.label) : inspected.info.name };
  return {
    record: {
      label: entry.name ? marked(entry.name) : info.name,
      use: entry.use,
      version: backendEntry.version,
      params: plain(read(hub.pinned)),
      info,
    },
    inspected: {
      info,
      units: (tap) => inspected.units(tap),
      tokenizer: inspected.tokenizer,
      ...(inspected.can && { can: inspected.can }),
      ...(inspected.memory && { memory: (work) => inspected.memory!(work) }),
      ...(inspected.ready && { ready: () => inspected.ready!() }),
      ...(inspected.disagreement && { disagreement: () => inspected.disagreement!() }),
    },
    open: (options) => backend.open(params, options, own),
    ...(backend.countTokens && { countTokens: (...args) => backend.countTokens!(...args) }),
  };
}

/**
 * Arms with the model that each is run on, where that is opened otherwise: a cell of it is the same as if the matrix had named it.
 *
 * @throws {UserError} naming the treatment, for params that the backend does not know and a model that is another one.
 */
export async function withOpenings(
  arms: readonly PlannedArm[],
  { entry, treatments, options, model }: {
    readonly entry: MatrixSpec["models"][number];
    readonly treatments: readonly PlannedTreatment[];
    readonly options: PlanOptions;
    readonly model: Pick<PlannedModel, "record">;
  },
): Promise<PlannedArm[]> {
  const openings = new Map<string, Opened>();
  for (const { name, open } of treatments) {
    if (!open) continue;
    try {
      const opened = await inspectModel({
        ...entry,
        params: { ...entry.params, ...open as typeof entry.params },
      }, options);
      const { info: { hash } } = opened.record, own = model.record.info.hash;
      if (hash.weights !== own.weights || hash.tokenizer !== own.tokenizer) {
        throw new UserError("it is another model then, wanted params that say how, and not which");
      }
      if (hash.config === own.config) throw new UserError("it is opened so already, wanted other params");
      openings.set(name, opened);
    } catch (cause) {
      if (!(cause instanceof UserError)) throw cause;
      const state = cause.message.replace(/^Cannot /, "cannot ");
      throw new UserError(`Cannot open ${model.record.label} under ${JSON.stringify(name)}: ${state}`, {
        cause,
      });
    }
  }
  return arms.map((arm) => {
    const opened = arm.control === undefined && openings.get(arm.treatment);
    return opened ? { ...arm, opened } : arm;
  });
}
