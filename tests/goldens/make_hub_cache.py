"""What huggingface_hub makes of the stand-in hub, as tests/core/hub/python_client_test.ts wants Plumbline's cache to be.

Serve the hub first: deno run -A tests/core/hub/stand_in_hub.ts
Then: python make_hub_cache.py http://127.0.0.1:8765

Writes hub_cache.json: of each repository the files, links (with their targets) and texts of its folder in the cache. Without what
is of no use to another program: locks, and the list of files, which the test reads apart.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_DISABLE_XET"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import huggingface_hub  # noqa: E402
from huggingface_hub import snapshot_download  # noqa: E402

MODEL = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
DATA = ["README.md", "data/*.jsonl"]


def entries(folder: Path) -> dict:
    """Relative path: {"link": target}, {"text": content} of a ref, {"size": bytes} of a blob."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = {"link": os.readlink(path)}
        elif path.is_file():
            found[name] = {"text": path.read_text()} if name.split("/")[0] in ("refs", "trees") else {"size": path.stat().st_size}
    return found


def main(endpoint: str) -> None:
    with tempfile.TemporaryDirectory() as cache:
        snapshot_download("demo/planted", endpoint=endpoint, cache_dir=cache, allow_patterns=MODEL, token=False)
        snapshot_download("demo/fables", repo_type="dataset", endpoint=endpoint, cache_dir=cache, allow_patterns=DATA, token=False)
        repos = {path.name: entries(path) for path in sorted(Path(cache).iterdir()) if "--" in path.name}
    about = {"script": "make_hub_cache.py", "python": sys.version.split()[0], "huggingface_hub": huggingface_hub.__version__}
    target = Path(__file__).with_name("hub_cache.json")
    target.write_text(json.dumps({"about": about, "repos": repos}, indent=1) + "\n")
    print(target, {name: len(files) for name, files in repos.items()})


if __name__ == "__main__":
    main(sys.argv[1])
