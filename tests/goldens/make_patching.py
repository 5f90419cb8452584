"""Writes patching.json: what transformers makes of gradients/gqa when activations of another run are set into it.

    python make_patching.py

The other weights are those of the same checkpoint with the numbers of some tensors in reverse order. Values are recorded and set by hooks;
patched generation runs both models on the whole text at every step, without a cache. float32.
"""

import random
import re
from contextlib import contextmanager
from pathlib import Path

import torch
from make_logits import about, load, short, site_of, write

HERE = Path(__file__).parent
FOLDER = HERE / "gradients" / "gqa"
REVERSED = r"\.(self_attn\.q_proj|self_attn\.v_proj|mlp\.up_proj)\.weight$"
SEED = 5
COUNT = 12


def reversed_copy():
    model = load(FOLDER)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if re.search(REVERSED, name):
                weight.copy_(weight.flatten().flip(0).reshape(weight.shape))
    return model


@contextmanager
def hooked(model, tap, change):
    """Calls change(x) with the tap's tensor [1, tokens, columns], which it may change in place."""
    def pre(_, args):
        x = args[0].clone()
        change(x)
        return (x, *args[1:])

    def after(_, _args, out):
        x = out.clone()
        change(x)
        return x

    module, is_input = site_of(model, tap)
    handle = module.register_forward_pre_hook(pre) if is_input else module.register_forward_hook(after)
    try:
        yield
    finally:
        handle.remove()


def patched(target, source, case, ids, other):
    """Logits [tokens, vocab] of the target on `ids`, its units set to what the source has on `other`."""
    recorded = {}
    for part in case["units"]:
        with hooked(source, part["tap"], lambda x: recorded.update({part["tap"]: x[0].clone()})):
            source(torch.tensor([other]), use_cache=False)

    def run(parts):
        if not parts:
            return target(torch.tensor([ids]), use_cache=False).logits[0]
        tap, units = parts[0]["tap"], parts[0]["units"]
        span = target.config.head_dim if tap.endswith("attn.head") else 1
        columns = [unit * span + j for unit in units for j in range(span)]

        def change(x):
            for position in case.get("positions", range(min(len(ids), len(other)))):
                x[0, position, columns] = recorded[tap][position, columns]

        with hooked(target, tap, change):
            return run(parts[1:])

    return run(case["units"])


def group(tap, units):
    return {"tap": tap, "units": units}


@torch.inference_mode()
def main():
    model, other = load(FOLDER), reversed_copy()
    rng = random.Random(SEED)
    text = lambda count: [rng.randrange(3, model.config.vocab_size) for _ in range(count)]
    some = lambda total, count: sorted(rng.sample(range(total), count))
    prompts = [text(count) for count in (7, 4, 11)]
    runs = [
        {"name": "two heads of one layer from another prompt, at two positions", "source": "self", "positions": [2, 5],
         "units": [group("layers.1.attn.head", [0, 4])], "prompt": prompts[0], "other": text(7)},
        {"name": "MLP units of two layers from other weights, everywhere", "source": "other",
         "units": [group("layers.0.mlp.act", some(80, 30)), group("layers.2.mlp.act", some(80, 30))],
         "prompt": prompts[0], "other": prompts[0]},
        {"name": "queries, values and the residual from a shorter prompt", "source": "self",
         "units": [group("layers.0.attn.v", some(16, 9)), group("layers.1.attn.q", some(48, 20)), group("layers.1.resid_post", some(48, 20))],
         "prompt": prompts[2], "other": prompts[1]},
    ]
    for case in runs:
        source = other if case["source"] == "other" else model
        logits = patched(model, source, case, case["prompt"], case["other"])[-1]
        plain = model(torch.tensor([case["prompt"]]), use_cache=False).logits[0, -1]
        case["change"] = short((logits - plain).abs().max())
        assert case["change"] > 0.05, case["name"]
        case["logits"] = [short(v) for v in logits]

    generations = []
    for name, units in [
        ("half the MLP units of every layer", [group(f"layers.{layer}.mlp.act", some(80, 40)) for layer in range(3)]),
        ("two heads and some columns of the residual", [group("layers.0.attn.head", [1, 5]), group("layers.1.resid_pre", some(48, 16))]),
    ]:
        for prompt in prompts:
            ids, gaps = list(prompt), []
            for _ in range(COUNT):
                best = torch.topk(patched(model, other, {"units": units}, ids, ids)[-1], 2)
                gaps.append(float(best.values[0] - best.values[1]))
                ids.append(int(best.indices[0]))
            tokens = ids[len(prompt):]
            generations.append({"name": name, "units": units, "prompt": prompt, "tokens": tokens, "gap": short(min(gaps))})
            print(name, tokens, f"gap {min(gaps):.4f}")
    write(HERE / "patching.json", {
        "about": {**about(FOLDER), "madeBy": "tests/goldens/make_patching.py", "reversed": REVERSED},
        "runs": runs,
        "generations": generations,
    })


if __name__ == "__main__":
    main()
