"""LoRA training by transformers and PEFT, in float32 on the CPU, as one careful loop: batches of like length, micro-batches of the size
that is fastest of a few, no work for weights that do not train, logits for what is predicted where transformers lets us.

    python peft_training.py --model FOLDER --job JOB.json --micro N

JOB.json has `recipe` (rank, alpha, modules, rate), `batches` (each a list of {"prompt": ids, "completion": ids}) and `over`. Prints one JSON
line: loss of each batch, seconds without the first batch, tokens of these, peak memory in MB.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

THREADS = 2


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--job", type=Path, required=True)
    parser.add_argument("--micro", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    job = json.loads(options.job.read_text())
    recipe = job["recipe"]
    model = LlamaForCausalLM.from_pretrained(options.model, dtype=torch.float32, attn_implementation="sdpa")
    config = LoraConfig(r=recipe["rank"], lora_alpha=recipe["alpha"], target_modules=recipe["modules"], task_type="CAUSAL_LM")
    model = get_peft_model(model, config).train()
    model.config.use_cache = False
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=recipe["rate"], weight_decay=0.0)

    def step(batch):
        batch = sorted(batch, key=lambda e: -len(e["prompt"]) - len(e["completion"]))
        start = (lambda e: 1) if job["over"] == "all" else (lambda e: len(e["prompt"]))
        terms = sum(len(e["prompt"]) + len(e["completion"]) - start(e) for e in batch)
        total = 0.0
        for at in range(0, len(batch), options.micro):
            part = batch[at:at + options.micro]
            texts = [e["prompt"] + e["completion"] for e in part]
            longest = max(map(len, texts))
            ids = torch.tensor([t + [0] * (longest - len(t)) for t in texts])
            mask = torch.tensor([[1] * len(t) + [0] * (longest - len(t)) for t in texts])
            labels = torch.full_like(ids, -100)
            for row, (e, t) in enumerate(zip(part, texts)):
                labels[row, start(e):len(t)] = torch.tensor(t[start(e):])
            # Only the rows that are predicted go through the output matrix, as ours do.
            hidden = model.base_model.model.model(input_ids=ids, attention_mask=mask).last_hidden_state[:, :-1]
            wanted = labels[:, 1:] != -100
            logits = model.base_model.model.lm_head(hidden[wanted])
            loss = torch.nn.functional.cross_entropy(logits, labels[:, 1:][wanted], reduction="sum") / terms
            loss.backward()
            total += loss.item()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return total

    losses = [step(job["batches"][0])]
    began = time.perf_counter()
    losses += [step(batch) for batch in job["batches"][1:]]
    seconds = time.perf_counter() - began
    tokens = sum(len(e["prompt"]) + len(e["completion"]) for batch in job["batches"][1:] for e in batch)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps(dict(losses=losses, seconds=seconds, tokens=tokens, peakMb=peak)))


if __name__ == "__main__":
    main()
