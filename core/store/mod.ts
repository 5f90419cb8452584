/** The stores themselves, apart from core/mod.ts: who only needs the contract shall not load SQLite. */
export { type Columns, columnsOf, keepColumns } from "./columns.ts";
export { createMemoryStore } from "./memory.ts";
export { openSqliteStore } from "./sqlite.ts";
