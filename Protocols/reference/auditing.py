#!/usr/bin/env python3
"""Slow, independent reference of the audits: makes ../vectors/auditing/good_audits.json.

Needs Python 3.10 and mpmath. Tails are sums of binomial probabilities and integrals of densities to 40 digits, quantiles are bisections of
them, and the privacy curve of two Gaussians is the integral of its definition: never the continued fractions or closed forms that the
vectors test.

    python3 Protocols/reference/auditing.py            # writes ../vectors/auditing/*.json
    python3 Protocols/reference/auditing.py --check    # compares with what is there, writes nothing
"""
import json
import os
import sys

import mpmath
from mpmath import mp, mpf

mp.dps = 40
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors", "auditing")
SOURCE = "Protocols/reference/auditing.py, mpmath %s, %d digits" % (mpmath.__version__, mp.dps)


def number(x):
    return float(mpmath.nstr(x, 15))


def bisect(holds, low, high, steps=70):
    """The largest argument for which a property holds that holds up to somewhere; 0 where it never does."""
    low, high = mpf(low), mpf(high)
    if not holds(low):
        return low
    for _ in range(steps):
        middle = (low + high) / 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low


# One run: Steinke, Nasr, Jagielski 2023, theorem 5.2 and algorithm 1 of its appendix.


def binomial_probabilities(trials, success):
    p, value, result = mpf(success), (1 - mpf(success)) ** trials, []
    for k in range(trials + 1):
        result.append(value)
        if k < trials:
            value = value * (trials - k) / (k + 1) * p / (1 - p)
    return result


def one_run_p_value(m, r, v, epsilon, delta):
    weights = binomial_probabilities(r, 1 / (1 + mpmath.exp(-mpf(epsilon))))
    tail = mpmath.fsum(weights[v:])
    worst, window = mpf(0), mpf(0)
    for i in range(1, v + 1):
        window += weights[v - i]
        worst = max(worst, window / i)
    return min(mpf(1), tail + 2 * m * mpf(delta) * worst)


def one_run_epsilon(m, r, v, delta, significance):
    return bisect(lambda e: one_run_p_value(m, r, v, e, delta) < significance, 0, 40, 45)


# One run, f-DP: Mahloujifar, Melis, Chaudhuri 2025, algorithm 3, for the Gaussian trade-off.


def gaussian_delta(epsilon, mu):
    return mpmath.ncdf(mu / 2 - epsilon / mu) - mpmath.exp(epsilon) * mpmath.ncdf(-mu / 2 - epsilon / mu)


def gaussian_mu(epsilon, delta):
    return bisect(lambda mu: mu == 0 or gaussian_delta(mpf(epsilon), mu) <= delta, 0, 60, 60)


def normal_quantile(p):
    return mpmath.sqrt(2) * mpmath.erfinv(2 * p - 1) if p > mpf(10) ** -12 else bisect(lambda x: mpmath.ncdf(x) < p, -60, 0, 120)


def rejects_gaussian(m, guesses, correct, mu, significance):
    r, h = mpf(significance) * correct / m, mpf(significance) * (guesses - correct) / m
    for i in range(correct - 1, -1, -1):
        if r >= 1:
            return True
        raised = max(h, mpmath.ncdf(normal_quantile(r) - mu))
        r, h = r + mpf(i) / (guesses - i) * (raised - h), raised
    return r + h > mpf(guesses) / m


def one_run_gaussian_epsilon(m, guesses, correct, delta, significance):
    mu = bisect(lambda mu: rejects_gaussian(m, guesses, correct, mu, significance), 0, 20, 30)
    if mu == 0 or gaussian_delta(mpf(0), mu) <= delta:
        return mpf(0)
    return bisect(lambda e: gaussian_delta(e, mu) > delta, 0, 200, 60)


# One shot: Andrew, Kairouz, Oh, Oprea, McMahan, Suriyakumar 2023, section 4.


def beta_quantile(p, a, b):
    return bisect(lambda x: x == 0 or mpmath.betainc(a, b, 0, x, regularized=True) < p, 0, 1, 60)


def cosine_tail(cosine, dimension):
    """P(cosine of a fixed and a uniform direction is larger), by the integral of its density."""
    if dimension >= 1000:
        return mpmath.ncdf(-cosine * mpmath.sqrt(dimension))
    half = mpf(dimension) / 2
    scale = mpmath.gamma(half) / mpmath.gamma(half - mpf(1) / 2) / mpmath.sqrt(mpmath.pi)
    return scale * mpmath.quad(lambda t: (1 - t * t) ** ((mpf(dimension) - 3) / 2), mpmath.linspace(cosine, 1, 9))


def one_shot_epsilon(cosines, dimension, delta, significance):
    n, best = len(cosines), mpf(0)
    for misses, cosine in enumerate(sorted(cosines)):
        false_positive = cosine_tail(cosine, dimension)
        false_negative = beta_quantile(1 - mpf(significance), misses + mpf(1) / 2, n - misses + mpf(1) / 2)
        for left, right in ((false_positive, false_negative), (false_negative, false_positive)):
            if 1 - mpf(delta) - right > 0 and left > 0:
                best = max(best, mpmath.log((1 - mpf(delta) - right) / left))
    return best


def two_gaussians_epsilon(mean, first, second, delta):
    """Of N(0, first²) against N(mean, second²), both ways, by the integral of (P − e^ε·Q)⁺."""

    def divergence(epsilon, p, q):
        def density(x, law):
            return mpmath.npdf(x, law[0], law[1])

        def log_ratio(x):
            return (
                mpmath.log(q[1] / p[1]) + (x - q[0]) ** 2 / (2 * q[1] ** 2) - (x - p[0]) ** 2 / (2 * p[1] ** 2) - epsilon
            )

        # The places where the two curves cross, so that every piece of the integral is smooth.
        reach = 30 * max(p[1], q[1]) + abs(p[0] - q[0])
        grid = [p[0] - reach + 2 * reach * mpf(i) / 2000 for i in range(2001)]
        places = [grid[0]]
        for left, right in zip(grid, grid[1:]):
            if (log_ratio(left) > 0) != (log_ratio(right) > 0):
                sign, a, b = log_ratio(left) > 0, left, right
                for _ in range(120):
                    middle = (a + b) / 2
                    a, b = (middle, b) if (log_ratio(middle) > 0) == sign else (a, middle)
                places.append(a)
        places.append(grid[-1])
        total = mpf(0)
        for left, right in zip(places, places[1:]):
            if log_ratio((left + right) / 2) > 0:
                total += mpmath.ncdf(right, p[0], p[1]) - mpmath.ncdf(left, p[0], p[1])
                total -= mpmath.exp(epsilon) * (mpmath.ncdf(right, q[0], q[1]) - mpmath.ncdf(left, q[0], q[1]))
        return total

    one, two = (mpf(0), mpf(first)), (mpf(mean), mpf(second))

    def worst(epsilon):
        return max(divergence(epsilon, one, two), divergence(epsilon, two, one))

    return bisect(lambda e: worst(e) > delta, 0, 100, 45)


# Rates: Clopper, Pearson 1934, each side at half the significance.


def rate_epsilon(hits, members, alarms, others, delta, significance):
    side = mpf(significance) / 2
    low = beta_quantile(side, hits, members - hits + 1) if hits else mpf(0)
    high = beta_quantile(1 - side, alarms + 1, others - alarms) if alarms < others else mpf(1)
    return max(mpf(0), mpmath.log((low - mpf(delta)) / high)) if low > delta else mpf(0)


def content():
    result = {"source": SOURCE, "oneRun": [], "oneRunGaussian": [], "oneShot": [], "twoGaussians": [], "rates": [], "functions": []}
    for m, r, v, delta, significance in [
        (40, 12, 12, 0.0, 0.05), (40, 12, 11, 1e-3, 0.05), (300, 70, 55, 1e-5, 0.01), (300, 300, 190, 1e-6, 0.05), (77, 9, 3, 1e-6, 0.05),
        (2000, 150, 148, 1e-7, 0.1),
    ]:
        result["oneRun"].append({
            "canaries": m, "guesses": r, "correct": v, "delta": delta, "significance": significance,
            "epsilon": number(one_run_epsilon(m, r, v, delta, significance)),
            "pValueAtOne": number(one_run_p_value(m, r, v, 1, delta)),
        })
    for m, r, v, delta, significance in [
        (40, 12, 12, 1e-3, 0.05), (300, 70, 55, 1e-5, 0.01), (300, 100, 93, 1e-6, 0.05), (77, 9, 3, 1e-6, 0.05),
    ]:
        result["oneRunGaussian"].append({
            "canaries": m, "guesses": r, "correct": v, "delta": delta, "significance": significance,
            "epsilon": number(one_run_gaussian_epsilon(m, r, v, delta, significance)),
        })
    for dimension, count, shift, delta, significance in [
        (12, 9, 1.5, 1e-3, 0.05), (200, 15, 2.0, 1e-5, 0.05), (5000, 25, 3.0, 1e-6, 0.01), (999, 10, 0.0, 1e-2, 0.05),
    ]:
        cosines = [
            number(min(mpf("0.99"), (mpf(shift) + mpmath.sqrt(2) * mpmath.erfinv(2 * (i + mpf(1) / 2) / count - 1)) / mpmath.sqrt(dimension)))
            for i in range(count)
        ]
        result["oneShot"].append({
            "dimension": dimension, "cosines": cosines, "delta": delta, "significance": significance,
            "epsilon": number(one_shot_epsilon([mpf(c) for c in cosines], dimension, delta, significance)),
        })
    for mean, first, second, delta in [(1, 1, 1, 1e-4), (0.3, 1, 1, 0.2), (2, 1.5, 1.2, 1e-5), (0.5, 0.7, 1.1, 1e-3), (4, 1, 0.9993494179950431, 1e-5)]:
        result["twoGaussians"].append({
            "mean": mean, "first": first, "second": second, "delta": delta,
            "epsilon": number(two_gaussians_epsilon(mpf(mean), mpf(first), mpf(second), mpf(delta))),
        })
    for hits, members, alarms, others, delta, significance in [
        (30, 40, 2, 50, 1e-5, 0.05), (40, 40, 0, 60, 0.0, 0.01), (20, 40, 30, 60, 1e-3, 0.05), (0, 10, 0, 10, 0.0, 0.05),
    ]:
        result["rates"].append({
            "hits": hits, "members": members, "alarms": alarms, "others": others, "delta": delta, "significance": significance,
            "epsilon": number(rate_epsilon(hits, members, alarms, others, delta, significance)),
        })
    for a, b, x in [(0.5, 0.5, 0.3), (2.5, 97.5, 0.01), (1200.0, 3.5, 0.999), (40.0, 60.0, 0.9), (5e4, 0.5, 0.9999)]:
        result["functions"].append({
            "name": "beta", "a": a, "b": b, "x": x, "value": number(mpmath.betainc(a, b, 0, mpf(x), regularized=True))})
    for a, x in [(0.5, 0.1), (5.0, 9.0), (50000.0, 50500.0), (200.0, 150.0)]:
        result["functions"].append({
            "name": "gamma", "a": a, "x": x, "value": number(mpmath.gammainc(a, mpf(x), mpmath.inf, regularized=True))})
    for p in [1e-300, 1e-20, 1e-6, 0.02425, 0.3, 0.5, 0.9, 0.999999]:
        result["functions"].append({
            "name": "quantile", "x": p, "value": number(bisect(lambda x: mpmath.ncdf(x) < mpf(p), -60, 60, 140))})
    return result


def main():
    path = os.path.join(FOLDER, "good_audits.json")
    text = json.dumps(content(), indent=1, sort_keys=True) + "\n"
    if "--check" in sys.argv:
        with open(path, encoding="utf-8") as file:
            old, new = json.loads(file.read()), json.loads(text)
        old.pop("source"), new.pop("source")
        if old != new:
            sys.exit("good_audits.json differs from what this program makes")
        print("good_audits.json is what this program makes")
        return
    os.makedirs(FOLDER, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    print("written: %s" % path)


if __name__ == "__main__":
    main()
