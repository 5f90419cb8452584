import { createMemoryStore } from "../../../core/store/memory.ts";
import { storeContract } from "../../contracts/store_contract.ts";

storeContract("createMemoryStore():", createMemoryStore);
