"""Makes tests/goldens/gguf/*.json: quantised blocks and what gguf-py's dequantize makes of them, bit for bit.

    python make_gguf.py [MODEL.gguf]

blocks.json: for each type, blocks of random bytes with extreme scales (no NaN or infinity: their bits are not defined). model.json,
made when MODEL.gguf (SmolLM2-135M-Instruct.Q4_1.gguf, see fixtures/README.md) is given: sha256 of the float32 bytes of tensors of
the real file, as gguf-py dequantises them, and of the query and key rows as transformers' own GGUF loader puts them.
Needs: gguf, numpy; for model.json also torch and transformers.
"""
import base64
import hashlib
import json
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf.quants import dequantize

OUT = Path(__file__).parent / "gguf"
TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"]
# Where in a block its float16 scales and minima lie.
HALVES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
# Zero, its negative, the smallest and largest subnormal and normal numbers, ordinary ones.
EXTREMES = [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x0400, 0x7BFF, 0xFBFF, 0x3C00, 0xBC00, 0x2E66, 0x9A3B]


def blocks(name, rng):
    size, width = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    if name in HALVES:
        raw = rng.integers(0, 256, (16, width), dtype=np.uint8)
        raw[0], raw[1] = 0, 255
        for i in range(16):
            for j, at in enumerate(HALVES[name]):
                half = EXTREMES[(i * (j + 1) + 5 * j) % len(EXTREMES)]
                raw[i, at : at + 2] = [half & 255, half >> 8]
        return raw
    raw = rng.integers(0, 256, (1, 64 * width), dtype=np.uint8)
    bits = raw.view({2: np.uint16, 4: np.uint32}[width])
    special = {
        "F16": EXTREMES,
        "BF16": [0, 0x8000, 1, 0x007F, 0x0080, 0x7F7F, 0xFF7F, 0x3F80],
        "F32": [0, 0x80000000, 1, 0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0xFF7FFFFF, 0x3F800000],
    }[name]
    exponent = {"F16": 0x7C00, "BF16": 0x7F80, "F32": 0x7F800000}[name]
    bits[(bits & exponent) == exponent] = 0
    bits[0, : len(special)] = special
    return raw


def make_blocks():
    rng = np.random.default_rng(20240726)
    out = {}
    for name in TYPES:
        raw = blocks(name, rng)
        with np.errstate(all="raise"):
            values = np.ascontiguousarray(dequantize(raw, gguf.GGMLQuantizationType[name])).astype("<f4")
        assert np.isfinite(values).all(), name
        encode = lambda data: base64.b64encode(data).decode()
        out[name] = {"blocks": encode(raw.tobytes()), "float32": encode(values.tobytes())}
    (OUT / "blocks.json").write_text(json.dumps(out, indent=1) + "\n")


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).astype("<f4").tobytes()).hexdigest()


def make_model(path):
    from transformers import AutoModelForCausalLM

    raw = {
        "blk.0.ffn_down.weight": "model.layers.0.mlp.down_proj.weight",
        "blk.29.attn_v.weight": "model.layers.29.self_attn.v_proj.weight",
        "blk.7.attn_norm.weight": "model.layers.7.input_layernorm.weight",
        "token_embd.weight": "model.embed_tokens.weight",
    }
    tensors = {t.name: t for t in gguf.GGUFReader(str(path)).tensors}
    out = {"file": hashlib.sha256(path.read_bytes()).hexdigest(), "dequantized": {}, "transformers": {}}
    for name, renamed in raw.items():
        out["dequantized"][renamed] = digest(dequantize(tensors[name].data, tensors[name].tensor_type))
    model = AutoModelForCausalLM.from_pretrained(str(path.parent), gguf_file=path.name)
    state = model.state_dict()
    for layer in (0, 29):
        for part in ("q_proj", "k_proj", "o_proj"):
            name = f"model.layers.{layer}.self_attn.{part}.weight"
            out["transformers"][name] = digest(state[name].float().numpy())
    (OUT / "model.json").write_text(json.dumps(out, indent=1) + "\n")


make_blocks()
if len(sys.argv) > 1:
    make_model(Path(sys.argv[1]))
