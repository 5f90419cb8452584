/** What the steps of a treatment must be to one another, which no schema says. */
import { UserError } from "./error.ts";
import type { TreatmentEntry } from "./matrix.ts";

/** Every score is selected from, every selection edited, and every edit has units. */
export function checkOrder({ name, steps }: TreatmentEntry, task: string): void {
  const refuse = (state: string): never => {
    throw new UserError(`Cannot ${task}: treatment ${JSON.stringify(name)}${state}`);
  };
  // Undefined, or whether a later step has used it, and whether an edit with units of its own came after it.
  let score: { used: boolean } | undefined;
  let selection: { used: boolean; passed?: boolean } | undefined;
  const checkUsed = () => {
    if (selection?.used === false) {
      refuse(
        selection.passed
          ? ": the edit names units and a select precedes it, wanted one of the two"
          : " selects units that nothing edits, wanted an edit without units",
      );
    }
    if (score?.used === false) refuse(" scores units and selects none, wanted a select after the score");
  };
  for (const step of steps) {
    if (step.score) {
      checkUsed();
      [score, selection] = [{ used: false }, undefined];
    }
    if (step.select) {
      if (score === undefined) return refuse(" selects before anything is scored, wanted a score before it");
      if (selection?.used === false) checkUsed();
      score.used = true;
      selection = { used: false };
    }
    if (step.edit?.units && selection) selection.passed = true;
    if (step.edit && step.edit.units === undefined) {
      if (selection === undefined) {
        return refuse(' has an edit without units, wanted "units", or a score and a select before it');
      }
      selection.used = true;
    }
  }
  checkUsed();
}

/** What trains edits no units, and only what trains has seeds. */
export function checkTraining(
  { name, steps, controls = [], curve, seeds }: TreatmentEntry,
  task: string,
): void {
  const refuse = (state: string): never => {
    throw new UserError(`Cannot ${task}: treatment ${JSON.stringify(name)} ${state}`);
  };
  if (steps.some(({ open }) => open) && !seeds) return;
  const isTrained = steps.some(({ tune }) => tune);
  const odd = controls.find(({ use }) =>
    isTrained
      ? !["shuffled", "otherTask", "tuned", "prompt"].includes(use)
      : use === "shuffled" || use === "tuned"
  );
  if (odd) {
    refuse(
      isTrained
        ? `trains, and its control ${odd.use} edits units, wanted shuffled, otherTask, tuned or prompt`
        : `edits units, and its control ${odd.use} trains, wanted one that edits units too`,
    );
  }
  if (!isTrained) {
    if (seeds) refuse("has seeds and no tune step, wanted seeds of a training alone");
    return;
  }
  if (steps.length > 1) refuse(`has a tune step among ${steps.length} steps, wanted it alone`);
  if (curve) refuse("trains and has a curve, wanted one of edits");
  const again = seeds?.find((seed, i) => seeds.indexOf(seed) !== i);
  if (again !== undefined) refuse(`has the seed ${again} twice, wanted it once`);
}

/** What opens the model otherwise edits nothing and trains nothing. */
export function checkOpening({ name, steps, controls = [], curve }: TreatmentEntry, task: string): void {
  if (!steps.some(({ open }) => open)) return;
  const refuse = (state: string): never => {
    throw new UserError(`Cannot ${task}: treatment ${JSON.stringify(name)} ${state}`);
  };
  if (steps.length > 1) refuse(`has an open step among ${steps.length} steps, wanted it alone`);
  if (curve) refuse("opens the model otherwise and has a curve, wanted one of edits");
  const odd = controls.find(({ use }) => use !== "prompt");
  if (odd) {
    refuse(`opens the model otherwise, and its control ${odd.use} edits units or trains, wanted prompt`);
  }
}

/** Doses are of one list of units, each once. */
export function checkCurve({ name, steps, curve }: TreatmentEntry, task: string): void {
  if (!curve) return;
  const refuse = (state: string): never => {
    throw new UserError(`Cannot ${task}: the curve of treatment ${JSON.stringify(name)} ${state}`);
  };
  const again = curve.at.find((dose, i) => curve.at.indexOf(dose) !== i);
  if (again !== undefined) refuse(`has the dose ${again} twice, wanted it once`);
  if (curve.scale === "log" && curve.at.length < 2) refuse("has one dose on a log scale, wanted two or more");
  if (curve.over !== "units") return;
  const lists = steps.filter(({ select, edit }) => select || edit?.units).length;
  if (lists !== 1) refuse(`is over units of ${lists} lists, wanted one select or one list of units`);
  const isFound = steps.some(({ select }) => select);
  const odd = curve.at.find((dose) => !Number.isInteger(dose) && !(isFound && dose < 1));
  if (odd !== undefined) {
    refuse(`has the dose ${odd}, wanted whole numbers${isFound ? " or shares in (0, 1)" : ""}`);
  }
}
