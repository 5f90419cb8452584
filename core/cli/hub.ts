/** `hf:` names as the commands look them up: in the user's cache, without any network. */
import type { Located } from "../hub/locate.ts";
import { locateHub } from "../hub/locate.ts";
import type { HubName } from "../hub/name.ts";
import { hubCache } from "../hub/settings.ts";
import { taskCommand, userDir } from "./environment.ts";

export { isHubName } from "../hub/name.ts";

/** Where a name lies, with a note when nobody knows whether all of it does. @throws {UserError} with the command that fetches it. */
export function locate(text: string, kind: HubName["kind"]): Located {
  const command = taskCommand("fetch");
  const cache = hubCache((name) => Deno.env.get(name), userDir());
  const found = locateHub(text, { cache, kind, command });
  if (!found.listed) {
    console.error(
      `Note: no list of the files of ${text} is kept, "${command} ${text}" sees to it that none is missing`,
    );
  }
  return found;
}
