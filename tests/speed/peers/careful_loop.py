"""Activation times gradient at five sites of every layer, as a careful user of PyTorch would write it.

    python careful_loop.py --model FOLDER --samples FILE [--dtype bfloat16] [--device cuda] [--what forward]

A sample's score of a column is P(target) times the largest, over its tokens, of activation times gradient of log P(target): that of
P itself, without underflow. `--what forward` computes log P(target) alone, a column a sample. Driven as rounds.py says.

What is careful: weights are frozen, only the embedding's output asks for a gradient; the walk back ends at the first layer's
projections; products are pooled in hooks, so no gradient is kept; one row a sample goes through the output matrix; batches are of
like length and padded on the right, where causal attention needs no mask; attention and batch size are the best of those tried.
Needs: torch, transformers.
"""

import argparse

import torch
from transformers import AutoModelForCausalLM

from rounds import SITES, THREADS, serve, timed

BATCHES = {"cpu": (4, 8, 16), "cuda": (8, 32, 64)}


def open_loop(folder, dtype, device="cpu", what="gradients"):
    """A function score(samples, batch) -> [samples, columns], in the order given; the model, to choose its attention."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval().requires_grad_(False).to(device)
    modules = [layer.get_submodule(site) for layer in model.model.layers for site in SITES]
    embed = model.get_input_embeddings()
    outputs, pooled = [None] * len(modules), [None] * len(modules)
    padding = None

    def keep(index):
        def pool(gradient):
            product = outputs[index] * gradient
            if padding is not None:
                product.masked_fill_(padding, -torch.inf)
            pooled[index] = product.amax(1)
            if index >= len(SITES):
                outputs[index] = None

        def hook(_module, _inputs, output):
            outputs[index] = output
            output.register_hook(pool)

        return hook

    if what == "gradients":
        for index, module in enumerate(modules):
            module.register_forward_hook(keep(index))

    def score_batch(samples):
        nonlocal padding
        lengths = torch.tensor([len(sample["ids"]) for sample in samples])
        ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(sample["ids"]) for sample in samples], batch_first=True)
        past = torch.arange(ids.shape[1]) >= lengths[:, None]
        padding = past[:, :, None].to(device) if past.any() else None
        rows = torch.arange(len(samples))
        embedded = embed(ids.to(device)).requires_grad_(what == "gradients")
        hidden = model.model(inputs_embeds=embedded, use_cache=False).last_hidden_state
        logits = model.lm_head(hidden[rows, lengths - 1]).float()
        logprob = logits.log_softmax(-1)[rows, torch.tensor([sample["target"] for sample in samples])]
        if what == "forward":
            return logprob[:, None]
        torch.autograd.grad(logprob.sum(), outputs[:len(SITES)])
        return torch.cat(pooled, 1).float() * logprob.detach().exp()[:, None]

    def score(samples, batch):
        order = sorted(range(len(samples)), key=lambda i: len(samples[i]["ids"]))
        parts = [order[i:i + batch] for i in range(0, len(order), batch)]
        with torch.set_grad_enabled(what == "gradients"):
            found = torch.cat([score_batch([samples[i] for i in part]) for part in parts]).cpu()
        return found[torch.argsort(torch.tensor(order))]

    return model, score


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--samples", required=True)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--device", choices=BATCHES, default="cpu")
    parser.add_argument("--what", choices=("gradients", "forward"), default="gradients")
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    model, score = open_loop(args.model, getattr(torch, args.dtype), args.device, args.what)
    chosen = {"attention": "sdpa", "batch": 8}
    compute = lambda part: score(part, chosen["batch"])

    def trial(samples, attention, batch):
        model.set_attn_implementation(attention)
        return timed(lambda part: score(part, batch), samples)[1]["seconds"]

    def prepare(samples):
        trial(samples, "sdpa", 8)  # the first calls allocate
        tried = {(attention, 8): trial(samples, attention, 8) for attention in ("eager", "sdpa")}
        attention, _ = min(tried, key=tried.get)
        tried |= {(attention, batch): trial(samples, attention, batch) for batch in BATCHES[args.device] if batch != 8}
        chosen["attention"], chosen["batch"] = min(tried, key=tried.get)
        model.set_attn_implementation(chosen["attention"])
        tokens = sum(len(sample["ids"]) for sample in samples)
        rates = [f"{attention} {batch}: {tokens / seconds:.0f}" for (attention, batch), seconds in tried.items()]
        return f"{chosen['attention']} attention, batches of {chosen['batch']} (tokens/s of {', '.join(rates)})"

    serve(args.samples, prepare, compute, compute)


if __name__ == "__main__":
    main()
