"""Log-probabilities of letters after prompts, by transformers.

    python choices.py MODEL.gguf REQUESTS.json [bfloat16]

REQUESTS is a list of {"prompt": [ids], "letters": [ids]}; printed is one JSON line, a list of rows of log-probabilities. One prompt at a time,
weights as gguf reads them. Needs: torch, transformers, gguf.
"""

import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM

path, requests, *dtype = sys.argv[1:]
folder, name = os.path.split(path)
model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()
model = model.to(getattr(torch, dtype[0] if dtype else "float32"))
rows = []
with torch.no_grad():
    for each in json.load(open(requests)):
        logits = model(torch.tensor([each["prompt"]])).logits[0, -1].float()
        rows.append(logits.log_softmax(-1)[each["letters"]].tolist())
print(json.dumps(rows))
