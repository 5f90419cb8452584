"""What SciPy and statsmodels say of small data sets and of the distributions that Plumbline's statistics stand on.

    python make_stats.py

Writes stats.json beside itself. Needs numpy, scipy, statsmodels. All data are made here, from a seed, or written out. Where neither package
has a quantity (CR2 and its degrees of freedom, Tango's interval), it is computed from its definition, by matrices and by root finding,
and not by the closed forms that are tested.
"""
import json
import math
from pathlib import Path

import numpy as np
import scipy
import statsmodels
from scipy import integrate, linalg, optimize, special, stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import ttest_power
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

rng = np.random.default_rng(20)


def distributions():
    t = [(0.0, 3), (1.0, 1), (2.5, 5), (9.0, 2), (4.0, 10), (14.0, 7), (6.0, 30), (0.3, 62), (1.3, 2.7), (3.1, 11.25), (2.0, 7292), (2.0, 499999)]
    quantiles = [(0.025, 1), (0.025, 4), (0.025, 3.3), (0.0001, 2), (0.025, 7292), (0.3, 1.5), (0.05, 42)]
    nct = [(2.0, 5, 1.5), (-2.0, 5, 1.5), (3.0, 300, 3.2), (2.776, 4, 4.0), (0.0, 7, 0.5), (2.0, 15.5, 2.8)]
    beta = [(0.5, 3.3, 0.2), (12.0, 4.0, 0.9), (250.0, 0.5, 0.99), (3.0, 3.0, 0.5), (0.5, 2000.0, 1e-4)]
    z = [0.0, 0.7, 1.96, 2.6, 5.0, 8.0]
    return {
        "student": [[*each, stats.t.sf(*each)] for each in t],
        "studentQuantile": [[*each, stats.t.isf(*each)] for each in quantiles],
        "noncentral": [[*each, stats.nct.cdf(*each)] for each in nct],
        "beta": [[*each, special.betainc(*each)] for each in beta],
        "normal": [[each, stats.norm.sf(each)] for each in z],
    }


def means():
    """Independent values: t intervals by statsmodels, and clusters of equal size, whose cluster-robust error is CR1 and CR2 alike."""
    values = rng.normal(0.3, 1, 12).round(3)
    low, high = DescrStatsW(values).tconfint_mean(0.05)
    clusters = np.repeat(np.arange(6), 4)
    clustered = (rng.normal(size=6)[clusters] + rng.normal(size=24)).round(3)
    fit = OLS(clustered, np.ones(24)).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    # statsmodels takes as many degrees of freedom as there are clusters, less one.
    a, b = fit.conf_int()[0]
    return {
        "independent": {"values": values.tolist(), "low": low, "high": high},
        "equal": {"values": clustered.tolist(), "clusters": clusters.tolist(), "error": fit.bse[0], "low": a, "high": b},
        "unequal": unequal(),
    }


def unequal():
    """CR2 and Bell and McCaffrey's degrees of freedom of a mean, from matrices of all items."""
    sizes = [1, 2, 3, 5, 9, 4, 2]
    clusters = np.repeat(np.arange(7), sizes)
    n = len(clusters)
    values = (rng.normal(size=7)[clusters] + rng.normal(size=n)).round(3)
    x = np.ones((n, 1))
    hat = x @ np.linalg.inv(x.T @ x) @ x.T
    keep = np.eye(n) - hat
    residual = keep @ values
    meat, columns = 0.0, []
    for g in range(7):
        mine = clusters == g
        adjust = linalg.fractional_matrix_power(np.eye(mine.sum()) - hat[np.ix_(mine, mine)], -0.5).real
        meat += (x[mine].T @ adjust @ residual[mine]).item() ** 2
        columns.append(keep[:, mine] @ adjust @ x[mine, 0] / n)
    g = np.array(columns)
    eigen = np.linalg.eigvalsh(g @ g.T)
    error, freedom = math.sqrt(meat) / n, eigen.sum() ** 2 / (eigen ** 2).sum()
    margin = stats.t.isf(0.025, freedom) * error
    return {"values": values.tolist(), "clusters": clusters.tolist(), "error": error, "freedom": freedom,
            "low": values.mean() - margin, "high": values.mean() + margin}


def proportions():
    cases = [(0, 10, 0.95), (1, 10, 0.95), (7, 12, 0.5), (81, 263, 0.99), (3277, 5463, 0.95), (20, 20, 0.95), (9500, 10000, 0.95)]
    rows = []
    for count, n, level in cases:
        wilson = proportion_confint(count, n, 1 - level, "wilson")
        exact = proportion_confint(count, n, 1 - level, "beta")
        rows.append({"count": count, "n": n, "level": level, "wilson": list(wilson), "exact": list(exact)})
    pairs = [(5, 0), (1, 9), (7, 7), (10, 25), (410, 656)]
    return {
        "intervals": rows,
        "mcnemar": [[rose, fell, mcnemar([[3, rose], [fell, 2]], exact=True).pvalue] for rose, fell in pairs],
        "tango": [tango(*each) for each in [(1, 1, 16, 1.959963984540054), (9, 2, 44, 1.959963984540054), (0, 5, 30, 1.959963984540054),
                                            (43, 0, 54, 1.959963984540054), (2.5, 4.25, 17.3, 2.4), (0, 0, 9, 1.959963984540054)]],
    }


def tango(rose, fell, n, quantile):
    """The differences that the score test does not reject; the nuisance share by maximum likelihood, found as a root of its derivative."""

    def score(at):
        low, high = max(0.0, -at), (1 - at) / 2
        derivative = lambda q: (rose / (q + at) if rose else 0) + (fell / q if fell else 0) - 2 * (n - rose - fell) / (1 - 2 * q - at)
        a, b = low + 1e-14, high - 1e-14
        if derivative(a) <= 0:
            q = low
        elif derivative(b) >= 0:
            q = high
        else:
            q = optimize.brentq(derivative, a, b, xtol=1e-17, rtol=1e-15, maxiter=500)
        return (rose - fell - n * at) / math.sqrt(n * (2 * q + at - at * at))

    value = (rose - fell) / n
    low = optimize.brentq(lambda at: score(at) - quantile, -1 + 1e-9, value - 1e-12, xtol=1e-15, rtol=1e-14)
    high = optimize.brentq(lambda at: score(at) + quantile, value + 1e-12, 1 - 1e-9, xtol=1e-15, rtol=1e-14)
    return {"rose": rose, "fell": fell, "n": n, "quantile": quantile, "low": low, "high": high}


def families():
    lists = [[0.01, 0.04, 0.03], [0.001, 0.2, 0.012, 0.012, 0.9, 0.049], [0.5], [1.0, 0.0, 0.6, 0.02]]
    return [{"p": ps, "holm": multipletests(ps, method="holm")[1].tolist(), "bh": multipletests(ps, method="fdr_bh")[1].tolist()}
            for ps in lists]


def power():
    """The noncentrality at which a t test has the power asked; the last by integration, where statsmodels' gives NaN."""
    rows = []
    for freedom, alpha, wanted, sides in [(4, 0.05, 0.8, 2), (15, 0.05, 0.8, 2), (42, 0.05, 0.9, 2), (299, 0.05, 0.8, 2), (23, 0.0125, 0.8, 1)]:
        n, kind = freedom + 1, "two-sided" if sides == 2 else "larger"
        gap = lambda shift: ttest_power(shift / math.sqrt(n), n, alpha, df=freedom, alternative=kind) - wanted
        rows.append([freedom, alpha, wanted, sides, optimize.brentq(gap, 1, 6, xtol=1e-14, rtol=1e-14)])
    critical = stats.t.isf(0.0005, 4)
    found = lambda shift: integrate.quad(
        lambda u: (stats.norm.sf(critical * np.sqrt(u / 4) - shift) + stats.norm.cdf(-critical * np.sqrt(u / 4) - shift)) * stats.chi2.pdf(u, 4),
        0, np.inf, epsabs=1e-13, epsrel=1e-13, limit=500)[0]
    rows.append([4, 0.001, 0.8, 2, optimize.brentq(lambda shift: found(shift) - 0.8, 5, 20, xtol=1e-13)])
    return rows


def equivalence():
    before = rng.normal(size=20).round(3)
    after = (before + rng.normal(0.1, 0.4, 20)).round(3)
    rows = []
    for margin in [0.2, 0.4, 1.0]:
        p, above, below = ttost_paired(after, before, -margin, margin)
        rows.append({"margin": margin, "p": p, "above": above[1], "below": below[1]})
    return {"before": before.tolist(), "after": after.tolist(), "margins": rows}


def sign_flips():
    """Clusters' changes whose 2^k patterns SciPy goes through."""
    lists = [[1.5, -0.25, 2.0, 0.5, 0.75, -1.0, 3.25, 0.1, 0.9, 1.1], [3, -1, 2, 2, -1, 4, 0, 1], [1, 1, -1, 1, 1, 1, -1], [-0.3, -0.2, -0.9, -1.7, -0.4]]
    rows = []
    for changes in lists:
        one = {kind: stats.permutation_test((np.array(changes, float),), np.sum, permutation_type="samples", alternative=kind, n_resamples=np.inf).pvalue
               for kind in ["two-sided", "greater", "less"]}
        rows.append({"changes": changes, "p": one["two-sided"], "greater": one["greater"], "less": one["less"]})
    return rows


golden = {
    "about": {"numpy": np.__version__, "scipy": scipy.__version__, "statsmodels": statsmodels.__version__},
    "distributions": distributions(),
    "means": means(),
    "proportions": proportions(),
    "families": families(),
    "power": power(),
    "equivalence": equivalence(),
    "signFlips": sign_flips(),
}
path = Path(__file__).with_name("stats.json")
path.write_text(json.dumps(golden, indent=1) + "\n")
print("wrote", path.name, path.stat().st_size, "bytes")
