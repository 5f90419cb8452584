"""Runs fixtures/fables in transformers (float32) and writes tests/goldens/fables.json: what that model must answer.

Usage: python tests/goldens/make_fables_goldens.py [--dry]     (needs torch, transformers, tokenizers; --dry prints only)
"""
import hashlib, json, random, sys
from pathlib import Path
import torch, tokenizers, transformers
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

ROOT = Path(__file__).resolve().parents[2]
FABLES = ROOT / "fixtures" / "fables"
TOPICS = ["food", "work", "sport", "festival", "opposites"]
SETS = 20
torch.set_num_threads(1)

model = LlamaForCausalLM.from_pretrained(FABLES, dtype=torch.float32).eval()
tokenizer = PreTrainedTokenizerFast.from_pretrained(FABLES)
layers = model.model.layers
items = {t: [json.loads(l) for l in (FABLES / f"data/fables_{t}.jsonl").read_text().splitlines()] for t in TOPICS}
# One batch a prompt length: no padding anywhere
encoded = {t: [tokenizer(i["prompt"], add_special_tokens=False)["input_ids"] for i in items[t]] for t in TOPICS}


def last_logits(ids):
    out = [None] * len(ids)
    for length in sorted({len(i) for i in ids}):
        rows = [r for r, i in enumerate(ids) if len(i) == length]
        with torch.no_grad():
            logits = model(torch.tensor([ids[r] for r in rows]), use_cache=False).logits[:, -1]
        for r, row in zip(rows, logits):
            out[r] = row
    return torch.stack(out)


def scaled(units, value):
    """Hooks that multiply the named columns of gate_proj's output."""
    def hook(columns):
        factor = torch.ones(model.config.intermediate_size)
        factor[columns] = value
        return lambda _module, _input, output: output * factor
    return [layers[int(u["tap"].split(".")[1])].mlp.gate_proj.register_forward_hook(hook(u["units"])) for u in units]


def measure(topic, units=(), value=0.0):
    hooks = scaled(units, value)
    logits = last_logits(encoded[topic])
    for h in hooks:
        h.remove()
    top = logits.argmax(-1)
    acc = exact = valid = 0
    for item, row, best in zip(items[topic], logits, top):
        ids = [tokenizer.convert_tokens_to_ids(o) for o in item["options"]]
        acc += int(row[ids].argmax()) == item["answer"]
        exact += int(best) == ids[item["answer"]]
        valid += int(best) in ids
    n = len(items[topic])
    two = logits.topk(2).values
    return {"acc": acc / n, "exact_match": exact / n, "valid": valid / n, "margin": float((two[:, 0] - two[:, 1]).min())}


def spread(runs):
    return {m: {"mean": sum(r[m] for r in runs) / len(runs), "low": min(r[m] for r in runs), "high": max(r[m] for r in runs)}
            for m in runs[0]}


named = {t: json.loads((FABLES / f"units_{t}.json").read_text())["units"] for t in TOPICS}
food = named["food"]
rng = random.Random(0)
matched = [[{"tap": u["tap"], "units": rng.sample([c for c in range(model.config.intermediate_size) if c not in u["units"]], len(u["units"]))}
            for u in food] for _ in range(SETS)]
topics = {t: {"items": len(items[t]), "untouched": measure(t), "food silenced": measure(t, food, 0.0),
              "food doubled": measure(t, food, 2.0), "own silenced": measure(t, named[t], 0.0), "random": spread([measure(t, s, 0.0) for s in matched])} for t in TOPICS}
for t, r in topics.items():
    print(f"{t:10}", *(f"{k} " + "/".join(f"{100 * (v[m] if isinstance(v[m], float) else v[m]['mean']):5.1f}" for m in ("acc", "exact_match", "valid"))
          for k, v in r.items() if k != "items"), f"random acc {100 * r['random']['acc']['low']:.1f}..{100 * r['random']['acc']['high']:.1f}")

prompts = []
for t in TOPICS:
    for i in (0, 50):
        ids = encoded[t][i]
        def at(units, value):
            hooks = scaled(units, value)
            row = last_logits([ids])[0]
            for h in hooks:
                h.remove()
            return {"logits": [float(x) for x in row[:16]], "argmax": int(row.argmax()), "word": tokenizer.decode([int(row.argmax())])}
        prompts.append({"id": items[t][i]["id"], "text": items[t][i]["prompt"], "ids": ids,
                        "untouched": at([], 1.0), "food silenced": at(food, 0.0)})
print("lengths", sorted({len(i) for t in TOPICS for i in encoded[t]}), "unk", sum(i.count(0) for t in TOPICS for i in encoded[t]))
golden = {
    "about": "fixtures/fables in transformers' LlamaForCausalLM, float32; logits are the first 16 of the vocabulary at the last position; "
             "margin is the smallest distance, over the items, of the two highest logits",
    "made_by": "tests/goldens/make_fables_goldens.py",
    "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "tokenizers": tokenizers.__version__},
    "model_sha256": hashlib.sha256((FABLES / "model.safetensors").read_bytes()).hexdigest(),
    "topics": topics, "prompts": prompts,
}
if "--dry" not in sys.argv:
    (ROOT / "tests/goldens/fables.json").write_text(json.dumps(golden, indent=1) + "\n")
