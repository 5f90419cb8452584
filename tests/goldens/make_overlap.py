"""What two blindly drawn sets share, by scipy: writes overlap.json beside this file.

Needs numpy and scipy. The law of a stratum is `hypergeom`'s; of several strata, their laws convolved by numpy. The mean of Jaccard's coefficient
is the sum over that law.
"""
import json
from pathlib import Path

import numpy as np
import scipy
from scipy.stats import hypergeom

OUT = Path(__file__).parent / "overlap.json"

# Shared units, and the strata: units there are, in the one set, in the other.
CASES = [
    (2, [(4, 2, 2)]),
    (0, [(1024, 48, 48)]),
    (7, [(1024, 48, 48)]),
    (40, [(1024, 48, 48)]),
    (3, [(10, 8, 5)]),
    (130, [(76_800, 2304, 2304)]),
    (300, [(600_000, 8000, 7000)]),
    (1500, [(600_000, 8000, 7000)]),
    (9, [(256, 16, 10), (256, 0, 22), (256, 30, 16), (256, 2, 0)]),
    (1, [(256, 16, 10), (256, 0, 22), (256, 30, 16), (256, 2, 0)]),
    (290, [(1536, 300, 200), (1536, 120, 180), (576, 40, 12), (192, 5, 60), (192, 190, 180)]),
]


def law(pool, one, other):
    return hypergeom.pmf(np.arange(min(one, other) + 1), pool, one, other)


rows = []
for shared, strata in CASES:
    probabilities = np.ones(1)
    for stratum in strata:
        probabilities = np.convolve(probabilities, law(*stratum))
    k = np.arange(len(probabilities))
    both = sum(one + other for _, one, other in strata)
    # One stratum has a tail of scipy's own, which keeps its digits where it is small.
    p = hypergeom.sf(shared - 1, *strata[0]) if len(strata) == 1 else probabilities[shared:][::-1].sum()
    rows.append({
        "shared": shared,
        "strata": [dict(zip(("pool", "one", "other"), stratum)) for stratum in strata],
        "mean": sum(hypergeom.mean(*stratum) for stratum in strata),
        "jaccard": float((probabilities * k / (both - k)).sum()),
        "p": float(p),
    })

OUT.write_text(json.dumps({"about": {"numpy": np.__version__, "scipy": scipy.__version__}, "cases": rows}, indent=1) + "\n")
print("wrote", OUT.name, OUT.stat().st_size, "bytes")
