"""Makes gradients/: tiny random checkpoints, and what PyTorch in float64 makes of them; see README.md.

    python make_gradients.py [--out FOLDER] [MODEL ...]     (default all)

The modules and their wiring are those of transformers' class for the model's family. Three parts of it compute in float32 whatever the weights are (norm,
rotary tables, softmax); they are replaced below, and the whole is compared with the untouched float32 model. Gradients are autograd's,
and are compared with central differences. Token ids, edits and targets are drawn from a seed.
"""

import argparse
import hashlib
import json
import math
import random
import types
from pathlib import Path

import torch
from families import CLASSES, FAMILIES, blocks_of, final_norm_of, is_gpt2, place_of, sites_of, sizes_of, span_of, tensors_of
from make_logits import Place, about, applier, edit, load, write
from safetensors.torch import save_file
from transformers import AttentionInterface

SEED = 3
# Central differences take minutes: cases that between them have every kind of position, several texts, and edits.
CHECKED = ("logprob", "cloze, edited", "crossEntropy all")
# Their activations would show nothing that the others' do not.
ONLY_GRADIENTS = ("logitDifference", "crossEntropy completion", "crossEntropy prompt", "crossEntropy all", "crossEntropy of a stretch")
SPECIAL = ["[UNK]", "[BOS]", "[EOS]"]

# Of a family beside Llama: that it is drawn as it is, not every objective.
OF_FAMILY = ("logprob", "cloze", "crossEntropy all", "logprob, edited", "cloze, edited")
# Of those whose parts write through a norm of their own, or whose last norm is another.
OF_ANOTHER_READOUT = ("logitDifference",)
# Between them: grouped and single queries, tied and own output matrix, no biases and all, heads * headDim as wide as the residual and not.
MODELS = {
    "gqa": dict(num_hidden_layers=3, hidden_size=48, num_attention_heads=6, num_key_value_heads=2, head_dim=8,
                intermediate_size=80, vocab_size=96, tie_word_embeddings=True, attention_bias=False, mlp_bias=False,
                rope_theta=100.0, rms_norm_eps=1e-5),
    "biased": dict(num_hidden_layers=2, hidden_size=24, num_attention_heads=3, num_key_value_heads=3, head_dim=12,
                   intermediate_size=28, vocab_size=64, tie_word_embeddings=False, attention_bias=True, mlp_bias=True,
                   rope_theta=10000.0, rms_norm_eps=1e-6),
    **FAMILIES,
}

def make_checkpoint(folder, sizes):
    torch.manual_seed(SEED)
    tensors, family = tensors_of(sizes), sizes.get("model_type", "llama")
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    # The activation and the context are written where the family does not call them otherwise.
    own = {} if family == "gpt2" else dict(max_position_embeddings=64)
    if family == "llama" or "hidden_activation" not in sizes and family != "gpt2":
        own["hidden_act"] = "silu"
    config = {**dict(architectures=[CLASSES[family]], model_type=family), **({"hidden_act": own.pop("hidden_act")} if "hidden_act" in own else {}),
              **dict(bos_token_id=1, eos_token_id=2), **own, **dict(torch_dtype="float32"), **sizes}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    vocab = sizes["vocab_size"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(vocab)) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps(dict(bos_token="[BOS]", eos_token="[EOS]", unk_token="[UNK]")) + "\n")


def tokenizer(vocab):
    """Whole words w3, w4, ...: WordPiece without pieces."""
    words = SPECIAL + [f"w{i}" for i in range(len(SPECIAL), vocab)]
    flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    return {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None,
        "added_tokens": [dict(id=i, content=content, **flags) for i, content in enumerate(SPECIAL)],
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": False},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                  "vocab": {word: i for i, word in enumerate(words)}},
    }


def exact_norm(self, x):
    epsilon = getattr(self, "variance_epsilon", None) or self.eps
    return gain_of(self) * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + epsilon)


def gain_of(norm):
    return 1 + norm.weight if "Gemma" in type(norm).__name__ else norm.weight


def exact_rotary(self, x, position_ids, layer_type=None):
    rope = self.config.rope_parameters
    rope = rope if layer_type is None else rope[layer_type]
    span = int(span_of_config(self.config) * rope.get("partial_rotary_factor", 1))
    frequencies = rope["rope_theta"] ** -(torch.arange(0, span, 2, dtype=torch.float64) / span)
    gain = 1.0
    if rope["rope_type"] == "linear":
        frequencies = frequencies / rope["factor"]
    elif rope["rope_type"] == "longrope":
        original, whole = rope["original_max_position_embeddings"], self.config.max_position_embeddings
        long = position_ids.max().item() + 1 > original
        frequencies = frequencies / torch.tensor(rope["long_factor" if long else "short_factor"], dtype=torch.float64)
        gain = math.sqrt(1 + math.log(whole / original) / math.log(original))
    else:
        assert rope["rope_type"] == "default"
    angles = position_ids[..., None] * frequencies
    angles = torch.cat([angles, angles], -1)
    return gain * angles.cos(), gain * angles.sin()


def span_of_config(config):
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def exact_attention(module, query, key, value, attention_mask, scaling, sliding_window=None, softcap=None, **_):
    """Causal, one text, no cache: the mask is made here. A token sees `sliding_window` tokens, itself among them."""
    groups, tokens = getattr(module, "num_key_value_groups", 1), query.shape[2]
    key, value = (x.repeat_interleave(groups, 1) for x in (key, value))
    future = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
    if sliding_window is not None:
        future |= torch.ones(tokens, tokens, dtype=torch.bool).tril(-sliding_window)
    scores = query @ key.transpose(2, 3) * scaling
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    weights = scores.masked_fill(future, -torch.inf).softmax(-1)
    assert weights.dtype == torch.float64
    return (weights @ value).transpose(1, 2).contiguous(), weights


AttentionInterface.register("exact", exact_attention)


def load_exact(folder):
    """The checkpoint's float32 weights cast up, and float64 throughout."""
    model = load(folder, torch.float64).requires_grad_(False)
    model.set_attn_implementation("exact")
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = types.MethodType(exact_norm, module)
        if type(module).__name__.endswith("RotaryEmbedding"):
            module.forward = types.MethodType(exact_rotary, module)
    ids = torch.arange(3, 23)[None]
    with torch.no_grad():
        error = (model(ids, use_cache=False).logits - load(folder)(ids, use_cache=False).logits).abs().max()
    assert 0 < error < 2e-5, f"float64 and float32 are {error} apart"
    return model


def taps_of(model, layers=None):
    layers = range(model.config.num_hidden_layers) if layers is None else layers
    return ["embed", *(f"layers.{layer}.{site}" for layer in layers for site in sites_of(model))]


def forward(model, ids, prompt, edits):
    """Logits [tokens, vocab] and every tap's value after edits, [tokens, columns], whose gradients are kept."""
    place, seen, handles = Place(), {}, []
    place.prompt = prompt

    def visitor(tap):
        appliers = [applier(model, change, place) for change in edits if change["tap"] == tap]

        def visit(x):
            for apply in appliers:
                x = apply(x)
            x = x.detach().requires_grad_() if tap == "embed" else x.clone()
            x.retain_grad()
            seen[tap] = x
            return x

        return visit

    # Parts of a packed projection stand side by side, in the order of the taps.
    visits = {}
    for tap in taps_of(model):
        module, is_input, columns = place_of(model, tap)
        visits.setdefault((module, is_input), []).append((columns, visitor(tap)))
    for (module, is_input), parts in visits.items():

        def visit(x, parts=parts):
            return torch.cat([see(x[..., columns]) for columns, see in parts], -1)

        if is_input:
            handles.append(module.register_forward_pre_hook(lambda _, args, visit=visit: (visit(args[0]), *args[1:])))
        else:
            handles.append(module.register_forward_hook(lambda _, args, out, visit=visit: visit(out)))
    try:
        logits = model(torch.tensor([ids]), use_cache=False).logits[0]
    finally:
        for handle in handles:
            handle.remove()
    assert set(seen) == set(taps_of(model))
    return logits, seen


def of_sample(value, i):
    return value[i] if isinstance(value, list) else value


def share(objective, i, sample, branch, logits):
    """What the branch adds to the objective of sample i. [from, to) and the rest as core/model.ts says."""
    prompt, kind = sample["prompt"], objective["kind"]
    logprobs = logits.log_softmax(-1)
    if kind in ("probability", "logprob", "logitDifference"):
        if branch > 0:
            return None
        target, end = of_sample(objective["target"], i), len(prompt) - 1
        if kind == "logitDifference":
            return logits[end, target] - logits[end, of_sample(objective["against"], i)]
        return logprobs[end, target].exp() if kind == "probability" else logprobs[end, target]
    continuations = sample.get("continuations", [])
    text = prompt + (continuations[branch] if continuations else [])

    def span(first, end):
        return torch.stack([logprobs[p - 1, text[p]] for p in range(first, end)])

    if kind == "cloze":
        weight = 1 if branch == of_sample(objective["answer"], i) else -1 / (len(continuations) - 1)
        return weight * span(len(prompt), len(text)).sum()
    spans = {"completion": (len(prompt), len(text)), "prompt": (1, len(prompt)), "all": (1, len(text))}
    return -span(*(spans[objective["span"]] if isinstance(objective["span"], str) else objective["span"])).mean()


def run(model, case, i):
    """Objective, positions, activations and gradients of one sample: a branch is a text of its own, prompt rows are summed over them."""
    sample = case["samples"][i]
    prompt, edits = sample["prompt"], case.get("edits", []) + sample.get("edits", [])
    value, positions, activations, gradients = 0.0, list(range(len(prompt))), {}, {}
    for branch, continuation in enumerate(sample.get("continuations", [[]])):
        ids = prompt + continuation[:-1]
        logits, seen = forward(model, ids, len(prompt), edits)
        part = share(case["objective"], i, sample, branch, logits)
        if part is not None:
            part.backward()
            value += part.item()
        for tap, x in seen.items():
            rows = x.detach()[0]
            slope = torch.zeros_like(rows) if x.grad is None else x.grad[0]
            if branch == 0:
                activations[tap], gradients[tap] = rows, slope
            else:
                own = slice(len(prompt), None)
                assert (rows[: len(prompt)] - activations[tap][: len(prompt)]).abs().max() < 1e-12
                gradients[tap][: len(prompt)] += slope[: len(prompt)]
                activations[tap], gradients[tap] = (torch.cat(p) for p in
                                                    ((activations[tap], rows[own]), (gradients[tap], slope[own])))
        positions += range(len(prompt), len(ids))
    return value, positions, activations, gradients


def check_by_differences(model, case, i, tolerance=1e-6, step=1e-6):
    """Moves each tap along a random direction, a whole row at a time: the slope must be that of the gradient."""
    _, positions, activations, gradients = run(model, case, i)
    for tap, gradient in gradients.items():
        units = activations[tap].shape[1] // (span_of(model) if tap.endswith("attn.head") else 1)
        for position in sorted({0, positions[-1]}):
            direction = torch.randn(activations[tap].shape[1], dtype=torch.float64)
            ends = []
            for sign in (1, -1):
                moved = edit(tap, list(range(units)), "add", (sign * step * direction).tolist(), [position])
                ends.append(run(model, {**case, "edits": [*case.get("edits", []), *case["samples"][i].get("edits", []), moved],
                                        "samples": [{**s, "edits": []} for s in case["samples"]]}, i)[0])
            rows = [r for r, p in enumerate(positions) if p == position]
            slope, wanted = (ends[0] - ends[1]) / (2 * step), (gradient[rows].sum(0) @ direction).item()
            assert abs(slope - wanted) < tolerance * max(1, abs(wanted)), f"{case['name']} {tap} {position}: {slope} {wanted}"


def before(norm, x):
    """What a direction after a norm is before it, the norm's scale at x held fixed."""
    if isinstance(norm, torch.nn.LayerNorm):
        scale = torch.rsqrt(x.var(unbiased=False) + norm.eps)
        return lambda d: (d * norm.weight - (d * norm.weight).mean()) * scale
    scale = torch.rsqrt(x.square().mean() + (getattr(norm, "variance_epsilon", None) or norm.eps))
    return lambda d: d * gain_of(norm) * scale


def direct_parts(model, case, i):
    """Direct logit attribution: what a tap writes along d (target - against) / d last residual, the scales of the final norm, of norms after a
    block, and of a cap of logits (its slope) held fixed."""
    sample, objective = case["samples"][i], case["objective"]
    edits = case.get("edits", []) + sample.get("edits", [])
    logits, seen = forward(model, sample["prompt"], len(sample["prompt"]), edits)
    rows = {tap: x.detach()[0, -1] for tap, x in seen.items()}
    last = rows[taps_of(model)[-1]]
    cap = getattr(model.config, "final_logit_softcapping", None)
    ends = [(of_sample(objective[name], i), sign) for name, sign in (("target", 1), ("against", -1))]
    slope = {token: 1 if cap is None else 1 - (logits[-1, token].item() / cap) ** 2 for token, _ in ends}
    after = sum(sign * slope[token] * model.lm_head.weight[token] for token, sign in ends)
    direction = before(final_norm_of(model), last)(after)
    parts = {"embed": rows["embed"] * direction}
    for layer, block in enumerate(blocks_of(model)):
        at, span = f"layers.{layer}", span_of(model)
        follows = model.config.model_type in ("gemma2", "gemma3_text", "olmo2")
        through = {"attn.out": direction, "mlp.out": direction}
        if follows:
            through = {site: before(norm, rows[f"{at}.{site}"])(direction) for site, norm in
                       (("attn.out", block.post_attention_layernorm), ("mlp.out", block.post_feedforward_layernorm))}
        weight = block.attn.c_proj.weight.T if is_gpt2(model) else block.self_attn.o_proj.weight
        written = (weight.T @ through["attn.out"]) * rows[f"{at}.attn.head"]
        parts[f"{at}.attn.head"] = written.reshape(-1, span).sum(-1)
        for site in ("attn.out", "mlp.out"):
            parts[f"{at}.{site}"] = rows[f"{at}.{site}"] * through[site]
    whole = sum(part.sum() for tap, part in parts.items() if not tap.endswith("attn.head"))
    bias = getattr(final_norm_of(model), "bias", None)
    constant = 0 if bias is None else (after @ bias).item()
    if cap is None:
        assert abs(whole + constant - run(model, case, i)[0]) < 1e-9
    return parts


def make_cases(model):
    """Token ids and units from a seed; values of edits in sixteenths, which float32 holds exactly."""
    rng, config = random.Random(SEED), model.config
    heads, span, last = config.num_attention_heads, span_of(model), config.num_hidden_layers - 1
    width, (_, kv, mlp) = config.hidden_size, sizes_of(model)

    def ids(count):
        return [rng.randrange(len(SPECIAL), config.vocab_size) for _ in range(count)]

    def best(sample):
        return forward(model, sample["prompt"], len(sample["prompt"]), [])[0][-1].argmax().item()

    def text(prompt, *continuations):
        return {"prompt": ids(prompt), **({"continuations": [ids(n) for n in continuations]} if continuations else {})}

    def some(total, count):
        return sorted(rng.sample(range(total), count))

    def values(count, scale=1):
        return [rng.randrange(-32, 33) / 16 * scale for _ in range(count)]

    edits = [
        edit("layers.0.mlp.gate", some(mlp, 12), "scale", 0),
        edit("layers.0.attn.q", some(heads * span, 9), "scale", -1.5),
        edit("layers.1.attn.k", some(kv, 5), "add", values(5), "prompt"),
        edit("layers.1.attn.v", some(kv, 6), "set", 0.75, [1, 3]),
        edit("layers.1.attn.head", [2], "set", values(span), [0, 4]),
        edit("layers.1.attn.head", [0, 2], "scale", [2, 0.5]),
        edit(f"layers.{last}.resid_pre", some(width, 4), "add", values(4, 0.5)),
        edit(f"layers.{last}.mlp.act", some(mlp, 5), "add", 0.5, [2]),
        edit("embed", some(width, 6), "scale", 0.5),
    ]
    later = [
        edit("layers.0.resid_post", some(width, 3), "add", values(3), "generated"),
        edit(f"layers.1.mlp.{'gate' if is_gpt2(model) else 'up'}", some(mlp, 8), "scale", 0, [5, 7]),
        edit("layers.1.mlp.out", some(width, 7), "set", values(7)),
        edit("layers.0.attn.out", some(width, 7), "scale", values(7), "generated"),
    ]
    # Silenced by the call, then raised by the sample alone: what is left tells the order.
    again = edit("layers.0.mlp.gate", edits[0]["units"][:5], "add", 1.25)
    likely = text(6)
    yes, no, one, other = rng.sample(range(config.vocab_size), 4)
    return [
        dict(name="logprob", taps="all", objective=dict(kind="logprob", target=ids(4)),
             samples=[text(6), text(1), text(17), text(2)]),
        dict(name="probability", taps="one", objective=dict(kind="probability", target=[*ids(1), best(likely)]),
             samples=[text(3, 2, 3), likely]),
        dict(name="logitDifference", taps="one", objective=dict(kind="logitDifference", target=[yes, no], against=[no, one]),
             samples=[text(7), text(4)]),
        dict(name="cloze", taps="one", objective=dict(kind="cloze", answer=[1, 0]),
             samples=[text(5, 3, 2, 4), text(3, 1, 3, 2)]),
        dict(name="crossEntropy completion", taps="one", objective=dict(kind="crossEntropy", span="completion"),
             samples=[text(4, 3), text(2, 5)]),
        dict(name="crossEntropy prompt", taps="one", objective=dict(kind="crossEntropy", span="prompt"),
             samples=[text(6), text(2, 3)]),
        dict(name="crossEntropy all", taps="one", objective=dict(kind="crossEntropy", span="all"),
             samples=[text(4, 4), text(3)]),
        dict(name="crossEntropy of a stretch", taps="one", objective=dict(kind="crossEntropy", span=[2, 5]),
             samples=[text(3, 4), text(8)]),
        dict(name="logprob, edited", taps="all", edits=edits, objective=dict(kind="logprob", target=ids(2)),
             samples=[text(6), {**text(3), "edits": [*later[1:3], again]}]),
        dict(name="cloze, edited", taps="one", edits=later, objective=dict(kind="cloze", answer=2),
             samples=[{**text(4, 4, 3, 5), "edits": edits[:3]}]),
        dict(name="logitDifference, edited", taps="one", edits=edits[:6],
             objective=dict(kind="logitDifference", target=one, against=other), samples=[text(5)]),
    ]


def make_goldens(folder):
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    model = load_exact(folder)
    cases, tensors = make_cases(model), {}
    if model.config.model_type != "llama":
        another = model.config.model_type in ("gemma2", "gemma3_text", "gpt2", "olmo2")
        cases = [case for case in cases if case["name"] in (*OF_FAMILY, *(OF_ANOTHER_READOUT if another else ()))]
    for case in cases:
        name = case["name"]
        case["taps"] = taps_of(model, None if case["taps"] == "all" else [1])
        results = [run(model, case, i) for i in range(len(case["samples"]))]
        if name in CHECKED:
            check_by_differences(model, case, 0)
        case["objectives"], case["positions"] = [r[0] for r in results], [r[1] for r in results]
        for tap in case["taps"]:
            for quantity, at in (("activation", 2), ("gradient", 3)):
                if quantity == "activation" and name in ONLY_GRADIENTS:
                    continue
                tensors[f"{name}/{quantity}/{tap}"] = torch.cat([r[at][tap] for r in results]).float().contiguous()
        if case["objective"]["kind"] == "logitDifference":
            parts = [direct_parts(model, case, i) for i in range(len(case["samples"]))]
            for tap in parts[0]:
                tensors[f"{name}/direct/{tap}"] = torch.stack([part[tap] for part in parts]).float().contiguous()
        for i, (value, positions, _, gradients) in enumerate(results):
            largest = [g.abs().max().item() for g in gradients.values()]
            print(f"{folder.name} {name} {i}: {len(positions)} tokens, objective {value:.4f}, "
                  f"largest gradients {min(largest):.1e} to {max(largest):.1e}")
    path = folder / "gradients.safetensors"
    save_file(tensors, path)
    print(f"wrote {path} ({path.stat().st_size:,} bytes, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]})")
    made = {**about(folder), "madeBy": "tests/goldens/make_gradients.py", "dtype": "float64", "attention": "exact"}
    write(folder / "gradients.json", {"about": made, "cases": cases})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("models", nargs="*", choices=[*MODELS, []])
    given = parser.parse_args()
    out = given.out / "gradients"
    for name, sizes in MODELS.items():
        if given.models and name not in given.models:
            continue
        make_checkpoint(out / name, sizes)
        make_goldens(out / name)


if __name__ == "__main__":
    main()
