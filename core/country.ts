/** One spelling of a country, so that scores by country of one benchmark find those of another. */

const SHORT: Readonly<Record<string, string>> = {
  USA: "US",
  United_States: "US",
  United_States_of_America: "US",
  United_Kingdom: "UK",
  Great_Britain: "UK",
};
const SMALL: readonly string[] = ["and", "of", "the"];

/**
 * The name of the cluster "country": words with a capital, parted by underscores, "US" and "UK" short. Whether two names are those of one place is
 * not asked: "Nigeria" is not "Northern_Nigeria".
 *
 * @param name as a data set spells it: "South Korea", "south_korea", "United States"
 *
 * @example
 * ```ts
 * import { countryCluster } from "./country.ts";
 * const names = ["South Korea", "united_states_of_america", "UK"].map(countryCluster);
 * if (names.join() !== "South_Korea,US,UK") throw new Error("another spelling");
 * ```
 */
export function countryCluster(name: string): string {
  const words = name.trim().split(/[\s_]+/)
    .map((word) => SMALL.includes(word) ? word : word.charAt(0).toUpperCase() + word.slice(1));
  const spelled = words.join("_");
  return SHORT[spelled] ?? spelled;
}
