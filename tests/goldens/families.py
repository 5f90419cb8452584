"""Tiny random checkpoints of each family for make_gradients.py: their sizes, their tensors, and where their taps lie in transformers' modules."""

import torch

SMALL = dict(num_hidden_layers=2, hidden_size=24, num_attention_heads=4, num_key_value_heads=2, head_dim=8, intermediate_size=28,
             vocab_size=64, rope_theta=100.0, rms_norm_eps=1e-5)
GEMMA = dict(SMALL, hidden_activation="gelu_pytorch_tanh", tie_word_embeddings=True, query_pre_attn_scalar=6, sliding_window=4)

# Between them: what sets a family apart from Llama, each with values at which it shows (windows shorter than the texts, caps that bite, a second
# table of angles, texts beyond the original context).
FAMILIES = {
    "mistral": dict(SMALL, model_type="mistral", tie_word_embeddings=False, sliding_window=4),
    "qwen2": dict(SMALL, model_type="qwen2", tie_word_embeddings=True, sliding_window=4, use_sliding_window=False),
    "qwen3": dict(SMALL, model_type="qwen3", tie_word_embeddings=False, attention_bias=False),
    "gemma2": dict(GEMMA, model_type="gemma2", attn_logit_softcapping=2.0, final_logit_softcapping=4.0),
    # As Google's files write it, not as transformers 5 does.
    "gemma3": dict(GEMMA, model_type="gemma3_text", num_hidden_layers=3, sliding_window_pattern=2, rope_theta=1000.0, rope_local_base_freq=50.0,
                   rope_scaling=dict(rope_type="linear", factor=2.0), attn_logit_softcapping=None, final_logit_softcapping=None),
    "gpt2": dict(model_type="gpt2", n_layer=2, n_embd=24, n_head=4, n_inner=28, n_positions=64, vocab_size=64, activation_function="gelu_new",
                 layer_norm_epsilon=1e-5, tie_word_embeddings=True),
    "phi3": dict({key: value for key, value in SMALL.items() if key != "head_dim"}, model_type="phi3", hidden_size=32, tie_word_embeddings=False,
                 partial_rotary_factor=0.75, sliding_window=6, original_max_position_embeddings=12,
                 rope_scaling=dict(type="longrope", short_factor=[1.0, 1.25, 1.5], long_factor=[1.0, 3.0, 6.0]), pad_token_id=0),
    "olmo2": dict({key: value for key, value in SMALL.items() if key != "head_dim"}, model_type="olmo2", hidden_size=32, tie_word_embeddings=False,
                  attention_bias=False),
}
CLASSES = {"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM",
           "gemma2": "Gemma2ForCausalLM", "gemma3_text": "Gemma3ForCausalLM", "gpt2": "GPT2LMHeadModel", "phi3": "Phi3ForCausalLM",
           "olmo2": "Olmo2ForCausalLM"}


def tensors_of(sizes):
    """Weights large enough that attention is not even and that no gradient is tiny: a projection keeps its input's size, queries and
    keys make scores of about 1.5, and logits are spread by about 3."""
    if sizes.get("model_type") == "gpt2":
        return gpt2_tensors(sizes)
    width, vocab = sizes["hidden_size"], sizes["vocab_size"]
    heads, kv_heads, mlp = sizes["num_attention_heads"], sizes["num_key_value_heads"], sizes["intermediate_size"]
    span = sizes.get("head_dim", width // heads)
    family = sizes.get("model_type", "llama")
    gemma, after = family in ("gemma2", "gemma3_text"), family in ("gemma2", "gemma3_text", "olmo2")
    # Which projections have biases.
    qkv, out_bias, mlp_bias = (family == "qwen2" or sizes.get("attention_bias", False)), sizes.get("attention_bias", False), sizes.get("mlp_bias", False)
    # Gemma's embeddings are multiplied by the root of the width.
    tensors = {"model.embed_tokens.weight": torch.randn(vocab, width) * (0.15 if gemma else 0.45)}

    def rows(out, into, scale):
        return torch.randn(out, into) * scale / into**0.5

    def project(name, out, into, scale, biased):
        tensors[f"{name}.weight"] = rows(out, into, scale)
        if biased:
            tensors[f"{name}.bias"] = torch.randn(out) * 0.3

    def norm(name, columns=width):
        # Gemma's norms multiply by one more than their weight.
        tensors[f"{name}.weight"] = (0 if gemma else 1) + 0.3 * torch.randn(columns)

    for layer in range(sizes["num_hidden_layers"]):
        at = f"model.layers.{layer}"
        if family != "olmo2":
            norm(f"{at}.input_layernorm")
        parts = [("q", heads * span, 1.3), ("k", kv_heads * span, 1.3), ("v", kv_heads * span, 1)]
        if family == "phi3":
            tensors[f"{at}.self_attn.qkv_proj.weight"] = torch.cat([rows(out, width, scale) for _, out, scale in parts])
        else:
            for name, out, scale in parts:
                project(f"{at}.self_attn.{name}_proj", out, width, scale, qkv)
        project(f"{at}.self_attn.o_proj", width, heads * span, 1, out_bias)
        if family in ("qwen3", "gemma3_text"):
            norm(f"{at}.self_attn.q_norm", span)
            norm(f"{at}.self_attn.k_norm", span)
        if family == "olmo2":
            norm(f"{at}.self_attn.q_norm", heads * span)
            norm(f"{at}.self_attn.k_norm", kv_heads * span)
        norm(f"{at}.post_attention_layernorm")
        if gemma:
            norm(f"{at}.pre_feedforward_layernorm")
        if after:
            norm(f"{at}.post_feedforward_layernorm")
        if family == "phi3":
            tensors[f"{at}.mlp.gate_up_proj.weight"] = torch.cat([rows(mlp, width, 1.5), rows(mlp, width, 1.2)])
        else:
            project(f"{at}.mlp.gate_proj", mlp, width, 1.5, mlp_bias)
            project(f"{at}.mlp.up_proj", mlp, width, 1.2, mlp_bias)
        project(f"{at}.mlp.down_proj", width, mlp, 1, mlp_bias)
    norm("model.norm")
    if not sizes["tie_word_embeddings"]:
        tensors["lm_head.weight"] = torch.randn(vocab, width) * 0.6
    return tensors


def gpt2_tensors(sizes):
    """Named as in the published files, without "transformer."; weights [in, out]."""
    width, mlp = sizes["n_embd"], sizes["n_inner"]
    tensors = {"wte.weight": torch.randn(sizes["vocab_size"], width) * 0.6, "wpe.weight": torch.randn(sizes["n_positions"], width) * 0.3}

    def norm(name):
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = 1 + 0.3 * torch.randn(width), torch.randn(width) * 0.2

    def project(name, into, scales):
        tensors[f"{name}.weight"] = torch.cat([torch.randn(into, out) * scale / into**0.5 for out, scale in scales], 1)
        tensors[f"{name}.bias"] = torch.randn(sum(out for out, _ in scales)) * 0.3

    for layer in range(sizes["n_layer"]):
        at = f"h.{layer}"
        norm(f"{at}.ln_1")
        project(f"{at}.attn.c_attn", width, [(width, 1.3), (width, 1.3), (width, 1)])
        project(f"{at}.attn.c_proj", width, [(width, 1)])
        norm(f"{at}.ln_2")
        project(f"{at}.mlp.c_fc", width, [(mlp, 1.5)])
        project(f"{at}.mlp.c_proj", mlp, [(width, 1)])
    norm("ln_f")
    return tensors


def is_gpt2(model):
    return model.config.model_type == "gpt2"


def blocks_of(model):
    return model.transformer.h if is_gpt2(model) else model.model.layers


def final_norm_of(model):
    return model.transformer.ln_f if is_gpt2(model) else model.model.norm


def span_of(model):
    """Columns of a head."""
    config = model.config
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def sizes_of(model):
    """Columns of queries, of keys, and of the MLP."""
    config, span = model.config, span_of(model)
    kv_heads = config.num_attention_heads if is_gpt2(model) else config.num_key_value_heads
    return config.num_attention_heads * span, kv_heads * span, config.n_inner if is_gpt2(model) else config.intermediate_size


def sites_of(model):
    """Sites of a layer; GPT-2's MLP has no gates, and what its activation reads stands for them."""
    sites = "resid_pre attn.q attn.k attn.v attn.head attn.out mlp.gate mlp.up mlp.act mlp.out resid_post".split()
    return [site for site in sites if not (is_gpt2(model) and site == "mlp.up")]


def place_of(model, tap):
    """The module of a tap, whether the tap is its input, and the tap's columns in it."""
    whole = slice(None)
    if tap == "embed":
        return (model.transformer.drop if is_gpt2(model) else model.model.embed_tokens), False, whole
    _, layer, site = tap.split(".", 2)
    block, (queries, keys, mlp) = blocks_of(model)[int(layer)], sizes_of(model)
    if site in ("resid_pre", "resid_post"):
        return block, site == "resid_pre", whole
    attention = block.attn if is_gpt2(model) else block.self_attn
    packed = getattr(attention, "c_attn", None) or getattr(attention, "qkv_proj", None)
    if packed is not None and site in ("attn.q", "attn.k", "attn.v"):
        first = {"attn.q": 0, "attn.k": queries, "attn.v": queries + keys}[site]
        return packed, False, slice(first, first + (queries if site == "attn.q" else keys))
    if hasattr(block.mlp, "gate_up_proj") and site in ("mlp.gate", "mlp.up"):
        return block.mlp.gate_up_proj, False, slice(0, mlp) if site == "mlp.gate" else slice(mlp, 2 * mlp)
    if is_gpt2(model):
        modules = {"attn.head": attention.c_proj, "attn.out": attention.c_proj, "mlp.gate": block.mlp.c_fc, "mlp.act": block.mlp.c_proj,
                   "mlp.out": block.mlp.c_proj}
        return modules[site], site in ("attn.head", "mlp.act"), whole
    modules = {"attn.head": attention.o_proj, "attn.out": attention.o_proj, "mlp.act": block.mlp.down_proj, "mlp.out": block.mlp.down_proj}
    own = {"attn.q": "q_proj", "attn.k": "k_proj", "attn.v": "v_proj"}
    module = modules.get(site) or (getattr(attention, own[site]) if site in own else getattr(block.mlp, f"{site[4:]}_proj"))
    return module, site in ("attn.head", "mlp.act"), whole
