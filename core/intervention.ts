/** From units to edits. */
import type { z } from "zod";
import type { Edit, Unit } from "./model.ts";

export interface Intervention<Params = unknown> {
  readonly name: string;
  readonly version: string;
  readonly title: string;
  readonly params: z.ZodType<Params>;
  /** Pure. One edit a tap, taps in the order in which they first appear, units ascending. */
  edits(units: readonly Unit[], params: Params): readonly Edit[];
}
