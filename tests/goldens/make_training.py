"""Makes training/: what PyTorch and PEFT in float64 make of 20 updates of the tiny models of gradients/; see README.md.

    python make_training.py [--out FOLDER]

Each case is a recipe (core/trainer.ts) with its examples, all in every batch, each run alone, without padding. Losses, margins, gradients at
the first and at the last weights and the last weights are those of float64 (make_gradients.py says how transformers is made exact); beside them
stands how far the same program in float32, as transformers and PEFT come, ends from them. The optimiser is torch.optim.AdamW, clipping is
torch's, schedules are transformers'. peft/ is an adapter with random factors as PEFT saves it, with the model's logits in float64.
"""

import argparse
import hashlib
import math
import random
from pathlib import Path

import torch
from families import is_gpt2, sizes_of
from make_gradients import load_exact
from make_logits import about, load, write
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import get_scheduler

SEED, STEPS = 5, 20
SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine", "cosineRestarts": "cosine_with_restarts"}
MODULES = {"attn.q": "q_proj", "attn.k": "k_proj", "attn.v": "v_proj", "attn.out": "o_proj", "mlp.gate": "gate_proj", "mlp.up": "up_proj",
           "mlp.out": "down_proj", "unembed": "lm_head"}
CASES = [
    dict(name="full", model="biased", recipe=dict(
        parameters=dict(kind="full", blocks=["all"]), objective=dict(kind="crossEntropy", over="completion"),
        optimizer=dict(learningRate=0.003, weightDecay=0.05, clip=1.0), schedule=dict(kind="cosine", warmup=3))),
    dict(name="tied", model="gqa", recipe=dict(
        parameters=dict(kind="full", blocks=["embed", "layers.1.mlp", "layers.*.norms"]), objective=dict(kind="crossEntropy", over="all"),
        optimizer=dict(learningRate=0.002), schedule=dict(kind="constant"))),
    dict(name="lora", model="gqa", recipe=dict(
        parameters=dict(kind="lora", targets=["attn.q", "attn.v", "mlp.gate", "mlp.up", "mlp.out"], rank=4, alpha=8),
        objective=dict(kind="crossEntropy", over="completion"),
        optimizer=dict(learningRate=0.01, weightDecay=0.01, betas=[0.9, 0.99]), schedule=dict(kind="linear", warmup=2))),
    dict(name="dpo", model="gqa", recipe=dict(
        parameters=dict(kind="lora", targets=["attn.q", "attn.v", "mlp.gate", "mlp.up", "mlp.out", "unembed"], rank=4, alpha=6),
        objective=dict(kind="dpo", beta=0.1), optimizer=dict(learningRate=0.005, weightDecay=0.05), schedule=dict(kind="cosine", warmup=2))),
    dict(name="smoothed", model="biased", recipe=dict(
        parameters=dict(kind="full", blocks=["layers.*.mlp"]), objective=dict(kind="dpo", beta=0.3, labelSmoothing=0.1),
        optimizer=dict(learningRate=0.002), schedule=dict(kind="constant"))),
    dict(name="embedding", model="gqa", recipe=dict(
        parameters=dict(kind="embedding", token=7), objective=dict(kind="crossEntropy", over="completion"),
        optimizer=dict(learningRate=0.05), schedule=dict(kind="cosineRestarts", cycles=2))),
]

CASES.append(dict(name="capped", model="gemma2", recipe=dict(
    parameters=dict(kind="lora", targets=["attn.v", "mlp.out", "unembed"], rank=3, alpha=6),
    objective=dict(kind="dpo", beta=0.2), optimizer=dict(learningRate=0.004), schedule=dict(kind="constant"))))
# Of these the gradients at the first weights are kept: that every tensor of a family is trained, through whatever the family has of its own.
FAMILY_CASES = [dict(name=f"all of {model}", model=model, recipe=dict(
    parameters=dict(kind="full", blocks=["all"]), objective=dict(kind="crossEntropy", over=over), optimizer=dict(learningRate=0.001),
    schedule=dict(kind="constant"))) for model, over in
    [("qwen3", "all"), ("gemma2", "completion"), ("gemma3", "all"), ("gpt2", "all"), ("phi3", "completion"), ("olmo2", "all")]]


def draw_examples(case, vocab):
    rng = random.Random(f"{SEED}/{case['name']}")
    ids = lambda n: [rng.randrange(3, vocab) for _ in range(n)]
    examples = []
    for i in range(10):
        prompt = ids(rng.randrange(1, 9))
        if case["recipe"]["parameters"]["kind"] == "embedding":
            prompt.insert(rng.randrange(len(prompt) + 1), 7)
        if case["recipe"]["objective"]["kind"] == "dpo":
            examples.append(dict(prompt=prompt, chosen=ids(rng.randrange(1, 12)), rejected=ids(rng.randrange(1, 12))))
        else:
            examples.append(dict(prompt=prompt, completion=ids(rng.randrange(1, 14))))
    return examples


def is_trained(name, blocks):
    """Names of a Llama's weights in the blocks of core/trainer.ts."""
    for block in blocks:
        if block == "all" or (block == "embed" and "embed_tokens" in name):
            return True
        _, layer, part = [*block.split("."), None, None][:3]
        inside = name.startswith("model.layers.") and layer in ("*", name.split(".")[2])
        if inside and {"mlp": ".mlp." in name, "attn": ".self_attn." in name, "norms": "layernorm" in name}[part]:
            return True
    return False


class Trained:
    """A model and what of it is trained, by our names."""

    def __init__(self, folder, recipe, exact, initial=None):
        self.model = load_exact(folder) if exact else load(folder).requires_grad_(False)
        self.dtype = torch.float64 if exact else torch.float32
        self.row, self.peft, parameters = None, None, recipe["parameters"]
        if parameters["kind"] == "full":
            self.named = {name: p for name, p in self.model.named_parameters() if is_trained(name, parameters["blocks"])}
            self.base = load_exact(folder) if exact else load(folder).requires_grad_(False)
        elif parameters["kind"] == "lora":
            torch.manual_seed(SEED)
            config = LoraConfig(r=parameters["rank"], lora_alpha=parameters["alpha"], target_modules=[MODULES[t] for t in parameters["targets"]],
                                task_type="CAUSAL_LM")
            self.peft = get_peft_model(self.model, config, autocast_adapter_dtype=False)
            cut = lambda name: name.removeprefix("base_model.model.").replace(".default.", ".")
            self.named = {cut(name): p for name, p in self.peft.named_parameters() if "lora_" in name}
        else:
            self.token = parameters["token"]
            self.row = self.model.model.embed_tokens.weight[self.token].detach().clone()
            self.named = {f"model.embed_tokens.weight.{self.token}": self.row}
        with torch.no_grad():
            for name, p in self.named.items():
                assert p.dtype == self.dtype
                # What starts is float32, so that both start alike.
                p.copy_(initial[name] if initial else p.float())
                p.requires_grad_(True)

    def logprobs(self, prompt, response, model=None):
        """log P of each token after the first, [tokens - 1]."""
        ids = torch.tensor([prompt + response])
        model = model or self.peft or self.model
        if self.row is None:
            # A text's last token is read and not run, which counts where angles go by the length of what is run.
            long = model.config.model_type == "phi3"
            logits = model(ids[:, :-1] if long else ids, use_cache=False).logits[0]
        else:
            embeds = self.model.model.embed_tokens.weight[ids]
            embeds = torch.where((ids == self.token)[..., None], self.row, embeds)
            logits = model(inputs_embeds=embeds, use_cache=False).logits[0]
        return logits[:ids.shape[1] - 1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]

    def reference(self, prompt, response):
        with torch.no_grad():
            if self.peft:
                with self.peft.disable_adapter():
                    return self.logprobs(prompt, response)
            return self.logprobs(prompt, response, self.base)


def loss_of(trained, objective, examples):
    """The loss of all examples together, and the margins."""
    if objective["kind"] == "crossEntropy":
        parts = []
        for example in examples:
            found = trained.logprobs(example["prompt"], example["completion"])
            parts.append(found if objective["over"] == "all" else found[len(example["prompt"]) - 1:])
        return -torch.cat(parts).mean(), []
    margins, losses, s = [], [], objective.get("labelSmoothing", 0)
    for example in examples:
        start = len(example["prompt"]) - 1
        sums = lambda side, get: get(example["prompt"], example[side])[start:].sum()
        margin = (sums("chosen", trained.logprobs) - sums("rejected", trained.logprobs)
                  - sums("chosen", trained.reference) + sums("rejected", trained.reference))
        z = objective["beta"] * margin
        losses.append(-(1 - s) * torch.nn.functional.logsigmoid(z) - s * torch.nn.functional.logsigmoid(-z))
        margins.append(margin.item())
    return torch.stack(losses).mean(), margins


def gradients(trained, objective, examples):
    for p in trained.named.values():
        p.grad = None
    loss, margins = loss_of(trained, objective, examples)
    loss.backward()
    return loss.item(), margins, {name: p.grad.clone() for name, p in trained.named.items()}


def train(trained, recipe, examples):
    options, schedule = recipe["optimizer"], recipe["schedule"]
    groups = [dict(params=[p for p in trained.named.values() if (p.dim() > 1 or trained.row is not None) == decays],
                   weight_decay=options.get("weightDecay", 0) if decays else 0) for decays in (True, False)]
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=options["learningRate"], betas=tuple(options.get("betas", (0.9, 0.999))), eps=1e-8)
    more = dict(num_cycles=schedule["cycles"]) if "cycles" in schedule else {}
    scheduler = get_scheduler(SCHEDULES[schedule["kind"]], optimizer, schedule.get("warmup", 0), STEPS, more)
    steps = []
    for _ in range(STEPS):
        loss, margins, found = gradients(trained, recipe["objective"], examples)
        norm = torch.cat([g.flatten() for g in found.values()]).norm().item()
        steps.append(dict(loss=loss, rate=optimizer.param_groups[0]["lr"], norm=norm))
        if margins:
            steps[-1]["margin"] = sum(margins) / len(margins)
        if "clip" in options:
            torch.nn.utils.clip_grad_norm_(list(trained.named.values()), options["clip"])
        optimizer.step()
        scheduler.step()
    return steps


def make(folder, case, tensors):
    recipe, objective = case["recipe"], case["recipe"]["objective"]
    exact = Trained(folder, recipe, True)
    examples = draw_examples(case, exact.model.config.vocab_size)
    initial = {name: p.detach().clone() for name, p in exact.named.items()}
    before = {name: p.detach().clone() for name, p in exact.model.named_parameters() if p.requires_grad is False}
    first_loss, first_margins, first = gradients(exact, objective, examples)
    steps = train(exact, recipe, examples)
    last_loss, last_margins, last = gradients(exact, objective, examples)
    assert all(torch.equal(p, before[name]) for name, p in exact.model.named_parameters() if name in before)
    if objective["kind"] == "dpo":
        assert abs(first_loss - math.log(2)) < 1e-12
    final = {name: p.detach().clone() for name, p in exact.named.items()}
    plain = Trained(folder, recipe, False, {name: p.float() for name, p in initial.items()})
    plain_steps = train(plain, recipe, examples)
    flat = lambda tensors: torch.cat([tensors[name].detach().double().flatten() for name in final])
    distance = (flat(plain.named) - flat(final)).norm().item()
    moved = (flat(final) - flat(initial)).norm().item()
    apart = max(abs(a["loss"] - b["loss"]) for a, b in zip(steps, plain_steps))
    print(f"{case['name']}: loss {first_loss:.4f} to {last_loss:.4f}, weights moved by {moved:.3g}, float32 ends {distance:.2g} from float64")
    for name in final:
        if recipe["parameters"]["kind"] == "lora":
            tensors[f"{case['name']}/initial/{name}"] = initial[name].float().contiguous()
        tensors[f"{case['name']}/first/{name}"] = first[name].float().contiguous()
        tensors[f"{case['name']}/last/{name}"] = last[name].float().contiguous()
        tensors[f"{case['name']}/final/{name}"] = final[name].contiguous()
    return dict(name=case["name"], model=case["model"], recipe=recipe, examples=examples, steps=steps,
                first=dict(loss=first_loss, margins=first_margins), last=dict(loss=last_loss, margins=last_margins),
                float32=dict(distance=distance, moved=moved, loss=apart))


def ours(model, name, tensor):
    """A tensor under our names: packed projections apart, weights [out, in]."""
    queries, keys, mlp = sizes_of(model)
    if is_gpt2(model) and name.endswith(".weight") and any(part in name for part in (".c_attn.", ".c_proj.", ".c_fc.")):
        tensor = tensor.T
    for packed, parts in (("attn.c_attn", ("attn.c_attn.q", "attn.c_attn.k", "attn.c_attn.v")),
                          ("qkv_proj", ("q_proj", "k_proj", "v_proj")), ("gate_up_proj", ("gate_proj", "up_proj"))):
        if f".{packed}." in name:
            rows = tensor.split([queries, keys, keys] if len(parts) == 3 else [mlp, mlp])
            return [(name.replace(packed, part), part_rows) for part, part_rows in zip(parts, rows)]
    return [(name, tensor)]


def make_family(folder, case, tensors):
    trained = Trained(folder, case["recipe"], True)
    examples = draw_examples(case, trained.model.config.vocab_size)
    loss, _, found = gradients(trained, case["recipe"]["objective"], examples)
    for name, gradient in found.items():
        for own, part in ours(trained.model, name, gradient):
            tensors[f"{case['name']}/first/{own}"] = part.float().contiguous()
    print(f"{case['name']}: loss {loss:.4f}, {len(found)} tensors")
    return dict(case, examples=examples, first=dict(loss=loss, margins=[]))


def make_peft(folder, out, tensors, targets):
    model, key = load_exact(folder), f"{out.name}/logits"
    config = LoraConfig(r=3, lora_alpha=12, lora_dropout=0.1, target_modules=targets, task_type="CAUSAL_LM", fan_in_fan_out=is_gpt2(model))
    peft = get_peft_model(model, config, autocast_adapter_dtype=False)
    torch.manual_seed(SEED)
    ids = torch.randint(3, model.config.vocab_size, (1, 12))
    with torch.no_grad():
        for name, p in peft.named_parameters():
            if "lora_" in name:
                p.copy_(torch.randn(p.shape, dtype=torch.float32) * 0.2)
        tensors[key] = peft.eval()(ids, use_cache=False).logits[0].contiguous()
        with peft.disable_adapter():
            assert (tensors[key] - peft(ids, use_cache=False).logits[0]).abs().max() > 0.5
    for p in peft.parameters():
        p.data = p.data.float()
    peft.peft_config["default"].base_model_name_or_path = folder.name
    peft.save_pretrained(out)
    (out / "README.md").unlink()
    return ids[0].tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    out = parser.parse_args().out
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    tensors = {}
    cases = [make(out / "gradients" / case["model"], case, tensors) for case in CASES]
    families = [make_family(out / "gradients" / case["model"], case, tensors) for case in FAMILY_CASES]
    ids = {model: make_peft(out / "gradients" / model, out / "training" / name, tensors, targets) for model, name, targets in (
        ("gqa", "peft", ["q_proj", "o_proj", "up_proj", "lm_head"]), ("phi3", "peft_phi3", ["qkv_proj", "gate_up_proj", "down_proj"]),
        ("gpt2", "peft_gpt2", ["c_attn", "c_fc"]))}
    path = out / "training" / "training.safetensors"
    path.parent.mkdir(exist_ok=True)
    save_file(tensors, path)
    print(f"wrote {path} ({path.stat().st_size:,} bytes, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]})")
    made = {"models": {name: about(out / "gradients" / name)["weights"] for name in sorted({case["model"] for case in CASES + FAMILY_CASES})},
            "madeBy": "tests/goldens/make_training.py", "dtype": "float64", "steps": STEPS}
    write(path.with_suffix(".json"), {"about": made, "peft": {"ids": ids}, "cases": cases, "families": families})


if __name__ == "__main__":
    main()
