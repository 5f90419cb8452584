"""Sample sizes and smallest effects by statsmodels: writes power.json beside this file.

Needs statsmodels and scipy. A design effect is put in by hand: k clusters are k observations of their mean, whose variance is
sd^2 (1 + (m - 1) icc) / m. statsmodels' solver stops within about 1e-4 of its answer, so its answer is only where a second root finding
starts, on statsmodels' own power.
"""
import itertools
import json
import math
from pathlib import Path

import scipy
import statsmodels
from scipy.optimize import brentq
from statsmodels.stats.power import NormalIndPower, normal_power, tt_solve_power, ttest_power

OUT = Path(__file__).parent / "power.json"
SIDES = {1: "larger", 2: "two-sided"}

# sd, margin, icc, clusterSize
DESIGNS = [
    (1.0, 0.5, 0.0, 1.0),
    (1.0, 0.1, 0.0, 1.0),
    (0.447213595499958, 0.05, 0.0, 1.0),
    (0.447213595499958, 0.05, 0.5, 4.0),
    (0.3, 0.02, 0.1, 2.5),
    (2.0, 1.5, 1.0, 3.0),
    (1.0, 1.2, 0.0, 1.0),
]
LEVELS = [(0.95, 0.8), (0.9, 0.9), (0.99, 0.95)]


def effect_of(sd, margin, icc, m):
    return margin / (sd * math.sqrt((1 + (m - 1) * icc) / m))


def refined(power_at, start, power):
    """Where statsmodels' power is `power`, near its own answer; the two must agree to what its solver promises."""
    root = brentq(lambda x: power_at(x) - power, 0.99 * start, 1.01 * start, xtol=1e-13, rtol=1e-14)
    assert abs(root / start - 1) < 1e-3, (root, start)
    assert abs(power_at(root) - power) < 1e-10, (root, power_at(root))
    return float(root)


def needed():
    for (sd, margin, icc, m), (level, power), (sides, name) in itertools.product(DESIGNS, LEVELS, SIDES.items()):
        effect, alpha = effect_of(sd, margin, icc, m), 1 - level
        t = tt_solve_power(effect_size=effect, alpha=alpha, power=power, alternative=name)
        normal = NormalIndPower().solve_power(effect_size=effect, alpha=alpha, power=power, ratio=0, alternative=name)
        yield dict(
            sd=sd, margin=margin, icc=icc, clusterSize=m, level=level, power=power, sides=sides,
            t=refined(lambda n: ttest_power(effect, n, alpha, alternative=name), t, power),
            normal=refined(lambda n: normal_power(effect, n, alpha, alternative=name), normal, power),
        )


def detectable():
    for clusters, (level, power), (sides, name) in itertools.product([8, 24, 96, 2000], LEVELS, SIDES.items()):
        alpha = 1 - level
        t = tt_solve_power(nobs=clusters, alpha=alpha, power=power, alternative=name)
        normal = NormalIndPower().solve_power(nobs1=clusters, alpha=alpha, power=power, ratio=0, alternative=name)
        yield dict(
            clusters=clusters, level=level, power=power, sides=sides,
            t=refined(lambda d: ttest_power(d, clusters, alpha, alternative=name), t, power),
            normal=refined(lambda d: normal_power(d, clusters, alpha, alternative=name), normal, power),
        )


golden = {
    "about": {"statsmodels": statsmodels.__version__, "scipy": scipy.__version__},
    "needed": list(needed()),
    "detectable": list(detectable()),
}
OUT.write_text(json.dumps(golden, indent=1) + "\n")
print(f"{OUT.name}: {len(golden['needed'])} sample sizes, {len(golden['detectable'])} effects")
