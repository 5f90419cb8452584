"""Runs fixtures/worlds/seed-0/planted, the demo, in transformers (float32) and writes tests/goldens/world.json: what it must answer.

Usage: python tests/goldens/make_world_goldens.py     (needs torch, transformers, tokenizers)
"""
import hashlib, json
from pathlib import Path
import torch, tokenizers, transformers
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

ROOT = Path(__file__).resolve().parents[2]
SEED = ROOT / "fixtures" / "worlds" / "seed-0"
MODEL = SEED / "planted"
LETTERS = "ABCD"
torch.set_num_threads(1)

model = LlamaForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
tokenizer = PreTrainedTokenizerFast.from_pretrained(MODEL)
matrix = json.loads((ROOT / "benchmarks/matrices/demo.json").read_text())
rows = [json.loads(line) for line in (SEED / "data/worlds.jsonl").read_text().splitlines()]


def items_of(params):
    return [r for r in rows if r["part"] == "report" and "answer" in r and r["family"] == params["family"]
            and r["topic"] in params.get("topics", [r["topic"]])]


def prompt_of(item):
    options = " ".join(f"{LETTERS[i]}. {option}" for i, option in enumerate(item["options"]))
    return f'{item["text"]} {options} Answer:'


def scaled(units, value):
    """Hooks that multiply the named columns of gate_proj's output."""
    def hook(columns):
        factor = torch.ones(model.config.intermediate_size)
        factor[columns] = value
        return lambda _module, _input, output: output * factor
    return [model.model.layers[int(u["tap"].split(".")[1])].mlp.gate_proj.register_forward_hook(hook(u["units"])) for u in units]


def measure(items, units, value):
    hooks = scaled(units, value)
    exact = valid = 0
    margin = float("inf")
    for item in items:
        ids = tokenizer(prompt_of(item), add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            row = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
        labels = [tokenizer.convert_tokens_to_ids(letter) for letter in LETTERS[: len(item["options"])]]
        best = int(row.argmax())
        exact += best == labels[item["answer"]]
        valid += best in labels
        two = row.topk(2).values
        margin = min(margin, float(two[0] - two[1]))
    for hook in hooks:
        hook.remove()
    return {"exact_match": exact / len(items), "valid": valid / len(items), "margin": margin}


def edits(treatment):
    edit = treatment["steps"][0]["edit"]
    units = json.loads((ROOT / "benchmarks/matrices" / edit["units"]).read_text())["units"]
    return units, edit.get("params", {}).get("value", 0.0)


arms = {"untouched": ([], 1.0), **{t["name"]: edits(t) for t in matrix["treatments"]}}
found = {}
for benchmark in matrix["benchmarks"]:
    items = items_of(benchmark["params"])
    found[benchmark["name"]] = {"items": len(items), **{arm: measure(items, *edit) for arm, edit in arms.items()}}
    print(benchmark["name"], found[benchmark["name"]])
golden = {
    "about": "the demo in transformers' LlamaForCausalLM, float32; margin is the smallest distance, over the items, of the two highest logits",
    "made_by": "tests/goldens/make_world_goldens.py",
    "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "tokenizers": tokenizers.__version__},
    "model_sha256": hashlib.sha256((MODEL / "model.safetensors").read_bytes()).hexdigest(),
    "benchmarks": found,
}
(ROOT / "tests/goldens/world.json").write_text(json.dumps(golden, indent=1) + "\n")
