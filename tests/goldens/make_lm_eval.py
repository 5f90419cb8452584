"""Makes lm_eval/*.json with lm-evaluation-harness's hf backend in float32; see README.md.

    python make_lm_eval.py --model FOLDER --data FOLDER [--out FOLDER] [--batch N]

--model is a Hugging Face checkpoint, --data a folder below which dev_rand_split.jsonl and QNLI_dev.tsv lie. The tasks are
the harness's own YAML files; only the loading of the data is replaced. No text of the data is written, only its hashes.
"""

import argparse
import hashlib
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path

import datasets
import lm_eval
import torch
import yaml
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM

from make_logits import logits_of, short, weights_hash, write

LIMIT = 300
CHAT_LIMIT = 60
FILES = {"commonsense_qa": "dev_rand_split.jsonl", "qnli": "QNLI_dev.tsv"}
TASK_FILES = {"commonsense_qa": "commonsense_qa/default.yaml", "qnli": "glue/qnli/default.yaml"}


def sha256(data):
    return hashlib.sha256(data if isinstance(data, bytes) else data.encode("utf-8")).hexdigest()


def read_commonsense_qa(path):
    """The published JSON lines in the schema of the Hugging Face dataset."""
    for line in path.read_text(encoding="utf-8").rstrip("\n").split("\n"):
        item = json.loads(line)
        question = item["question"]
        choices = question["choices"]
        yield {
            "id": item["id"],
            "question": question["stem"],
            "question_concept": question["question_concept"],
            "choices": {"label": [c["label"] for c in choices], "text": [c["text"] for c in choices]},
            "answerKey": item["answerKey"],
        }


def read_qnli(path):
    """GLUE's table (no quoting) in the schema of the Hugging Face dataset."""
    header, *rows = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    assert header.split("\t") == ["index", "question", "sentence", "label"]
    for row in rows:
        index, question, sentence, label = row.split("\t")
        yield {
            "question": question,
            "sentence": sentence,
            "label": ["entailment", "not_entailment"].index(label),
            "idx": int(index),
        }


READERS = {"commonsense_qa": read_commonsense_qa, "qnli": read_qnli}


def make_task(name, path):
    """The harness's own task with its validation split read from a file."""
    file = Path(lm_eval.__file__).parent / "tasks" / TASK_FILES[name]
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert config["task"] == name and config["validation_split"] == "validation"
    for key in ("dataset_path", "dataset_name", "training_split", "tag"):
        config.pop(key, None)
    rows = list(READERS[name](path))
    config["custom_dataset"] = lambda **_: datasets.DatasetDict({"validation": datasets.Dataset.from_list(rows)})
    return ConfigurableTask(config=config), sha256(file.read_bytes())


def find(folder, name):
    found = sorted(folder.rglob(name))
    assert len(found) == 1, f"{name}: {len(found)} files below the data folder, wanted 1"
    return found[0]


def item_of(sample, lm):
    """One sample of the harness without its text."""
    pairs = sample["arguments"]
    # A dict of gen_args_n in the log of the harness, a list of pairs within it.
    pairs = [(p["arg_0"], p["arg_1"]) for p in pairs.values()] if isinstance(pairs, dict) else [tuple(p) for p in pairs]
    context = pairs[0][0]
    assert all(c == context for c, _ in pairs)
    encoded = [lm._encode_pair(c, t) for c, t in pairs]
    logprobs = [float(r[0]) for r in sample["filtered_resps"]]
    best, second = sorted(logprobs, reverse=True)[:2]
    doc = sample["doc"]
    return {
        "index": sample["doc_id"],
        "id": doc["id"] if "id" in doc else str(doc["idx"]),
        "promptSha256": sha256(context),
        "promptTokens": len(encoded[0][0]),
        "continuations": [ids for _, ids in encoded],
        "logprobs": [short(v) for v in logprobs],
        "greedy": [bool(r[1]) for r in sample["filtered_resps"]],
        "chosen": logprobs.index(best),
        "acc": int(sample["acc"]),
        "margin": short(best - second),
    }


def about(model, **more):
    names = ("lm_eval", "transformers", "torch", "datasets", "tokenizers")
    return {
        "madeBy": "tests/goldens/make_lm_eval.py",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in names}},
        "weights": weights_hash(model),
        "dtype": "float32",
        **more,
    }


def make_golden(name, lm, args):
    path = find(args.data, FILES[name])
    task, task_hash = make_task(name, path)
    start = time.perf_counter()
    result = lm_eval.simple_evaluate(
        model=lm, tasks=[task], num_fewshot=0, limit=LIMIT, apply_chat_template=False, bootstrap_iters=0,
    )
    seconds = time.perf_counter() - start
    samples = sorted(result["samples"][name], key=lambda s: s["doc_id"])
    items = [item_of(sample, lm) for sample in samples]
    assert [i["index"] for i in items] == list(range(LIMIT))
    acc = result["results"][name]["acc,none"]
    assert abs(acc - sum(i["acc"] for i in items) / LIMIT) < 1e-12
    tokens = sum(i["promptTokens"] for i in items)
    print(f"{name}: acc {acc}, smallest margin {min(i['margin'] for i in items):.2e}, {tokens} prompt tokens, "
          f"{seconds:.1f} s = {tokens / seconds:.0f} tokens/s, everything of the harness counted")
    pairs = samples[0]["arguments"]
    targets = [p["arg_1"] for p in pairs.values()] if isinstance(pairs, dict) else [p[1] for p in pairs]
    write(args.out / "lm_eval" / f"{name}.json", {
        "about": about(
            args.model, backend="hf", attention="eager", batch=args.batch, chatTemplate=False, fewshot=0, marginTolerance=1e-3,
            taskFileSha256=task_hash, dataFile=path.name, dataSha256=sha256(path.read_bytes()),
        ),
        "targets": targets, "acc": acc, "items": items,
    })
    return task


def make_chat(task, lm, args):
    """The first questions as one user turn of the model's chat template: the vocabulary's argmax and the bare labels."""
    labels = ["A", "B", "C", "D", "E"]
    label_ids = [lm.tokenizer.encode(label, add_special_tokens=False) for label in labels]
    assert all(len(ids) == 1 for ids in label_ids)
    label_ids = [ids[0] for ids in label_ids]
    items = []
    for index, doc in enumerate(list(task.validation_docs())[:CHAT_LIMIT]):
        content = task.doc_to_text(doc)
        text = lm.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True,
        )
        ids = lm.tokenizer.encode(text, add_special_tokens=False)
        row = logits_of(lm.model, ids)[-1]
        top = torch.topk(row, 2)
        logprobs = torch.log_softmax(row.double(), -1)
        items.append({
            "index": index,
            "id": doc["id"],
            "contentSha256": sha256(content),
            "promptSha256": sha256(text),
            "promptTokens": len(ids),
            "argmax": int(top.indices[0]),
            "argmaxLogprob": round(float(logprobs[top.indices[0]]), 6),
            "gap": short(top.values[0] - top.values[1]),
            "labelLogprobs": [round(float(logprobs[i]), 6) for i in label_ids],
            "gold": labels.index(doc["answerKey"]),
        })
    valid = sum(i["argmax"] in label_ids for i in items)
    print(f"chat_commonsense_qa: argmax is a label in {valid} of {len(items)}, smallest gap "
          f"{min(i['gap'] for i in items):.2e}")
    write(args.out / "lm_eval" / "chat_commonsense_qa.json", {
        "about": about(args.model, attention="eager", chatTemplate=True, argmaxGap=4e-3),
        "labels": labels, "labelIds": label_ids, "items": items,
    })


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="the goldens folder")
    parser.add_argument("--batch", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(2)
    lm = HFLM(
        pretrained=str(args.model), dtype="float32", device="cpu", batch_size=args.batch, attn_implementation="eager",
    )
    tasks = {name: make_golden(name, lm, args) for name in FILES}
    make_chat(tasks["commonsense_qa"], lm, args)


if __name__ == "__main__":
    main()
