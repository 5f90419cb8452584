/**
 * Checks of CULNIG's formulas on any model: that a gradient is a finite difference, that sums of products foretell silencing, that nothing
 * changes what must not, and that selection counts as the paper does.
 *
 * Texts are random tokens, and the target is the token that the model itself thinks most probable: formulas hold for any text, and so a check needs no
 * data. What is compared with a finite difference is chosen among the largest products, for a quotient of float32 probabilities has an
 * absolute error of some 1e-6.
 */
import {
  type Check,
  type CheckContext,
  createRandom,
  type Edit,
  type Model,
  type RunSample,
  type Tap,
  tapsAt,
} from "../../core/mod.ts";
import { agreement } from "./agreement.ts";
import { draws, selection } from "./counts.ts";
import { correlation, ranks, slopeOf, STEPS } from "./numbers.ts";

const SITES = ["mlp.gate", "attn.q", "attn.k", "attn.v"] as const;
const LENGTH = 12;
/** Slopes are compared whose own standard error, as a share of the product, is at most this: a third of the bound. */
const KNOWN = 3e-4;

interface Text {
  readonly prompt: readonly number[];
  /** The most probable next token. */
  readonly target: number;
}

/** Random texts with the token that the model would write next. */
async function texts(count: number, { model, seed }: CheckContext): Promise<Text[]> {
  const random = createRandom(`culnig/checks/${seed}`), { vocab } = model.info;
  const prompts = Array.from(
    { length: count },
    () => Array.from({ length: LENGTH }, () => random.below(vocab)),
  );
  const found: Text[] = [];
  for await (
    const { indices, results } of model.score(
      prompts.map((prompt) => ({ prompt, continuations: [[prompt[0]!]] })),
    )
  ) indices.forEach((index, i) => found[index] = { prompt: prompts[index]!, target: results[i]!.argmax });
  return found;
}

/** P of each sample's target. */
async function probabilities(model: Model, samples: readonly (RunSample & Pick<Text, "target">)[]) {
  const { objective } = await model.run(samples.map(({ target: _, ...sample }) => sample), {
    objective: { kind: "probability", target: samples.map(({ target }) => target) },
  });
  return objective;
}

/** a * dP/da of every token and unit at the taps: [text][tap][token][unit]. */
async function products(model: Model, own: readonly Text[], taps: readonly Tap[]) {
  const { observed } = await model.run(own.map(({ prompt }) => ({ prompt })), {
    objective: { kind: "probability", target: own.map(({ target }) => target) },
    observe: taps.map((tap) => ({ tap, quantity: "product", pool: "none" })),
  });
  return own.map((_, s) => observed.map(({ values, columns }) => ({ values: values[s]!, columns })));
}

/** Dossier 1.12 (1): dP / de at 0, one activation times (1 + e), is a * dP/da. */
const finiteDifference: Check = {
  name: "a product is the slope of P when that activation alone is scaled",
  source: "CULNIG 1.2: s = a dP/da; central differences, least squares, float32",
  async run(context) {
    const { model } = context, own = await texts(4, context);
    const taps = tapsAt(SITES, model.info.layers), all = await products(model, own, taps);
    // Of each site the largest products, each of another unit.
    const chosen = SITES.flatMap((site) => {
      const places = own.flatMap((text, s) =>
        taps.flatMap((tap, t) => {
          if (!tap.endsWith(`.${site}`)) return [];
          const { values, columns } = all[s]![t]!;
          return Array.from(
            values,
            (value, i) => ({ text, tap, token: Math.floor(i / columns), unit: i % columns, value }),
          );
        })
      );
      return places.sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, 8);
    });
    const samples = chosen.flatMap(({ text, tap, token, unit }) =>
      STEPS.flatMap((step) => [step, -step]).map((step) => ({
        ...text,
        edits: [{ tap, units: [unit], op: "scale", value: 1 + step, at: [token] }] as const satisfies Edit[],
      }))
    );
    const p = await probabilities(model, samples);
    const errors = chosen.flatMap(({ value }, i) => {
      const { slope, error } = slopeOf(STEPS.map((_, s) => {
        const place = 2 * (STEPS.length * i + s);
        return (p[place]! - p[place + 1]!) / 2;
      }));
      return error > KNOWN * Math.abs(value) ? [] : [Math.abs(slope - value) / Math.abs(value)];
    });
    return {
      value: Math.max(...errors),
      bound: 1e-3,
      passes: "at most",
      n: errors.length,
      what: "largest relative error",
    };
  },
};

/**
 * Dossier 1.12 (2): what silencing takes from P, beside the sum of products over tokens. A straight line foretells a step as long as the
 * activation itself as well as the model is straight, so that this is the claims' first, of each model, and no check that passes on all.
 */
export const ablation: Check = {
  name: "sums of products rank units as silencing does",
  source: "CULNIG 1.2: first-order estimate of P less P with the unit at 0",
  async run(context) {
    const { model, seed } = context, own = await texts(24, context);
    const taps = tapsAt(SITES, model.info.layers), random = createRandom(`culnig/ablation/${seed}`);
    const units = Array.from({ length: 200 }, () => {
      const tap = taps[random.below(taps.length)]!;
      return { tap, index: random.below(model.units(tap)) };
    });
    const { observed, objective } = await model.run(own.map(({ prompt }) => ({ prompt })), {
      objective: { kind: "probability", target: own.map(({ target }) => target) },
      observe: taps.map((tap) => ({ tap, quantity: "product", pool: "sum" })),
    });
    const foretold: number[] = [], exact: number[] = [];
    const silenced = await probabilities(
      model,
      units.flatMap(({ tap, index }) =>
        own.map((text) => ({ ...text, edits: [{ tap, units: [index], op: "set", value: 0 } as const] }))
      ),
    );
    units.forEach(({ tap, index }, u) => {
      const { values } = observed[taps.indexOf(tap)]!;
      foretold.push(own.reduce((sum, _, s) => sum + values[s]![index]!, 0));
      exact.push(own.reduce((sum, _, s) => sum + objective[s]! - silenced[own.length * u + s]!, 0));
    });
    return {
      value: correlation(ranks(foretold), ranks(exact)),
      bound: 0.8,
      passes: "at least",
      n: units.length,
      what: "Spearman's correlation",
    };
  },
};

/** Dossier 1.12 (3): a change that changes nothing. */
const identity: Check = {
  name: "no unit silenced, and units enhanced by 1, leave every logit as it is",
  source: "identity",
  async run(context) {
    const { model } = context, [text] = await texts(1, context);
    const plain = await model.logits(text!.prompt);
    const once = tapsAt(SITES, model.info.layers).map((tap): Edit => ({
      tap,
      units: [0, 1],
      op: "scale",
      value: 1,
    }));
    const differing = [
      await model.logits(text!.prompt, { edits: [] }),
      await model.logits(text!.prompt, { edits: once }),
    ]
      .map((logits) => logits.reduce((sum, value, i) => sum + Number(!Object.is(value, plain[i])), 0));
    return {
      value: differing[0]! + differing[1]!,
      bound: 0,
      passes: "exactly",
      n: 2 * plain.length,
      what: "logits that differ in any bit",
    };
  },
};

/** dP = P d log P: what the scorer multiplies outside. */
const chain: Check = {
  name: "P times the gradient of log P is the gradient of P",
  source: "identity",
  async run(context) {
    const { model } = context, own = await texts(4, context);
    const taps = tapsAt(["mlp.gate", "attn.v"], model.info.layers), target = own.map(({ target }) => target);
    const read = (kind: "probability" | "logprob") =>
      model.run(own.map(({ prompt }) => ({ prompt })), {
        objective: { kind, target },
        observe: taps.map((tap) => ({ tap, quantity: "gradient", pool: "last" })),
      });
    const inside = await read("logprob"), outside = await read("probability");
    let [worst, largest, n] = [0, 0, 0];
    outside.observed.forEach(({ values }, t) =>
      values.forEach((list, s) =>
        list.forEach((value, i) => {
          const other = outside.objective[s]! * inside.observed[t]!.values[s]![i]!;
          worst = Math.max(worst, Math.abs(value - other));
          largest = Math.max(largest, Math.abs(value));
          n++;
        })
      )
    );
    return {
      value: worst / largest,
      bound: 1e-5,
      passes: "at most",
      n,
      what: "largest error over the largest gradient",
    };
  },
};

export const checks: readonly Check[] = [agreement, finiteDifference, identity, chain, selection, draws];
/** What the first claim is judged by. */
export const attribution: readonly Check[] = [finiteDifference, ablation];
