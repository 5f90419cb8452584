/** Where tests find what is not in the repository, and what stands in for the world. */
import type { Context } from "../core/mod.ts";

/** What varies from run to run, for results that are compared without it. */
export { UNRECORDED as UNUSED } from "../core/results.ts";

const root = new URL("../", import.meta.url).pathname;

/** Real benchmark data and small models; absent on most machines. */
export const SHARED = Deno.env.get("PLUMBLINE_SHARED") ?? new URL("../../shared", import.meta.url).pathname;
export const SHARED_DATA = `${SHARED}/data`;

const cache = Deno.env.get("PLUMBLINE_CACHE") ??
  `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`}/plumbline`;

/** SmolLM2-135M-Instruct as fixtures/README.md says to get it. */
export const REAL_MODEL = Deno.env.get("PLUMBLINE_MODEL") ??
  `${cache}/models/SmolLM2-135M-Instruct.Q4_1.gguf`;

/** A real model of another family. */
export const GEMMA = `${cache}/models/gemma-3-270m.Q4_K_M.gguf`;

const PLACES = {
  shared: SHARED_DATA,
  model: REAL_MODEL,
  gemma: GEMMA,
  swiftshader: "/usr/lib/chromium/vk_swiftshader_icd.json",
  chromium: "/usr/bin/chromium",
};

/** Spread into a test: it is skipped where something it needs is absent, but fails under CI=true, which installs everything. */
export function needs(...names: (keyof typeof PLACES)[]): { readonly ignore: boolean } {
  const missing = names.some((name) => !exists(PLACES[name]));
  return { ignore: missing && Deno.env.get("CI") !== "true" };
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** A context that says nothing and is never aborted; its cache is the user's, so that weights are widened once. */
export function testContext(options: Partial<Context> = {}): Context {
  return {
    cacheDir: cache,
    baseDir: root,
    signal: new AbortController().signal,
    log: () => {},
    now: () => performance.now(),
    threads: 2,
    ...options,
  };
}
