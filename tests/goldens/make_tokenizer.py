"""Makes tests/goldens/tokenizer/*.json: rows of text of our own, and the ids that independent tokenizers give them.

Oracles: llama.cpp (llama-cpp-python 0.3.36) and the native tokenizers package (0.23) must agree on every row, or the rows on which
they do not are listed under "disagree" with both answers. Chat templates are rendered with jinja2 as transformers sets it up.

    python make_tokenizer.py MODEL.gguf SHARED_FOLDER

MODEL.gguf is SmolLM2-135M-Instruct.Q4_1.gguf (fixtures/README.md); SHARED_FOLDER has models/stories260K and models/gpt2-tokenizer.
Needs: gguf, jinja2, llama-cpp-python, tokenizers.
"""
import json
import random
import struct
import sys
import tempfile
from pathlib import Path

import gguf
import jinja2.sandbox
import llama_cpp
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

MODEL, SHARED = Path(sys.argv[1]), Path(sys.argv[2])
OUT = Path(__file__).parent / "tokenizer"


def make_rows():
    rnd = random.Random(20240726)
    nouns = "fox river teacher lantern violin market garden engineer mountain letter bridge kettle orchard sailor".split()
    verbs = "carries paints follows repairs ignores remembers weighs borrows finds hides".split()
    adjectives = "quiet brown ancient clever narrow warm broken Northern electric invisible".split()
    places = ["in Lagos", "near Kyoto", "at O'Hare", "on Elm Street", "in São Paulo", "by the Łódź canal", "in Zürich"]
    cjk = ["我喜欢吃苹果。", "東京は日本の首都です。", "안녕하세요, 세계!", "天气很好，我们去公园吧", "カタカナとひらがな", "한국어 띄어쓰기 시험"]
    emoji = ["😀", "👩‍👩‍👧", "👍🏽", "🏳️‍🌈", "🇯🇵🇧🇷", "❤️", "🧑🏿‍🚀", "☕", "✨🎉", "1️⃣"]
    accents = ["naïve café", "Ångström", "crème brûlée", "jalapeño", "Straße", "Ελληνικά", "Привет, мир", "עברית", "العربية ٣٤٥", "हिन्दी १२३", "e\u0301 o\u0308 n\u0303", "İstanbul ığ", "ﬁne ﬂow"]
    spaces = [" ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", " \n", "\n ", "\t\t ", "\u00a0", "\u2003", "\u3000", "\u0085", "\u200b", "\ufeff", "\u2028"]
    numbers = ["0", "7", "42", "2024", "12345", "3.14159", "1,000,000", "-17", "1e-6", "0xFF", "50%", "$9.99", "½", "²", "Ⅷ", "１２３", "٤٢", "12:30", "1990s", "3rd"]
    code = ["for (let i = 0; i < 10; i++) {", "    return x ** 2", "def f(a, b=None):", "SELECT * FROM t WHERE id=3;", "#include <stdio.h>", "a->b(&c[0])", "\"quoted\\n\"", "x=[1,2,3]\ny={'k': 'v'}", "// TODO: fix", "<div class=\"a\">text</div>", "\\frac{a}{b}", "git commit -m 'x'", "https://example.org/a?b=c&d=1#e", "user@example.org", "C:\\Users\\x"]
    marks = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<s>", "</s>", "<unk>", "<repo_name>", "<|im_start|>user\nHi<|im_end|>\n", "<|im_start|>assistant\n", "<|not_a_token|>", "<|im_start", "[INST]", "<0x0A>", "▁", "Ġ", "<jupyter_code> x"]
    contractions = ["I'm", "you're", "they'VE", "it's", "IT'S", "won't", "we'll", "he'd", "o'clock", "'tis", "rock'n'roll", "James'", "don’t"]
    marksets = ["...", "?!", "—", "…", "«»", "“quoted”", "()", "[]{}", "~~~", "=====", "***", "^_^", "#1", "@you", "&amp;", "¿Qué?", "。、", "$$", "+-*/", "|||", "```"]

    def sentence():
        text = f"The {rnd.choice(adjectives)} {rnd.choice(nouns)} {rnd.choice(verbs)} the {rnd.choice(nouns)} {rnd.choice(places)}"
        return text + rnd.choice([".", "!", "?", ", they said.", "; then nothing."])

    pools = [cjk, emoji, accents, spaces, numbers, code, marks, contractions, marksets]
    rows = [item for pool in pools for item in pool]
    rows += [a + b for a in ["a", " a", "1", "\n", "é"] for b in spaces]
    rows += [s + "end" for s in spaces] + ["x" + s * 3 + "y" for s in spaces]
    rows += [" \u0085a", "a \u0085", "a \ufeffb", " \ufeff", "(\ufeff", "a\u0085 b", "!\u0085!", "\ufeff\ufeff  x", "a \u00a0 b", "\u0085\n", "\n\ufeff\n"]
    rows += ["Question: What is 2 + 2?\nAnswer:", " A", " B", "A", "B", "A.", " yes", " no", "Ja", "a" * 300, "ab " * 80, "9" * 70]
    while len(rows) < 330:
        rows.append(sentence())
    while len(rows) < 500:
        parts = [rnd.choice(rnd.choice(pools)) if rnd.random() < 0.75 else sentence() for _ in range(rnd.randint(2, 6))]
        rows.append(rnd.choice(["", " ", "", "\n"]).join(parts))
    seen = list(dict.fromkeys(rows))
    while len(seen) < 500:
        seen = list(dict.fromkeys(seen + [sentence() + " " + rnd.choice(numbers)]))
    return seen[:500]


def llama_ids(path, rows):
    llm = llama_cpp.Llama(model_path=str(path), vocab_only=True, verbose=False)
    return [llm.tokenize(row.encode(), add_bos=False, special=True) for row in rows]


def native_ids(tok, rows):
    return [tok.encode(row, add_special_tokens=False).ids for row in rows]


def write(name, value):
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("],[", "],\n[")
    (OUT / name).write_text(text + "\n")


def compare(name, rows, llama, native, roundtrip):
    differ = [i for i, (a, b) in enumerate(zip(llama, native)) if a != b]
    print(name, len(rows), "rows,", len(differ), "differ")
    for i in differ[:12]:
        print("  ", ascii(rows[i]), llama[i], native[i])
    return {
        "ids": native,
        "disagree": [{"row": i, "llama.cpp": llama[i]} for i in differ],
        "decoded": roundtrip,
    }


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CASED = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def byte_level():
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


def by_regex(regex):
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(regex), "isolated"), plain])


def digits_then_bytes():
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level()])


def smollm2(rows):
    reader = gguf.GGUFReader(str(MODEL))
    get = lambda key: reader.fields[key].contents()
    tokens, types = get("tokenizer.ggml.tokens"), get("tokenizer.ggml.token_type")
    merges = [tuple(m.split(" ")) for m in get("tokenizer.ggml.merges")]
    tok = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    tok.pre_tokenizer, tok.decoder = digits_then_bytes(), decoders.ByteLevel()
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, k in zip(tokens, types) if k == 3])
    native = native_ids(tok, rows)
    out = compare("smollm2", rows, llama_ids(MODEL, rows), native, [tok.decode(ids) for ids in native])
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    template = env.from_string(get("tokenizer.chat_template"))
    user = {"role": "user", "content": "Which river is longer, the Nile or the Rhine?\n  Say why."}
    talks = [
        [user],
        [{"role": "system", "content": "You answer in one word."}, user],
        [user, {"role": "assistant", "content": "The Nile."}, {"role": "user", "content": "By how much? {{ x }}"}],
    ]
    out["chats"] = []
    for messages in talks:
        text = template.render(messages=messages, bos_token=tokens[1], eos_token=tokens[2], add_generation_prompt=True)
        ids = tok.encode(text, add_special_tokens=False).ids
        out["chats"].append({"messages": messages, "text": text, "ids": ids})
    write("smollm2.json", out)


def vocab_gguf(path, fill):
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(64)
    writer.add_block_count(1)
    writer.add_feed_forward_length(64)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    fill(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def stories(rows):
    folder = SHARED / "models/stories260K"
    tok = Tokenizer.from_file(str(folder / "tokenizer.json"))
    vocab = sorted(tok.get_vocab().items(), key=lambda pair: pair[1])
    data, at, scores = (folder / "tok512.bin").read_bytes(), 4, []
    for _ in vocab:
        score, length = struct.unpack_from("<fi", data, at)
        scores.append(score)
        at += 8 + length
    types = [2, 3, 3] + [6 if len(t) == 6 and t.startswith("<0x") else 1 for t, _ in vocab[3:]]

    def fill(writer):
        writer.add_tokenizer_model("llama")
        writer.add_token_list([t for t, _ in vocab])
        writer.add_token_scores(scores)
        writer.add_token_types(types)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)

    with tempfile.TemporaryDirectory() as temp:
        path = Path(temp) / "stories.gguf"
        vocab_gguf(path, fill)
        llama = llama_ids(path, rows)
    native = native_ids(tok, rows)
    out = compare("stories260K", rows, llama, native, [tok.decode(ids) for ids in native])
    out["special"] = tok.encode(rows[0]).ids
    write("stories260k.json", out)


def pre(rows):
    """Every name of the table of tokenizer.ggml.pre, on one vocabulary: what is checked is where text is cut."""
    folder = SHARED / "models/gpt2-tokenizer"
    vocab = json.loads((folder / "vocab.json").read_text())
    tokens = [t for t, _ in sorted(vocab.items(), key=lambda pair: pair[1])]
    lines = (folder / "merges.txt").read_text().split("\n")
    merges = [line for line in lines if line and not line.startswith("#version")]
    table = {
        "smollm": digits_then_bytes(),
        "starcoder": digits_then_bytes(),
        "refact": digits_then_bytes(),
        "gpt-2": byte_level(),
        "llama-bpe": by_regex(CASED % r"\p{N}{1,3}"),
        "llama3": by_regex(CASED % r"\p{N}{1,3}"),
        "qwen2": by_regex(CASED % r"\p{N}"),
    }
    out = {}
    for name, pre_tokenizer in table.items():
        ignore = name in ("llama-bpe", "llama3")
        tok = Tokenizer(models.BPE(vocab=vocab, merges=[tuple(m.split(" ")) for m in merges], ignore_merges=ignore))
        tok.pre_tokenizer = pre_tokenizer
        tok.add_special_tokens([AddedToken("<|endoftext|>", special=True, normalized=False)])

        def fill(writer):
            writer.add_tokenizer_model("gpt2")
            writer.add_tokenizer_pre(name)
            writer.add_token_list(tokens)
            writer.add_token_types([3 if t == "<|endoftext|>" else 1 for t in tokens])
            writer.add_token_merges(merges)
            writer.add_bos_token_id(50256)
            writer.add_eos_token_id(50256)

        with tempfile.TemporaryDirectory() as temp:
            path = Path(temp) / "vocab.gguf"
            vocab_gguf(path, fill)
            llama = llama_ids(path, rows)
        made = compare(name, rows, llama, native_ids(tok, rows), None)
        same = next((other for other in out if out[other].get("ids") == made["ids"]), None)
        out[name] = {"sameAs": same} if same else {"ids": made["ids"], "disagree": made["disagree"]}
    write("pre.json", out)


rows = make_rows()
write("rows.json", rows)
smollm2(rows)
stories(rows)
pre(rows)
