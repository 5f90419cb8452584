import { assertEquals } from "@std/assert";
import { countryCluster } from "../../core/country.ts";

Deno.test("countryCluster() spells a country the same however data sets do, and what is spelled so already as it is", () => {
  const spelled = {
    US: ["US", "USA", "United States", "united_states_of_america", " United States of America"],
    UK: ["UK", "United Kingdom", "united_kingdom", "Great Britain"],
    South_Korea: ["South Korea", "south_korea", "South_Korea"],
    Bosnia_and_Herzegovina: ["bosnia_and_herzegovina", "Bosnia and Herzegovina"],
    "Timor-leste": ["timor-leste", "Timor-leste"],
    Nigeria: ["nigeria"],
    Northern_Nigeria: ["Northern_Nigeria"],
    Iran: ["iran", "Iran"],
  };
  for (const [cluster, names] of Object.entries(spelled)) {
    assertEquals(names.map(countryCluster), names.map(() => cluster));
  }
});
