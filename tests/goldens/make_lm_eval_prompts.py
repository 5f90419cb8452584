"""Makes lm_eval_prompts.json: what lm-evaluation-harness 0.4.13 would send for every document, as hashes.

    python make_lm_eval_prompts.py DATA

DATA is a folder with nlu_commonsenseqa/dev_rand_split.jsonl, nlu_glue/QNLI_dev.tsv and nlu_glue/RTE_val.jsonl. The tasks are the harness's own YAML files; only the
loading of the data is replaced. A document's hash is the sha256 of the compact JSON of [context, continuations, index of the right one].
"""

import csv
import hashlib
import json
import sys
from pathlib import Path
from unittest import mock

import datasets
import lm_eval
from lm_eval.utils import hash_string
import yaml
from lm_eval.api.task import ConfigurableTask

FIRST = 20
CLASSES = ["entailment", "not_entailment"]


def commonsense_qa(data):
    for line in open(data / "nlu_commonsenseqa/dev_rand_split.jsonl", encoding="utf-8"):
        row = json.loads(line)
        choices = row["question"]["choices"]
        yield {
            "id": row["id"],
            "question": row["question"]["stem"],
            "question_concept": row["question"]["question_concept"],
            "choices": {key: [choice[key] for choice in choices] for key in ("label", "text")},
            "answerKey": row["answerKey"],
        }


def qnli(data):
    with open(data / "nlu_glue/QNLI_dev.tsv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield {
                "question": row["question"],
                "sentence": row["sentence"],
                "label": CLASSES.index(row["label"]),
                "idx": int(row["index"]),
            }


def rte(data):
    for line in open(data / "nlu_glue/RTE_val.jsonl", encoding="utf-8"):
        row = json.loads(line)
        yield {
            "sentence1": row["premise"],
            "sentence2": row["hypothesis"],
            "label": CLASSES.index(row["label"]),
            "idx": row["idx"],
        }


def digest(value):
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def requests(path, rows, columns):
    data = datasets.Dataset.from_list(list(rows))
    for column, feature in columns.items():
        data = data.cast_column(column, feature)
    splits = datasets.DatasetDict(train=data, validation=data)
    config = yaml.safe_load((Path(lm_eval.__file__).parent / "tasks" / path).read_text())
    with mock.patch("datasets.load_dataset", lambda *args, **options: splits):
        task = ConfigurableTask(config=config)
    task.build_all_requests(limit=None, rank=0, world_size=1)
    by_doc = {}
    for instance in task.instances:
        by_doc.setdefault(instance.doc_id, []).append(instance)
    for _, instances in sorted(by_doc.items()):
        instances.sort(key=lambda instance: instance.idx)
        contexts = {instance.args[0] for instance in instances}
        assert len(contexts) == 1
        target = task.doc_to_target(instances[0].doc)
        gold = target if isinstance(target, int) else task.doc_to_choice(instances[0].doc).index(target)
        # The hashes with which the harness logs a document and its target.
        logged = [hash_string(json.dumps(instances[0].doc, indent=2, ensure_ascii=False)), hash_string(str(target))]
        yield [contexts.pop(), [instance.args[1] for instance in instances], gold], logged


def main():
    data = Path(sys.argv[1])
    tasks = {
        "commonsense_qa": ("commonsense_qa/default.yaml", commonsense_qa(data), {}),
        "qnli": ("glue/qnli/default.yaml", qnli(data), {"label": datasets.ClassLabel(names=CLASSES)}),
        "rte": ("glue/rte/default.yaml", rte(data), {"label": datasets.ClassLabel(names=CLASSES)}),
    }
    goldens = {}
    for name, task in tasks.items():
        made = list(requests(*task))
        sent, logged = [each for each, _ in made], [each for _, each in made]
        goldens[name] = {
            "count": len(sent), "first": [digest(each) for each in sent[:FIRST]], "all": digest(sent), "logged": digest(logged),
        }
    out = Path(__file__).with_name("lm_eval_prompts.json")
    out.write_text(json.dumps({"source": f"lm-evaluation-harness {lm_eval.__version__}", "tasks": goldens}, indent=2) + "\n")


if __name__ == "__main__":
    main()
