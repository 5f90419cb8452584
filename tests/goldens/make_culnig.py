"""Runs CULNIG's published program (github.com/ynklab/CULNIG, MIT) on a tiny random model and writes tests/goldens/culnig.json: scores and selected units.

    python make_culnig.py --culnig FOLDER

What computes is the program's own: `calculate_scores` of calc_neuron_score.py, and the main() of decide_culture_general_neurons.py and
decide_culture_specific_neuron.py over the files of scores that they read. Around it, and outside its files:
- the model is gradients/gqa, on the CPU in float32, under the name of one that the program knows, whose modules it has;
- samples are token ids drawn from a seed, batched and padded on the left as its loader does; its dataset.py, which wants data of its own, is not read;
- shares are larger than the paper's, which would select nothing of so few units, and the countries are those of the samples.
Twice: in batches of 16, where padded positions count as 0, and one by one, without padding.
Needs: torch, transformers.
"""

import argparse
import json
import logging
import random
import sys
import tempfile
import types
from pathlib import Path
from types import SimpleNamespace

import torch
import transformers
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM

HERE = Path(__file__).resolve().parent
WIRED = "meta-llama/Llama-3.1-8B-Instruct"
COUNTRIES = ["China", "Iran", "Mexico", "Spain"]
SHARES = {"mlp": 0.2, "attention": 0.1, "names": 0.1, "specific": 0.15, "z": 0.5}
SHOWN = ["general", "names", "country/China", "country/Spain"]
torch.set_num_threads(1)


def samples_of(draw, count, vocab):
    return [{"country": COUNTRIES[i % len(COUNTRIES)], "ids": [draw.randrange(3, vocab) for _ in range(draw.randrange(4, 13))],
             "target": draw.randrange(3, vocab)} for i in range(count)]


def batches_of(samples, name, size):
    def batch(part):
        ids = [torch.tensor(s["ids"]) for s in part]
        pad = lambda rows: pad_sequence(rows, batch_first=True, padding_value=0, padding_side="left")
        return {"input_ids": pad(ids), "attention_mask": pad([torch.ones_like(row) for row in ids]),
                "labels": [s["target"] for s in part], "countries": [s["country"] for s in part], "dataset_names": [name] * len(part)}
    return [batch(samples[i:i + size]) for i in range(0, len(samples), size)]


def load(path):
    """A module whose f-strings have quotes within quotes, which Python reads from 3.12 on; others are put in their place."""
    text = path.read_text().replace("''.join(", '"".join(').replace("replace(' ', '')", 'replace(" ", "")')
    module = types.ModuleType(path.stem)
    module.__file__ = str(path)
    exec(compile(text, str(path), "exec"), module.__dict__)
    return module


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--culnig", required=True)
    args = parser.parse_args()
    sys.modules["dataset"] = SimpleNamespace(load_dataset_neuron_scores=None)
    sys.path.insert(0, str(Path(args.culnig) / "CULNIG"))
    import calc_neuron_score as program
    general, specific = (load(Path(args.culnig) / "CULNIG" / f"{name}.py") for name in
                         ("decide_culture_general_neurons", "decide_culture_specific_neuron"))

    general.MLP_CULTURE_NEURON_PROPORTION, general.ATTENTION_CULTURE_NEURON_PROPORTION = SHARES["mlp"], SHARES["attention"]
    general.MLP_COUNTRYRC_NEURON_PROPORTION = general.ATTENTION_COUNTRYRC_NEURON_PROPORTION = SHARES["names"]
    specific.MLP_COUNTRY_NEURON_PROPORTION, specific.MLP_COUNTRYRC_NEURON_PROPORTION = SHARES["specific"], SHARES["names"]
    specific.COUNTRY_SCORE_ZSCORE_THRESHOLD, specific.TARGET_COUNTRIES = SHARES["z"], COUNTRIES
    model = AutoModelForCausalLM.from_pretrained(HERE / "gradients/gqa", dtype=torch.float32, attn_implementation="sdpa")
    model.name_or_path = WIRED
    tokenizer = SimpleNamespace(convert_tokens_to_ids=int)
    draw, vocab = random.Random(7), model.config.vocab_size
    sets = {"blend": samples_of(draw, 40, vocab), "blendcontrol": samples_of(draw, 36, vocab), "countryrc": samples_of(draw, 20, vocab)}
    log = logging.getLogger("culnig")

    def run(size):
        with tempfile.TemporaryDirectory() as folder:
            general.OUTPUT_DIR = specific.OUTPUT_DIR = Path(folder)
            place = Path(folder) / "tiny" / "cultural_neuron"
            place.mkdir(parents=True)
            found = {}
            for name, samples in sets.items():
                scores, _ = program.calculate_scores(model, tokenizer, batches_of(samples, name, size), log)
                found[name] = {f"{m}_{l}_{k}": dict(by) for (m, l, k), by in scores.items()}
                ids = {name: list(range(len(samples)))}
                (place / f"{name}_max_scores.json").write_text(json.dumps({"neuron_scores": found[name], "dataset_ids": ids}))
            chosen = {}
            for module, titles in ((general, ["general"]), (specific, COUNTRIES)):
                sys.argv = ["decide", "--model_name", "tiny", "--dataset_names", "blend"]
                before = set(place.iterdir())
                module.main()
                for path in set(place.iterdir()) - before:
                    title = next((t for t in titles if path.name.startswith(t)), "general")
                    units = json.loads(path.read_text())["top_neurons"]
                    chosen[title] = sorted(f"{u['module_name']}_{u['layer_idx']}_{u['neuron_idx']}" for u in units)
            return found, chosen

    def shown(found):
        """As the decide scripts make them of the sums."""
        share = lambda name, key, countries: sum(found[name][key].get(c, 0) for c in countries) / len(sets[name])
        delta = lambda key, countries: share("blend", key, countries) - share("blendcontrol", key, countries)
        keys = [key for key in found["blend"] if not key.startswith("mlp.up")]
        of = {"general": lambda k: delta(k, COUNTRIES), "names": lambda k: share("countryrc", k, COUNTRIES)}
        return {title: {key: float(f"{(of.get(title) or (lambda k: delta(k, [title.split('/')[1]])))(key):.8g}") for key in keys}
                for title in SHOWN}

    golden = {
        "about": "CULNIG's published program at commit 323d480 on gradients/gqa; scores by unit, and units selected, whole batches of 16 "
                 "and one by one",
        "made_by": "tests/goldens/make_culnig.py",
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "shares": SHARES,
        "samples": {"items": sets["blend"], "control": sets["blendcontrol"], "names": sets["countryrc"]},
    }
    for title, size in (("padded", 16), ("single", 1)):
        found, chosen = run(size)
        golden[title] = {"scores": shown(found), "selected": chosen}
        print(title, {name: len(units) for name, units in chosen.items()})
    (HERE / "culnig.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
