"""Answers the questions of benchmarks/matrices/demo.json in transformers (float32) and writes tests/goldens/demo.json: shares under each treatment.

Usage: python tests/goldens/make_demo_goldens.py [--dry]     (needs torch, transformers, tokenizers; --dry prints only)
"""
import hashlib, json, sys
from pathlib import Path
import torch, tokenizers, transformers
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

ROOT = Path(__file__).resolve().parents[2]
MATRIX = ROOT / "benchmarks/matrices/demo.json"
LETTERS = "ABCD"
# Two programs in float32 may each be off by 2e-3 on a logit: nearer ones may come in either order.
NEAR = 4e-3
torch.set_num_threads(1)

matrix = json.loads(MATRIX.read_text())
folder = (MATRIX.parent / matrix["models"][0]["params"]["path"]).resolve()
model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
rows = [json.loads(line) for line in (MATRIX.parent / matrix["data"] / "worlds.jsonl").read_text().splitlines()]


def items(params):
    """Questions that the world answers, in the phrasings that no lesson has."""
    return [r for r in rows if r["family"] == params["family"] and r["topic"] in params["topics"]
            and r["part"] == "report" and r.get("answer") is not None]


def prompt(row):
    options = (f"{letter}. {option}" for letter, option in zip(LETTERS, row["options"]))
    return " ".join([row["text"], *options, "Answer:"])


def last_logits(prompts):
    """By prompt; a batch a length, so that nothing is padded."""
    ids = [tokenizer(p, add_special_tokens=False)["input_ids"] for p in prompts]
    assert not any(tokenizer.unk_token_id in each for each in ids)
    out = [None] * len(ids)
    for length in sorted({len(i) for i in ids}):
        places = [r for r, i in enumerate(ids) if len(i) == length]
        with torch.no_grad():
            logits = model(torch.tensor([ids[r] for r in places]), use_cache=False).logits[:, -1]
        for r, row in zip(places, logits):
            out[r] = row
    return torch.stack(out)


def hooks(treatment):
    """Multiplies the named columns of gate_proj's output."""
    made = []
    for step in treatment["steps"]:
        edit = step["edit"]
        value = {"suppress": lambda: 0.0, "scale": lambda: edit["params"]["value"]}[edit["use"]]()
        for entry in json.loads((MATRIX.parent / edit["units"]).read_text())["units"]:
            _, layer, site = entry["tap"].split(".", 2)
            assert site == "mlp.gate"
            factor = torch.ones(model.config.intermediate_size)
            factor[entry["units"]] = value
            gate = model.model.layers[int(layer)].mlp.gate_proj
            made.append(gate.register_forward_hook(lambda _module, _input, output, factor=factor: output * factor))
    return made


def measure(questions, treatment):
    made = hooks(treatment)
    logits = last_logits([prompt(q) for q in questions])
    for hook in made:
        hook.remove()
    exact = valid = 0
    for q, best in zip(questions, logits.argmax(-1).tolist()):
        letters = [tokenizer.convert_tokens_to_ids(letter) for letter in LETTERS[:len(q["options"])]]
        exact += best == letters[q["answer"]]
        valid += best in letters
    two = logits.topk(2).values
    n = len(questions)
    gaps = two[:, 0] - two[:, 1]
    return {"exact_match": exact / n, "valid": valid / n, "margin": float(gaps.min()), "near": int((gaps < NEAR).sum())}


treatments = [{"name": "untouched", "steps": []}, *matrix["treatments"]]
benchmarks = {}
for benchmark in matrix["benchmarks"]:
    questions = items(benchmark["params"])
    benchmarks[benchmark["name"]] = {"items": len(questions), **{t["name"]: measure(questions, t) for t in treatments}}
    print(benchmark["name"], benchmarks[benchmark["name"]])

golden = {
    "about": "benchmarks/matrices/demo.json in transformers' LlamaForCausalLM, float32; margin is the smallest distance, over the "
             "items, of the two highest logits, near the number of items where it is below 4e-3",
    "made_by": "tests/goldens/make_demo_goldens.py",
    "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "tokenizers": tokenizers.__version__},
    "model_sha256": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
    "benchmarks": benchmarks,
}
if "--dry" not in sys.argv:
    (ROOT / "tests/goldens/demo.json").write_text(json.dumps(golden, indent=1) + "\n")
