"""How the programs beside ours are driven: one JSON request a line on standard input, one JSON answer a line on standard output, so
that the sides take turns and only one computes at a time.

    {"do": "prepare", "from": 0, "to": 32}                  -> {"chosen": "...", ...}: settings are tried, first calls allocate
    {"do": "round", "from": 0, "to": 96}                    -> {"seconds": 31.2, "cpu": 61.9, "tokens": 10023}
    {"do": "scores", "from": 0, "to": 16, "file": "PATH"}   -> {"columns": 120960}: float32, [samples, columns]

Samples are a JSON list of {"ids": [...], "target": id, "country": name}. Columns: layer after layer, in it SITES in order.
`tokens` are those of the prompts, padding not counted; `cpu` is the processor time of this process.
"""

import json
import sys
import time
from pathlib import Path

THREADS = 2
SITES = ("mlp.gate_proj", "mlp.up_proj", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")


def serve(samples_file, prepare, compute, scores):
    """`compute(samples)` is what is timed; `scores(samples)` gives a float32 tensor on the CPU; `prepare(samples)` says what it chose."""
    samples = json.loads(Path(samples_file).read_text(encoding="utf-8"))
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    for line in sys.stdin:
        request = json.loads(line)
        part = samples[request["from"]:request["to"]]
        if request["do"] == "prepare":
            chosen, answer = timed(prepare, part)
            answer["chosen"] = chosen
        elif request["do"] == "round":
            answer = timed(compute, part)[1]
        else:
            found = scores(part)
            Path(request["file"]).write_bytes(found.float().contiguous().numpy().tobytes())
            answer = {"columns": found.shape[1]}
        print(json.dumps(answer), file=answers, flush=True)


def timed(work, samples):
    start, cpu = time.perf_counter(), time.process_time()
    result = work(samples)
    return result, {
        "seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu,
        "tokens": sum(len(sample["ids"]) for sample in samples),
    }
