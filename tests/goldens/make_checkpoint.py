"""Writes SmolLM2's GGUF as a Hugging Face folder in float32, the input of make_logits.py and make_lm_eval.py.

    python make_checkpoint.py MODEL.gguf FOLDER

Weights come through transformers' own GGUF loader (dequantised, query and key rows put back in order), the tokenizer and the chat
template from the file's metadata. Written for SmolLM2-135M-Instruct.Q4_1.gguf alone: the pre-tokenizer is that of its family.
Needs: gguf, safetensors, tokenizers, torch, transformers.
"""

import json
import sys
from pathlib import Path

import torch
from gguf import GGUFReader
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM

CONTROL = 3  # gguf's token type of special tokens


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def main(source, folder):
    folder.mkdir(parents=True, exist_ok=True)
    model = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    weights = {k: v.contiguous() for k, v in model.state_dict().items() if k != "lm_head.weight"}  # tied
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    fields = GGUFReader(source).fields
    read = lambda key: fields[key].contents()
    assert (read("general.architecture"), read("tokenizer.ggml.pre")) == ("llama", "smollm")
    number = lambda key: read(f"llama.{key}")
    write_json(folder / "config.json", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "tie_word_embeddings": True,
        "hidden_size": number("embedding_length"), "intermediate_size": number("feed_forward_length"),
        "num_hidden_layers": number("block_count"), "num_attention_heads": number("attention.head_count"),
        "num_key_value_heads": number("attention.head_count_kv"), "head_dim": number("rope.dimension_count"),
        "rms_norm_eps": round(number("attention.layer_norm_rms_epsilon"), 12), "rope_theta": number("rope.freq_base"),
        "rope_scaling": None, "vocab_size": number("vocab_size"), "max_position_embeddings": number("context_length"),
        "attention_bias": False, "mlp_bias": False, "torch_dtype": "float32",
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
    })
    tokens, types = read("tokenizer.ggml.tokens"), read("tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ", 1)) for merge in read("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    special = [token for token, kind in zip(tokens, types) if kind == CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": tokens[1], "eos_token": tokens[2],
        "unk_token": tokens[0], "pad_token": tokens[2], "clean_up_tokenization_spaces": False,
        "model_max_length": number("context_length"), "chat_template": read("tokenizer.chat_template"),
    })
    print(f"wrote {folder}: {len(weights)} tensors, {len(tokens)} tokens")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
