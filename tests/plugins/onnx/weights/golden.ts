/** A JSON file below tests/goldens. */
export function readGolden<T>(name: string): T {
  return JSON.parse(Deno.readTextFileSync(new URL(`../../../goldens/${name}`, import.meta.url))) as T;
}
