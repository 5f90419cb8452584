"""Makes exports/: tiny models of gradients/ as Optimum exports them to ONNX; see README.md.

    python make_exports.py [--out FOLDER]

Needs optimum-onnx 0.1.0 with the transformers that it takes (4.57). Nothing but the graph and what has to be beside it is kept.
"""

import argparse
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

MODELS = ("biased", "gpt2", "gemma3")
KEPT = ("model.onnx", "config.json", "tokenizer.json", "tokenizer_config.json")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    out = parser.parse_args().out
    for name in MODELS:
        with tempfile.TemporaryDirectory() as work:
            subprocess.run(["optimum-cli", "export", "onnx", "--model", out / "gradients" / name, "--task", "text-generation-with-past", work], check=True)
            target = out / "exports" / name
            target.mkdir(parents=True, exist_ok=True)
            for file in KEPT:
                shutil.copyfile(Path(work) / file, target / file)
            graph = (target / "model.onnx").read_bytes()
            print(f"wrote {target} ({len(graph):,} bytes, sha256 {hashlib.sha256(graph).hexdigest()[:12]})")


if __name__ == "__main__":
    main()
