"""Drives CULNIG's published program (github.com/ynklab/CULNIG, MIT), on the samples that the others get.

    python culnig_program.py --culnig FOLDER --model FOLDER --samples FILE [--dtype bfloat16]

What is timed is `calculate_scores` of its CULNIG/calc_neuron_score.py as it is in FOLDER, in its own batches: tokens to scores, the
samples of a country summed. Driven as rounds.py says. Around it, and outside its files:
- its `load_model` moves the model to a GPU; here it is loaded with the same arguments on the CPU, in the dtype asked for;
- it knows models by name and wires Llama 3.1, whose modules ours has, so the model goes by that name;
- batches come from a list in the layout of its data loader, padded on the left; its dataset.py, which wants Python 3.12 and data of its own,
  is not read.
Its scores hold P once more than the gradient of P does; `scores` divides by it. Each sample is then a country of its own.
Needs: torch, transformers.
"""

import argparse
import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM, AutoTokenizer

from rounds import SITES, THREADS, serve

WIRED = "meta-llama/Llama-3.1-8B-Instruct"


def batches_of(samples, tokenizer, size):
    """Token ids and mask [batch, tokens], padded on the left; labels are the targets' texts in the vocabulary."""

    def batch_of(part):
        pad = lambda rows, value: pad_sequence(rows, batch_first=True, padding_value=value, padding_side="left")
        ids = [torch.tensor(sample["ids"]) for sample in part]
        return {
            "input_ids": pad(ids, tokenizer.pad_token_id),
            "attention_mask": pad([torch.ones_like(row) for row in ids], 0),
            "labels": [tokenizer.convert_ids_to_tokens(sample["target"]) for sample in part],
            "countries": [sample["country"] for sample in part],
            "dataset_names": ["blend"] * len(part),
        }

    return [batch_of(samples[i:i + size]) for i in range(0, len(samples), size)]


def main():
    parser = argparse.ArgumentParser()
    for name in ("--culnig", "--model", "--samples"):
        parser.add_argument(name, required=True)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    sys.modules["dataset"] = SimpleNamespace(load_dataset_neuron_scores=None)
    sys.path.insert(0, str(Path(args.culnig) / "CULNIG"))
    import calc_neuron_score as program

    tokenizer = AutoTokenizer.from_pretrained(args.model, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(
        args.model, dtype=getattr(torch, args.dtype), attn_implementation="sdpa"
    )
    model.name_or_path = WIRED
    log = logging.getLogger("culnig")

    def compute(samples):
        return program.calculate_scores(model, tokenizer, batches_of(samples, tokenizer, program.BATCH_SIZE), log)

    def scores(samples):
        found, probability = compute([{**sample, "country": i} for i, sample in enumerate(samples)])
        columns = sorted(found, key=lambda unit: (unit[1], SITES.index(unit[0]), unit[2]))
        return torch.tensor([[found[unit][i] / probability[i] for unit in columns] for i in range(len(samples))])

    def prepare(samples):
        compute(samples[:program.BATCH_SIZE])
        return f"sdpa attention, batches of {program.BATCH_SIZE}, as published"

    serve(args.samples, prepare, compute, scores)


if __name__ == "__main__":
    main()
