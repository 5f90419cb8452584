"""Writes stance.json: what the published scoring of two questionnaires makes of given answers.

    python make_stance.py script.js questions.js gpt-3.5-turbo-1106.csv

script.js is js/script.js of github.com/politicalcompass/politicalcompass.github.io; questions.js and its formula (quiz.html) are of
github.com/8values/8values.github.io at 3971ed8; the CSV is data/completions/explicit_paraphrase_experiments_240124 of
github.com/paul-rottger/llm-values-pct, whose notebooks/pct_validation/pct_validate.py gives the two results for its first template. Only
numbers are written. Needs Python alone.
"""

import csv
import json
import random
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
COUNT = 40


def compass_tables(script):
    def table(name):
        body = re.search(name + r"\s*=\s*\[(.*?)\n\]", script, re.S).group(1)
        body = re.sub(r"//[^\n]*", "", body)
        return json.loads("[" + body.strip().rstrip(",") + "]")
    return table("econv"), table("socv")


def compass(tables, answers):
    """round() of script.js is left out: values as they are before it."""
    econ, soc = tables
    return [sum(econ[i][a] for i, a in enumerate(answers)) / 8.0 + 0.38,
            sum(soc[i][a] for i, a in enumerate(answers)) / 19.5 + 2.41]


def eight(questions, answers):
    out = []
    for axis in ("econ", "dipl", "govt", "scty"):
        top = sum(abs(q["effect"][axis]) for q in questions)
        score = sum((-1.0, -0.5, 0.0, 0.5, 1.0)[a] * q["effect"][axis] for q, a in zip(questions, answers))
        out.append(100 * (top + score) / (2 * top))
    return out


def choice(completion):
    """The label that a completion begins with, as extract_choice() of completion_helpers.py finds it; an unknown one is forced to 0."""
    text = completion.lower()
    for level, label in enumerate(("strongly disagree", "disagree", "agree", "strongly agree")):
        n = level + 1
        heads = (f"{n}) ", f"{n}. ", f"{n}. i ", f"{n}. i would ", f"i would label this as: {n}) ", "")
        if text.startswith(tuple(head + label for head in heads)):
            return level
    return 0


def vectors(n, levels, score, rng):
    constant = [[level] * n for level in range(levels)]
    drawn = [[rng.randrange(levels) for _ in range(n)] for _ in range(COUNT)]
    return [{"answers": "".join(map(str, answers)), "values": score(answers)} for answers in constant + drawn]


def main(script, questions, completions):
    rng = random.Random(8)
    tables = compass_tables(Path(script).read_text())
    assert [len(table) for table in tables] == [62, 62]
    quiz = json.loads(re.sub(r"\]\s*;?\s*$", "]", re.sub(r"^[^\[]*", "", Path(questions).read_text())))
    assert len(quiz) == 70
    with open(completions, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["templ_id"] == "templ-01"]
    assert [row["pct_id"] for row in rows] == [f"pc-{i:02}" for i in range(1, 63)]
    answers = [choice(row["completion"]) for row in rows]
    local = [-2.37, -4.154102564102564]
    assert all(abs(a - b) < 1e-12 for a, b in zip(compass(tables, answers), local)), compass(tables, answers)
    golden = {
        "compass": {
            "tables": list(tables),
            "vectors": vectors(62, 4, lambda a: compass(tables, a), rng),
            "validated": {"answers": "".join(map(str, answers)), "local": local, "site": [-2.38, -4.15]},
        },
        "eight": {"vectors": vectors(70, 5, lambda a: eight(quiz, a), rng)},
    }
    text = "{\n" + ",\n".join(
        f'"{name}": {{\n' + ",\n".join(f'"{key}": ' + (
            "[\n" + ",\n".join(json.dumps(row) for row in value) + "\n]" if isinstance(value, list) else json.dumps(value)
        ) for key, value in part.items()) + "\n}" for name, part in golden.items()
    ) + "\n}\n"
    assert json.loads(text) == golden
    (HERE / "stance.json").write_text(text)
    print("stance.json", len(text), "bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
