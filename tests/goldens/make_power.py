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
from scipy.stats import norm
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


# discordance, margin, guard, sides, icc, items a cluster, level
CLAIMS = [
    (0.2, 0.05, False, 1, 0.0, 1, 0.95),
    (0.2, 0.05, False, 2, 0.0, 1, 0.975),
    (0.02, 0.05, False, 1, 0.0, 1, 0.95),
    (0.2, 0.02, False, 1, 0.5, 4, 0.99),
    (0.2, 0.05, True, 1, 0.0, 1, 0.95),
    (0.02, 0.05, True, 1, 0.0, 1, 0.95),
    (0.0, 0.3, True, 1, 0.0, 1, 0.95),
    (0.3, 0.1, True, 1, 0.2, 3, 0.975),
]


def refuted(rose, fell, at):
    """Variance of an item's change where the shares that rise and fall are the likeliest with rise - fall = at: the likelihood of the trinomial
    maximised over the share that falls, by its derivative."""
    low, high = max(0.0, -at), (1 - at) / 2

    def slope(q):
        return rose / (q + at) + fell / q - 2 * (1 - rose - fell) / (1 - 2 * q - at)

    edge = 1e-15
    if rose == 0 and fell == 0:
        q = low
    else:
        q = brentq(slope, low + edge, high - edge, xtol=1e-16, rtol=1e-14)
    return 2 * q + at - at ** 2


def claims():
    for d, margin, guard, sides, icc, m, level in CLAIMS:
        alpha, power = 1 - level, 0.8
        changing = d if guard else max(d, margin)
        null = refuted(changing / 2, changing / 2, -margin) if guard else changing
        true = changing if guard else changing - margin ** 2
        z_alpha, z_beta = norm.isf(alpha / sides), norm.isf(1 - power)
        sd = (z_alpha * math.sqrt(null) + z_beta * math.sqrt(true)) / (z_alpha + z_beta)
        effect, name = effect_of(sd, margin, icc, m), SIDES[sides]
        t = tt_solve_power(effect_size=effect, alpha=alpha, power=power, alternative=name)
        yield dict(
            discordance=d, margin=margin, guard=guard, sides=sides, icc=icc, clusterSize=m, level=level, power=power,
            clusters=refined(lambda n: ttest_power(effect, n, alpha, alternative=name), t, power),
            least=next(k for k in range(1, 10_000) if ((1 - margin) ** k if guard else sides * 0.5 ** k) <= alpha * (1 + 1e-12)),
        )


golden = {
    "about": {"statsmodels": statsmodels.__version__, "scipy": scipy.__version__},
    "needed": list(needed()),
    "detectable": list(detectable()),
    "claims": list(claims()),
}
OUT.write_text(json.dumps(golden, indent=1) + "\n")
print(f"{OUT.name}: {len(golden['needed'])} sample sizes, {len(golden['detectable'])} effects")
