/** Child process of the SQLite tests: commits batches of one outcome to cell `key` and prints a line after each. */
import { openSqliteStore } from "../../../core/store/sqlite.ts";
import { outcomeOf } from "../../contracts/store_contract.ts";

const [path = "", key = "", batches = "0"] = Deno.args;
using store = openSqliteStore(path);
store.openCell(key, {}, Number(batches));
for (let i = 0; i < Number(batches); i++) {
  store.commit(key, [outcomeOf(i)]);
  console.log(`committed ${i}`);
}
