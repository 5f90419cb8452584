"""Makes logits/smollm2.json, logits/stories260k.json and logits/gemma3.json with transformers in float32; see README.md.

    python make_logits.py --smollm2 FOLDER --stories FOLDER --gemma FILE.gguf [--out FOLDER] [--float64]

Each FOLDER is a Hugging Face checkpoint (config.json, tokenizer.json, model.safetensors). All text below is our own; the prompts
and edits are data, hence the length.
--float64 also runs the prompts in float64 and prints how far float32 is from it: the base of the tolerance.
"""

import argparse
import contextlib
import hashlib
import json
import platform
import random
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

SEED = 0
TOP = 20
SAMPLED = 200
# Largest difference allowed between two float32 implementations; a top-two gap above twice that fixes the argmax.
TOLERANCE = 2e-3

STORY = (
    "The lighthouse keeper wrote down the weather every evening, and on the last page of each notebook she drew a small "
    "map of the bay. In spring the sandbanks moved, so the map was never quite the same. When the new keeper came, he put "
    "the notebooks side by side and saw that the channel had walked slowly to the east, a few steps a year, for thirty "
    "years. He marked the deepest point with a red buoy, told the fishermen, and nobody ran aground that winter. "
)
CODE = """def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2 == 1:
        return ordered[middle]
    return"""
LONG_CODE = """interface Point { readonly x: number; readonly y: number }

/** Area of a simple polygon by the shoelace formula; positive when the corners run anticlockwise. */
export function area(corners: readonly Point[]): number {
  let twice = 0;
  for (let i = 0; i < corners.length; i++) {
    const a = corners[i]!, b = corners[(i + 1) % corners.length]!;
    twice += a.x * b.y - b.x * a.y;
  }
  return twice / 2;
}

export function perimeter(corners: readonly Point[]): number {
  let sum = 0;
  for (let i = 0; i < corners.length; i++) {
    const a ="""


def chat(*turns):
    """Turns of (role, text), rendered later by the model's own template."""
    return [{"role": role, "content": content} for role, content in turns]


PROMPTS = {
    "one token": "The",
    "two tokens": "Good morning",
    "capital": "The capital city of Portugal is",
    "sentence": "After the rain stopped, the children ran outside and jumped over the",
    "digits": "3, 6, 9, 12, 15, 18, 21,",
    "long digits": "Order 4067 was paid on 2019-11-30: 1 x 1299.50 + 2 x 48.25 = 1396.00, invoice number 00817266354,",
    "sum": "17 + 25 = 42\n8 + 31 = 39\n40 + 16 =",
    "code": CODE,
    "long code": LONG_CODE,
    "chinese": "今天早上下雨了,所以我们坐公共汽车去",
    "japanese": "私の町には古い橋があり、川のそばに小さな",
    "korean": "아침에 도서관에 가서 책을 두 권",
    "emoji": "Weather report: Monday ☀️, Tuesday 🌧️🌧️, Wednesday ⛈️, Thursday 👩‍🚀🏳️‍🌈",
    "spaces": "  name\t\tcolour   size\n\n\n   apple\t\tred      small\n",
    "marks": "Él preguntó: «¿Où est la größte Straße?» - and nobody's naïve answer wasn't …",
    "chat": chat(("user", "Name three animals that live in the sea.")),
    "chat with system": chat(("system", "Answer in one word."), ("user", "Which colour do you get from blue and yellow?")),
    "chat of turns": chat(
        ("user", "I have 12 pens and give away 5. How many are left?"),
        ("assistant", "You have 7 pens left."),
        ("user", "And if I then buy 4 more? 谢谢 🙂"),
    ),
    "options": "Question: Where would you keep milk so that it stays fresh?\nA. drawer\nB. refrigerator\nC. window sill\n"
    "D. bookshelf\nE. car boot\nAnswer:",
    "long": STORY * 3 + "The most surprising thing in the notebooks was",
}

GREEDY = {
    "recipe": chat(("user", "How do I make a simple tomato soup?")),
    "poem": chat(("user", "Explain in two sentences why the sky is blue.")),
    "short": chat(("user", "What is the opposite of hot? Answer with one word.")),
}

EDITED_PROMPTS = ["capital", "digits", "code", "japanese", "chat with system", "options"]


def edit(tap, units, op, value, at=None):
    """An Edit as core/model.ts writes it."""
    out = {"tap": tap, "units": units, "op": op, "value": value}
    return out if at is None else {**out, "at": at}


def head_values(count, scale):
    """Values of one head, in sixteenths so that JSON and float32 hold them exactly."""
    rng = random.Random(SEED)
    return [rng.randrange(-32, 33) / 16 * scale for _ in range(count)]


def seeded_units(name, total, count):
    return sorted(random.Random(f"{SEED}/{name}").sample(range(total), count))


# Each case is a list of edits. "last" stands for the last position of the prompt at hand and is resolved before writing.
EDIT_CASES = {
    "gate units silenced in four layers": [
        edit(f"layers.{layer}.mlp.gate", seeded_units(f"gate {layer}", 1536, 200), "scale", 0) for layer in (2, 9, 17, 28)
    ],
    "one query column doubled, one value column set, one key column raised": [
        edit("layers.5.attn.q", [71], "scale", 2),
        edit("layers.5.attn.v", [100], "set", 0.5),
        edit("layers.5.attn.k", [37], "add", 0.3),
    ],
    "query columns scaled": [edit("layers.3.attn.q", list(range(0, 576, 3)), "scale", 2)],
    "key columns set": [edit("layers.8.attn.k", list(range(64, 128)), "set", 0.5)],
    "value columns raised": [edit("layers.12.attn.v", list(range(0, 192, 2)), "add", 0.3)],
    "one head silenced": [edit("layers.0.attn.head", [4], "scale", 0)],
    "two heads scaled apart": [edit("layers.6.attn.head", [1, 7], "scale", [3, -1])],
    "one head set to a vector": [edit("layers.11.attn.head", [8], "set", head_values(64, 1))],
    "residual raised before layer 10": [edit("layers.10.resid_pre", [3, 250, 575], "add", [6, -4.5, 9.25])],
    "residual raised after layer 20": [edit("layers.20.resid_post", [0, 111, 400], "add", [-20, 12.5, 30])],
    "act set": [edit("layers.14.mlp.act", list(range(0, 1536, 16)), "set", 0.75)],
    "MLP output scaled": [edit("layers.7.mlp.out", list(range(288)), "scale", -0.5)],
    "attention output scaled": [edit("layers.1.attn.out", list(range(100, 500)), "scale", 1.5)],
    "embedding scaled": [edit("embed", list(range(0, 576, 5)), "scale", 0.25)],
    "up scaled": [edit("layers.22.mlp.up", list(range(1, 1536, 2)), "scale", 2.5)],
    "edits of one place in turn": [
        edit("layers.4.mlp.out", [10, 20, 30], "set", 2),
        edit("layers.4.mlp.out", [20, 30, 40], "scale", 3),
        edit("layers.4.mlp.out", [30, 40, 50], "add", -1.5),
    ],
    "third position only": [edit("layers.2.mlp.act", list(range(0, 1536, 4)), "scale", 0, [2])],
    "last position only": [edit("layers.15.resid_pre", [7, 77, 177], "add", [15, -8, 4], "last")],
    "two places and positions": [
        edit("layers.13.attn.v", list(range(96)), "set", 0.125, [0, 2]),
        edit("layers.13.mlp.gate", list(range(768)), "add", 0.25, "last"),
    ],
}

GREEDY_EDITS = {
    "all": [
        edit("layers.12.mlp.gate", list(range(0, 1536, 2)), "scale", 0),
        edit("layers.18.attn.head", [0, 3], "scale", 0),
    ],
    "generated": [edit("layers.10.resid_pre", [3, 250, 575], "add", [12, -9, 18.5], "generated")],
    "prompt": [edit("layers.6.mlp.out", list(range(0, 576, 2)), "scale", 0, "prompt")],
}


class Place:
    """Where the tokens of the pass under way lie: hooks ask it, whoever calls the model sets it."""

    past = 0
    prompt = 0


def site_of(model, tap):
    """The module of a tap and whether the tap is its input (True) or its output (False)."""
    if tap == "embed":
        return model.model.embed_tokens, False
    _, layer, site = tap.split(".", 2)
    block = model.model.layers[int(layer)]
    return {
        "resid_pre": (block, True),
        "attn.q": (block.self_attn.q_proj, False),
        "attn.k": (block.self_attn.k_proj, False),
        "attn.v": (block.self_attn.v_proj, False),
        "attn.head": (block.self_attn.o_proj, True),
        "attn.out": (block.self_attn.o_proj, False),
        "mlp.gate": (block.mlp.gate_proj, False),
        "mlp.up": (block.mlp.up_proj, False),
        "mlp.act": (block.mlp.down_proj, True),
        "mlp.out": (block.mlp.down_proj, False),
        "resid_post": (block, False),
    }[site]


def applier(model, change, place):
    """The function that makes one edit of a tensor [1, tokens, columns]."""
    config = model.config
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    span = head if change["tap"].endswith(".attn.head") else 1
    columns = torch.tensor([unit * span + j for unit in change["units"] for j in range(span)])
    value = change["value"]
    if isinstance(value, (int, float)):
        value = [value] * len(columns)
    elif len(value) == len(change["units"]):
        value = [v for v in value for _ in range(span)]
    values = torch.tensor(value, dtype=model.dtype)
    at = change.get("at", "all")

    def touched(position):
        if at == "all":
            return True
        if at == "prompt":
            return position < place.prompt
        if at == "generated":
            return position >= place.prompt
        return position in at

    def apply(x):
        x = x.clone()
        for t in range(x.shape[1]):
            if not touched(place.past + t):
                continue
            if change["op"] == "scale":
                x[0, t, columns] *= values
            elif change["op"] == "set":
                x[0, t, columns] = values
            else:
                x[0, t, columns] += values
        return x

    return apply


@contextlib.contextmanager
def edited(model, edits, place):
    """Hooks act in the order of the edits: PyTorch calls those of one module in the order they were made."""
    handles = []
    for change in edits:
        module, is_input = site_of(model, change["tap"])
        apply = applier(model, change, place)
        if is_input:
            handles.append(module.register_forward_pre_hook(lambda _, args, apply=apply: (apply(args[0]), *args[1:])))
        else:
            handles.append(module.register_forward_hook(lambda _, args, out, apply=apply: apply(out)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.inference_mode()
def logits_of(model, ids, edits=(), prompt=None):
    """[tokens, vocab]; `prompt` is the number of prompt tokens (default all)."""
    place = Place()
    place.prompt = len(ids) if prompt is None else prompt
    with edited(model, edits, place):
        return model(torch.tensor([ids]), use_cache=False).logits[0]


@torch.inference_mode()
def greedy(model, ids, count, edits=()):
    """Greedy tokens under a key-value cache: (tokens without the stop token, finish, smallest top-two gap on the way)."""
    place = Place()
    place.prompt = len(ids)
    tokens, cache, feed, gaps = [], None, ids, []
    finish = "length"
    with edited(model, edits, place):
        while len(tokens) < count:
            out = model(torch.tensor([feed]), past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            place.past += len(feed)
            best = torch.topk(out.logits[0, -1], 2)
            gaps.append(float(best.values[0] - best.values[1]))
            token = int(best.indices[0])
            if token == model.config.eos_token_id:
                finish = "stop"
                break
            tokens.append(token)
            feed = [token]
    # The same choices must follow from one pass without a cache: a slip in the positions of the hooks would show here.
    whole = logits_of(model, ids + tokens, edits, len(ids))
    assert whole[len(ids) - 1 : len(ids) - 1 + len(tokens)].argmax(-1).tolist() == tokens, "cache and no cache differ"
    return tokens, finish, min(gaps)


def short(x):
    """A float32 as the shortest decimal that reads back as it."""
    return float(str(np.float32(x)))


def figures(row, sample):
    """What is kept of one row of logits."""
    row = row.detach().float()
    top = torch.topk(row, TOP)
    return {
        "argmax": int(top.indices[0]),
        "gap": short(top.values[0] - top.values[1]),
        "topIds": top.indices.tolist(),
        "topLogits": [short(v) for v in top.values],
        "sampleLogits": [short(v) for v in row[torch.tensor(sample)]],
    }


def encode(tokenizer, prompt):
    text = prompt
    if not isinstance(prompt, str):
        text = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
    return text, tokenizer.encode(text, add_special_tokens=False)


def weights_hash(folder):
    """sha256 over names, shapes and float32 bytes of all tensors, by name: says the same however they were saved."""
    digest = hashlib.sha256()
    with safe_open(folder / "model.safetensors", "np") as file:
        for name in sorted(file.keys()):
            tensor = file.get_tensor(name)
            assert tensor.dtype == np.float32, f"{name} is {tensor.dtype}"
            digest.update(f"{name} {list(tensor.shape)}\n".encode())
            digest.update(tensor.tobytes())
    return digest.hexdigest()


def about(folder, **more):
    return {
        "madeBy": "tests/goldens/make_logits.py",
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "weights": weights_hash(folder),
        "dtype": "float32",
        "attention": "eager",
        **more,
    }


def load(folder, dtype=torch.float32):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager")
    return model.eval()


def write(path, document):
    """One line for each innermost record, so that a change shows as a line; then reads it back."""
    lines = []
    for key, value in document.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            body = ",\n".join(json.dumps(v, ensure_ascii=False, separators=(",", ":")) for v in value)
            lines.append(f"{json.dumps(key)}:[\n{body}\n]")
        else:
            lines.append(f"{json.dumps(key)}:{json.dumps(value, ensure_ascii=False, separators=(',', ':'))}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == document
    print(f"wrote {path} ({path.stat().st_size:,} bytes)")


def resolve(edits, length):
    return [{**e, "at": [length - 1]} if e.get("at") == "last" else e for e in edits]


def make_smollm2(folder, out, float64):
    model, tokenizer = load(folder), AutoTokenizer.from_pretrained(folder)
    sample = seeded_units("sample", model.config.vocab_size, SAMPLED)
    prompts, rows = [], {}
    for name, prompt in PROMPTS.items():
        text, ids = encode(tokenizer, prompt)
        rows[name] = logits_of(model, ids)
        positions = sorted({0, len(ids) // 2, len(ids) - 1})
        prompts.append({
            "name": name,
            "text": text,
            "ids": ids,
            "positions": [{"position": p, **figures(rows[name][p], sample)} for p in positions],
        })
    ids_of = {p["name"]: p["ids"] for p in prompts}

    cases = []
    for name, edits in EDIT_CASES.items():
        results = []
        for prompt in EDITED_PROMPTS:
            ids = ids_of[prompt]
            these = resolve(edits, len(ids))
            row = logits_of(model, ids, these)[-1]
            change = short((row - rows[prompt][-1]).abs().max())
            # A case that hardly moves the logits could not tell an edit that is made from one that is not.
            assert change > 25 * TOLERANCE, f"{name} on {prompt} changes logits by {change} only"
            results.append({
                "prompt": prompt, "edits": these, "position": len(ids) - 1, "change": change, **figures(row, sample),
            })
        # Nor could one of several edits be told missing if the others made the change.
        for left in edits if len(edits) > 1 else []:
            rest = [e for e in edits if e is not left]
            moved = max(
                float((logits_of(model, ids_of[p], resolve(rest, len(ids_of[p])))[-1]
                       - logits_of(model, ids_of[p], resolve(edits, len(ids_of[p])))[-1]).abs().max())
                for p in EDITED_PROMPTS
            )
            assert moved > 10 * TOLERANCE, f"{name}: without {left['tap']} {left['op']} logits change by {moved} only"
        smallest = min(r["change"] for r in results)
        print(f"edit {name}: logits change by {smallest:.2f} to {max(r['change'] for r in results):.2f}")
        # The edits are kept once where they are the same for all prompts.
        if all(r["edits"] == edits for r in results):
            for r in results:
                del r["edits"]
            cases.append({"name": name, "edits": edits, "results": results})
        else:
            cases.append({"name": name, "results": results})

    generations = []
    for name, prompt in GREEDY.items():
        text, ids = encode(tokenizer, prompt)
        plain, finish, gap = greedy(model, ids, 40)
        generations.append({
            "name": name, "text": text, "ids": ids, "edits": [], "maxNewTokens": 40,
            "tokens": plain, "finish": finish, "gap": short(gap),
        })
        print(f"greedy {name}: {len(plain)} tokens, {finish}, gap {gap:.4f}: {tokenizer.decode(plain)!r}")
        for kind, edits in GREEDY_EDITS.items():
            if name == "short":
                continue
            tokens, finish, gap = greedy(model, ids, 20, edits)
            assert tokens != plain[:20], f"{kind} edits leave {name} as it was"
            if kind == "generated":
                assert tokens[0] == plain[0], "an edit of generated positions reached the prompt"
            generations.append({
                "name": f"{name}, edited at {kind} positions", "text": text, "ids": ids, "edits": edits,
                "maxNewTokens": 20, "tokens": tokens, "finish": finish, "gap": short(gap),
            })
            print(f"greedy {name}, {kind}: {len(tokens)} tokens, {finish}, gap {gap:.4f}: {tokenizer.decode(tokens)!r}")

    write(out / "logits" / "smollm2.json", {
        "about": about(folder, tolerance=TOLERANCE, argmaxGap=2 * TOLERANCE),
        "sample": sample,
        "prompts": prompts,
        "edits": cases,
        "generations": generations,
    })
    if float64:
        double = load(folder, torch.float64)
        worst = max(float((logits_of(double, ids_of[n]) - rows[n]).abs().max()) for n in ids_of)
        print(f"smollm2: float32 is within {worst:.2e} of float64 on the prompts")


STORIES = [
    ("Once upon a time, there was a small duck. The duck", " wanted to swim in the pond."),
    ("Lily had a red ball. She", " liked to play with it in the park."),
    ("Tom saw a big dog. He was", " scared and ran to his mom."),
    ("One day, a boy named Sam went to the", " park with his dad."),
    ("The cat was sad because", " it could not find its toy."),
    ("Mia and her mom made a cake. The cake was", " very big and sweet."),
    ("It was a sunny day. The bird", " sang a song in the tree."),
    ("Ben found a shiny stone. He said,", " \"Look, mom! It is so pretty!\""),
    ("The little girl was tired, so she", " went to bed and fell asleep."),
    ("A frog jumped on a", " green leaf in the water."),
    ("Anna wanted to help. She picked up", " the toys and put them in a box."),
    ("Max lost his hat. He looked", " under the bed and in the car."),
    ("The old man gave the boy an", " apple and smiled at him."),
    ("They were best friends. Every day they", " played games together."),
    ("The truck was stuck in the mud. The", " farmer came to help."),
    ("\"Can I have a cookie?\" asked Tim. His mom said,", " \"Yes, you can have one.\""),
    ("The sun went down and the sky was", " dark and full of stars."),
    ("A little fish lived in the sea. It", " had many friends."),
    ("Sara saw a butterfly. It was", " yellow and blue."),
    ("The bear was hungry. It went to", " look for some honey."),
    ("Jack built a tower with", " his new blocks."),
    ("The wind was strong and the kite", " flew up high in the sky."),
    ("The bunny shared the carrot with", " the mouse and they were happy."),
    ("Amy fell down and hurt her", " knee. She started to cry."),
    ("In the forest, there was a", " little house made of wood."),
    ("The dog barked at the", " cat in the garden."),
    ("Dad told Lucy not to touch the", " hot stove."),
    ("The boy said sorry and", " gave the toy back."),
    ("It started to rain. The children", " ran inside the house."),
    ("Grandma read a book about a", " brave mouse."),
    ("Leo had a secret. He", " did not want to tell his sister."),
    ("The train went very fast. Everyone", " looked out of the window."),
    ("There was a", " big tree near the lake."),
    ("The", " little bird was happy."),
    ("Nina was kind to all the animals. One day, a wolf came to her door. The wolf was wet and cold. Nina", 
     " let it in and gave it some soup."),
    ("Tim and Sue went to the beach. They made a castle of sand. Then a big wave came and", " broke the castle."),
    ("A spider made a web. A fly", " got stuck in it."),
    ("She opened the box and found a", " doll with a pink dress."),
    ("At night, the moon", " was round and bright."),
    ("The end of the story is that they all", " lived happily in the house."),
]


def score(model, prompt, continuation):
    """Summed log-probability (softmax in float64), whether greedy, smallest distance of a token's logit to a tie, and the
    first row's argmax."""
    rows = logits_of(model, prompt + continuation)[len(prompt) - 1 : -1]
    logprobs = torch.log_softmax(rows.double(), -1)
    target = torch.tensor(continuation)
    best = torch.topk(rows, 2, dim=-1)
    # A token that is the best stands above the second, any other stands below the best.
    own = rows[torch.arange(len(continuation)), target]
    margins = torch.where(best.indices[:, 0] == target, own - best.values[:, 1], best.values[:, 0] - own)
    return {
        "ids": continuation,
        "logprob": round(float(logprobs[torch.arange(len(continuation)), target].sum()), 6),
        "greedy": bool((best.indices[:, 0] == target).all()),
        "margin": short(margins.min()),
    }, int(best.indices[0, 0]), round(float(logprobs[0].max()), 6)


def make_stories(folder, out, float64):
    model, tokenizer = load(folder), AutoTokenizer.from_pretrained(folder)
    items, worst = [], 0.0
    double = load(folder, torch.float64) if float64 else None
    for text, continuation in STORIES:
        prompt = tokenizer.encode(text, add_special_tokens=False)
        whole = tokenizer.encode(text + continuation, add_special_tokens=False)
        assert whole[: len(prompt)] == prompt, f"tokens of {text!r} change with what follows"
        for bos in (False, True):
            ids = [tokenizer.bos_token_id, *prompt] if bos else prompt
            best, _, _ = greedy(model, ids, 6)
            # The same but for a last token that is second best: greedy up to there.
            second = int(torch.topk(logits_of(model, ids + best[:-1])[-1], 2).indices[1])
            choices = [whole[len(prompt):], best, [*best[:-1], second]]
            scored = [score(model, ids, choice) for choice in choices]
            if double is not None:
                for choice, (result, _, _) in zip(choices, scored):
                    worst = max(worst, abs(score(double, ids, choice)[0]["logprob"] - result["logprob"]))
            items.append({
                "text": text, "bos": bos, "ids": ids, "argmax": scored[0][1], "argmaxLogprob": scored[0][2],
                "continuations": [result for result, _, _ in scored],
            })
    greedy_count = sum(c["greedy"] for i in items for c in i["continuations"])
    print(f"stories260k: {len(items)} prompts, {greedy_count} greedy continuations of {3 * len(items)}, smallest margin "
          f"{min(c['margin'] for i in items for c in i['continuations']):.2e}")
    if float64:
        print(f"stories260k: float32 sums are within {worst:.2e} of float64")
    write(out / "logits" / "stories260k.json", {"about": about(folder, tolerance=1e-4), "items": items})


# Of Gemma 3, with a text longer than its window of 512.
GEMMA_PROMPTS = ["two tokens", "sentence", "digits", "code", "chinese", "japanese", "emoji", "spaces", "marks", "options"]


def make_gemma(file, out):
    """The base model has no chat; weights and tokenizer are read by transformers from the GGUF."""
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    assert model.config.sliding_window == 512 and len(set(model.config.layer_types)) == 2
    sample = sorted(random.Random(SEED).sample(range(model.config.vocab_size), SAMPLED))
    texts = {**{name: PROMPTS[name] for name in GEMMA_PROMPTS}, "beyond the window": STORY * 9 + "The most surprising thing in the notebooks was"}
    prompts = []
    for name, text in texts.items():
        ids = tokenizer.encode(text)
        assert ids[0] == model.config.bos_token_id
        prompts.append({"name": name, "text": text, "ids": ids, "positions": [{"position": len(ids) - 1, **figures(logits_of(model, ids)[-1], sample)}]})
        print(f"gemma3 {name}: {len(ids)} tokens, best {tokenizer.decode(prompts[-1]['positions'][0]['argmax'])!r}")
    ids = tokenizer.encode(texts["sentence"])
    tokens, finish, gap = greedy(model, ids, 24)
    print(f"gemma3 greedy: {tokenizer.decode(tokens)!r}, gap {gap:.4f}")
    versions = dict(python=platform.python_version(), torch=torch.__version__, transformers=transformers.__version__)
    write(out / "logits" / "gemma3.json", {
        "about": dict(madeBy="tests/goldens/make_logits.py", versions=versions, file=hashlib.sha256(file.read_bytes()).hexdigest(), dtype="float32",
                      attention="eager", tolerance=TOLERANCE, argmaxGap=2 * TOLERANCE),
        "sample": sample, "prompts": prompts, "edits": [],
        "generations": [{"name": "sentence", "ids": ids, "edits": [], "maxNewTokens": 24, "tokens": tokens, "finish": finish, "gap": short(gap)}],
    })


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smollm2", type=Path, help="checkpoint folder of SmolLM2-135M-Instruct, float32")
    parser.add_argument("--stories", type=Path, help="checkpoint folder of stories260K")
    parser.add_argument("--gemma", type=Path, help="Gemma-3-270M, a GGUF file")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="the goldens folder")
    parser.add_argument("--float64", action="store_true", help="compare with float64 as well")
    args = parser.parse_args()
    torch.set_num_threads(2)
    if args.stories:
        make_stories(args.stories, args.out, args.float64)
    if args.gemma:
        make_gemma(args.gemma, args.out)
    if args.smollm2:
        make_smollm2(args.smollm2, args.out, args.float64)


if __name__ == "__main__":
    main()
