"""transformers in bfloat16 on a folder: tokens a second forward, the last token's logits alone, and the most memory held."""
import json
import resource
import statistics
import sys
import time

import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging

path, texts, rounds = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(2)
logging.disable_progress_bar()
model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.bfloat16).eval()
ids = torch.tensor(texts)


def run() -> float:
    start = time.perf_counter()
    with torch.no_grad():
        model(input_ids=ids, logits_to_keep=1)
    return time.perf_counter() - start


run()
times = [run() for _ in range(rounds)]
held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
print(f"PyTorch {torch.__version__}, bfloat16: {ids.numel() / statistics.median(times):.1f} tok/s, at most {held:.1f} GB")
