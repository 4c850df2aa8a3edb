"""Makes vectors.json: what SciPy, statsmodels and scikit-learn say to inputs as `shim stats --jsonl` takes them.

    python -m venv v && v/bin/pip install scipy==1.17.1 statsmodels==0.15.0 scikit-learn==1.9.1 mpmath && v/bin/python make.py

Each row is an op, its input, what the other program says, and how far from it an answer may be (relative).
"""
import json, math, os, random, sys
import numpy as np, scipy, sklearn, statsmodels
from scipy import integrate, special, stats
from sklearn import metrics
from statsmodels.stats import multitest, power, proportion

rng = random.Random(6)
rows = []
ALTS = ["two-sided", "less", "greater"]
ENDS = {"two-sided": "two-sided", "less": "smaller", "greater": "larger"}


def row(op, given, said, tol=1e-10):
    # Where the other program gives up there is nothing to compare with. What is infinite was made null before.
    if not any(isinstance(v, float) and not math.isfinite(v) for v in said.values()):
        rows.append({"op": op, "in": given, "out": said, "tol": tol})


def finite(x):
    return float(x) if math.isfinite(x) else None


def sample(n, mean, sd, digits):
    return [round(rng.gauss(mean, sd), digits) for _ in range(n)]


# Welch, effect size, power of the t test
for n1, n2, shift, scale in [(2, 2, 0, 1), (3, 7, 1, 2), (12, 9, .4, 1), (40, 25, 3, 5), (200, 150, .2, 1.5), (30, 30, 1e4, 1), (5, 400, -1, .1)]:
    a, b = sample(n1, shift, scale, 4), sample(n2, 0, 1, 4)
    for alt in ALTS:
        r = stats.ttest_ind(a, b, equal_var=False, alternative=alt)
        ci = r.confidence_interval(.95)
        row("welch_t", {"a": a, "b": b, "alternative": alt},
            {"t": float(r.statistic), "df": float(r.df), "p": float(r.pvalue), "ci": [finite(ci.low), finite(ci.high)]}, 1e-9)
    sp = math.sqrt(((n1 - 1) * np.var(a, ddof=1) + (n2 - 1) * np.var(b, ddof=1)) / (n1 + n2 - 2))
    d = (np.mean(a) - np.mean(b)) / sp
    m = n1 + n2 - 2
    j = math.exp(math.lgamma(m / 2) - math.lgamma((m - 1) / 2)) / math.sqrt(m / 2)
    row("cohens_d", {"a": a, "b": b}, {"d": float(d), "g": float(d * j)}, 1e-9)

# Mann-Whitney: exact without ties, also for n1 <= n2; asymptotic with them
for n1, n2 in [(1, 1), (1, 5), (3, 3), (2, 9), (4, 4), (5, 8), (8, 5), (8, 30), (12, 12), (20, 35), (45, 40), (60, 80)]:
    for shift in (0, 1):
        pool = rng.sample(range(10000), n1 + n2)
        a, b = [float(x + shift * 2500) + .25 for x in pool[:n1]], [float(x) for x in pool[n1:]]
        for alt in ALTS:
            r = stats.mannwhitneyu(a, b, alternative=alt, method="exact")
            row("mann_whitney", {"a": a, "b": b, "alternative": alt, "method": "exact"},
                {"u": float(r.statistic), "p": float(r.pvalue)}, 1e-9)
for n1, n2, levels in [(3, 4, 3), (6, 6, 4), (10, 25, 5), (30, 20, 8), (80, 90, 12)]:
    a, b = [rng.randrange(levels) + rng.randrange(2) for _ in range(n1)], [rng.randrange(levels) for _ in range(n2)]
    if len(set(a + b)) == 1:
        continue
    for alt in ALTS:
        for cont in (True, False):
            r = stats.mannwhitneyu(a, b, alternative=alt, method="asymptotic", use_continuity=cont)
            row("mannwhitneyu", {"a": a, "b": b, "alternative": alt, "method": "asymptotic", "continuity": cont},
                {"u": float(r.statistic), "p": float(r.pvalue)})
        r = stats.mannwhitneyu(a, b, alternative=alt)
        row("mann_whitney_u", {"x": a, "y": b, "alternative": alt}, {"u": float(r.statistic), "p": float(r.pvalue)})

# Fisher
for table in [[[8, 2], [1, 5]], [[0, 5], [5, 0]], [[3, 0], [2, 7]], [[10, 20], [30, 40]], [[1, 0], [0, 1]], [[108, 792], [72, 828]],
              [[5, 995], [12, 9988]], [[4000, 6000], [4200, 5800]], [[0, 0], [3, 4]], [[1, 24], [5, 47]]]:
    for alt in ALTS:
        r = stats.fisher_exact(table, alternative=alt)
        row("fisher_exact", {"table": table, "alternative": alt}, {"odds_ratio": finite(r.statistic), "p": float(r.pvalue)}, 1e-8)

# Proportions
for x1, n1, x2, n2 in [(108, 900, 72, 900), (3, 20, 9, 25), (0, 10, 4, 12), (50, 1000, 52, 700), (1, 2, 1, 3), (120000, 10**6, 119000, 10**6)]:
    for alt in ALTS:
        z, p = proportion.proportions_ztest([x1, x2], [n1, n2], alternative=ENDS[alt])
        low, high = proportion.confint_proportions_2indep(x1, n1, x2, n2, method="wald", compare="diff")
        nl, nh = proportion.confint_proportions_2indep(x1, n1, x2, n2, method="newcomb", compare="diff")
        row("two_proportions", {"x1": x1, "n1": n1, "x2": x2, "n2": n2, "alternative": alt},
            {"z": float(z), "p": float(p), "difference": x1 / n1 - x2 / n2, "ci": [float(low), float(high)],
             "ci_newcombe": [float(nl), float(nh)]}, 1e-9)
for x, n in [(0, 10), (10, 10), (3, 20), (7, 100), (1, 1), (500, 1000), (12, 10**6), (999_999, 10**6), (1, 10**9)]:
    for conf in (.8, .95, .999):
        low, high = proportion.proportion_confint(x, n, 1 - conf, "wilson")
        row("wilson", {"x": x, "n": n, "confidence": conf}, {"ci": [max(0., float(low)), min(1., float(high))]}, 1e-9)
        low = stats.beta.ppf((1 - conf) / 2, x, n - x + 1) if x else 0.
        high = stats.beta.isf((1 - conf) / 2, x + 1, n - x) if x < n else 1.
        row("clopper_pearson", {"x": x, "n": n, "confidence": conf}, {"ci": [float(low), float(high)]}, 1e-9)

# Power and sample size
for p1, p2 in [(.12, .08), (.12, .04), (.05, .06), (.5, .6)]:
    for n, ratio in [(100, 1), (900, 1), (450, 3)]:
        for alt in ALTS:
            want = power.NormalIndPower().power(proportion.proportion_effectsize(p1, p2), n, .05, ratio, ENDS[alt])
            row("power", {"p1": p1, "p2": p2, "n": n, "ratio": ratio, "alternative": alt, "method": "arcsine"}, {"power": float(want)}, 1e-9)
            want = proportion.power_proportions_2indep(p1 - p2, p2, n, ratio=ratio, alpha=.05, alternative=ENDS[alt], return_results=False)
            row("power", {"p1": p1, "p2": p2, "n": n, "ratio": ratio, "alternative": alt}, {"power": float(want)}, 1e-9)
    # R's power.prop.test, written out. It leaves the far tail out, some two millionths here.
    zs = stats.norm.ppf(.975), stats.norm.ppf(.8)
    mean = (p1 + p2) / 2
    n = ((zs[0] * math.sqrt(2 * mean * (1 - mean)) + zs[1] * math.sqrt(p1 * (1 - p1) + p2 * (1 - p2))) / (p1 - p2)) ** 2
    row("sample_size", {"p1": p1, "p2": p2, "power": .8}, {"n_exact": n, "n": math.ceil(n)}, 5e-6)
    n = power.NormalIndPower().solve_power(proportion.proportion_effectsize(p1, p2), None, .05, .9)
    row("sample_size", {"p1": p1, "p2": p2, "power": .9, "method": "arcsine"}, {"n_exact": float(n)}, 1e-6)
for d in (.2, .5, -.8, 1.5, 0.):
    for n, ratio in [(5, 1), (26, 1), (64, 2), (394, 1)]:
        for alt in ALTS:
            want = power.TTestIndPower().power(d, n, .05, ratio, alternative=ENDS[alt])
            row("power", {"d": d, "n": n, "ratio": ratio, "alternative": alt}, {"power": float(want)}, 1e-7)
    if d > 0:
        row("sample_size", {"d": d, "power": .8}, {"n_exact": float(power.TTestIndPower().solve_power(d, None, .05, .8))}, 1e-6)

# Sample ratios
for obs, exp in [([480, 520], None), ([10, 20, 30], None), ([4500, 5100, 400], [.45, .45, .1]), ([1000, 1100], [1, 1]), ([5, 0], [3, 2]), ([900, 100], [.5, .5])]:
    e = np.array(exp if exp else [1] * len(obs), float)
    r = stats.chisquare(obs, e / e.sum() * sum(obs))
    given = {"observed": obs} | ({"expected": exp} if exp else {})
    row("chi_square", given, {"chi_square": float(r.statistic), "df": len(obs) - 1, "p": float(r.pvalue)}, 1e-9)

# Many tests
for ps in [[.01, .04, .03, .005], [.5], [.001, .001, .2, 1., 0.], [rng.random() ** 3 for _ in range(40)]]:
    for op, method in [("holm", "holm"), ("benjamini_hochberg", "fdr_bh")]:
        reject, adjusted, _, _ = multitest.multipletests(ps, .05, method)
        row(op, {"p": ps}, {"adjusted": [float(x) for x in adjusted], "rejected": [bool(x) for x in reject]})

# Beta posteriors
for x, n, prior in [(3, 20, [1, 1]), (0, 5, [.5, .5]), (120, 1000, [2, 8]), (100000, 10**6, [1, 1])]:
    b = stats.beta(prior[0] + x, prior[1] + n - x)
    row("beta_posterior", {"x": x, "n": n, "prior": prior},
        {"alpha": prior[0] + x, "beta": prior[1] + n - x, "mean": float(b.mean()), "variance": float(b.var()),
         "ci": [float(b.ppf(.025)), float(b.isf(.025))]}, 1e-9)


def exceeds(a, b, c, d):
    """P(Beta(c, d) > Beta(a, b)) for whole c, by Miller's sum, in 60 digits."""
    import mpmath as mp
    mp.mp.dps = 60
    return float(mp.fsum(mp.beta(a + i, b + d) / ((d + i) * mp.beta(1 + i, d) * mp.beta(a, b)) for i in range(int(c))))


for x1, n1, x2, n2, prior in [(12, 100, 8, 100, [1, 1]), (108, 900, 72, 900, [1, 1]), (0, 3, 3, 3, [1, 1]), (5, 10, 500, 1000, [1, 1]),
                              (500, 1000, 5, 10, [1, 1]), (2, 5, 3, 4, [1, 2]), (1500, 10000, 1600, 10000, [1, 1])]:
    p = exceeds(prior[0] + x1, prior[1] + n1 - x1, prior[0] + x2, prior[1] + n2 - x2)
    row("beta_posterior", {"x1": x1, "n1": n1, "x2": x2, "n2": n2, "prior": prior}, {"p_b_greater": p}, 1e-9)
for x1, n1, x2, n2, prior in [(2, 9, 4, 9, [.5, .5]), (0, 4, 0, 30, [.5, .5])]:
    a, b = stats.beta(prior[0] + x1, prior[1] + n1 - x1), stats.beta(prior[0] + x2, prior[1] + n2 - x2)
    p = integrate.quad(lambda u: a.cdf(b.ppf(u)), 0, 1, epsabs=1e-13, epsrel=1e-12, limit=500)[0]
    row("beta_posterior", {"x1": x1, "n1": n1, "x2": x2, "n2": n2, "prior": prior}, {"p_b_greater": p}, 1e-8)

# Scores
for n, digits in [(10, 1), (60, 2), (300, 1), (300, 6)]:
    ps = [round(rng.random(), digits) for _ in range(n)]
    ys = [int(rng.random() < .1 + .6 * p) for p in ps]
    ys[0], ys[1] = 0, 1
    base = sum(ys) / n
    brier = metrics.brier_score_loss(ys, ps)
    row("brier", {"p": ps, "y": ys}, {"brier": float(brier), "skill": float(1 - brier / (base * (1 - base)))})
    row("auc", {"scores": ps, "labels": ys}, {"auc": float(metrics.roc_auc_score(ys, ps))})
    row("average_precision", {"scores": ps, "labels": ys}, {"average_precision": float(metrics.average_precision_score(ys, ps))})

here = os.path.dirname(os.path.abspath(__file__))
made_by = {"scipy": scipy.__version__, "statsmodels": statsmodels.__version__, "scikit-learn": sklearn.__version__}
with open(os.path.join(here, "vectors.json"), "w") as file:
    lines = ",\n".join(json.dumps(r) for r in rows)
    file.write(json.dumps({"made_by": made_by})[:-1] + ', "rows": [\n' + lines + "\n]}\n")
print(len(rows), "rows", made_by, file=sys.stderr)
