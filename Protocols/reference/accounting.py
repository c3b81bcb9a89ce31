#!/usr/bin/env python3
"""Slow, independent reference of the accountants: makes ../vectors/accounting/good_mechanisms.json.

Needs Python 3.10 and mpmath. Privacy curves are integrals and sums of their definition to 30 digits (a composition of two releases is an
integral over the first of the curve of the second; countable releases are convolved outcome by outcome), sensitivities are maxima over
all patterns of participation: never the closed forms or transforms that the vectors test.

    python3 Protocols/reference/accounting.py            # writes ../vectors/accounting/*.json
    python3 Protocols/reference/accounting.py --check    # compares with what is there, writes nothing
"""
import itertools
import json
import os
import sys

import mpmath
from mpmath import mp, mpf

mp.dps = 30
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors", "accounting")
SOURCE = "Protocols/reference/accounting.py, mpmath %s, %d digits" % (mpmath.__version__, mp.dps)


def number(x):
    return float(mpmath.nstr(x, 15))


def solve(delta_of, delta, high=60):
    """The epsilon at which a falling curve meets delta."""
    low, high = mpf(0), mpf(high)
    if delta_of(low) <= delta:
        return mpf(0)
    for _ in range(60):
        middle = (low + high) / 2
        if delta_of(middle) > delta:
            low = middle
        else:
            high = middle
    return high


# ---------------------------------------------------------------- releases on a line

def positive_part(p, q, points):
    """epsilon -> integral of (p - e^epsilon q)+ over the line."""
    def curve(epsilon):
        factor = mpmath.exp(epsilon)
        return mpmath.quad(lambda x: max(mpf(0), p(x) - factor * q(x)), points)
    return curve


def gaussian(mean, z):
    return lambda x: mpmath.npdf(x, mean, z)


def laplace(mean, b):
    return lambda x: mpmath.exp(-abs(x - mean) / b) / (2 * b)


def mixture(rate, one, other):
    return lambda x: (1 - rate) * other(x) + rate * one(x)


def directions(noise, rate, scale):
    one, zero = noise(1, scale), noise(0, scale)
    mixed = mixture(rate, one, zero)
    return [(mixed, zero), (zero, mixed)]


def twice(p, q, points):
    """The curve of two releases: an integral over the first of the curve of the second, where the loss is what is left."""
    steps = 4000
    low, high = points[0], points[-1]
    width = (high - low) / steps
    nodes = [low + (i + mpf(1) / 2) * width for i in range(steps)]
    losses = sorted((float(mpmath.log(p(x) / q(x))), float(p(x) * width)) for x in nodes)

    def curve(epsilon):
        # Sorted losses: for each first one, all second ones above epsilon - L1, by suffix sums.
        total, j, mass, discounted = 0.0, len(losses), 0.0, 0.0
        for loss, weight in losses:
            while j > 0 and losses[j - 1][0] > epsilon - loss:
                j -= 1
                mass += losses[j][1]
                discounted += losses[j][1] * float(mpmath.exp(-losses[j][0]))
            total += weight * (mass - float(mpmath.exp(epsilon - loss)) * discounted)
        return total
    return curve


# ---------------------------------------------------------------- countable releases

def convolved(pairs, count):
    """Outcomes (p, q) of `count` releases, equal losses together."""
    outcomes = {0: (mpf(1), mpf(1))}
    for _ in range(count):
        following = {}
        for p1, q1 in outcomes.values():
            for p2, q2 in pairs:
                key = mpmath.nstr(mpmath.log(p1 * p2 / (q1 * q2)), 18) if q1 * q2 > 0 else "inf"
                old = following.get(key, (mpf(0), mpf(0)))
                following[key] = (old[0] + p1 * p2, old[1] + q1 * q2)
        outcomes = following
    return list(outcomes.values())


def countable_epsilon(pairs, count, delta, high=200):
    worst = mpf(0)
    for direction in (pairs, [(q, p) for p, q in pairs]):
        outcomes = convolved(direction, count)
        worst = max(worst, solve(
            lambda e: mpmath.fsum(max(mpf(0), p - mpmath.exp(e) * q) for p, q in outcomes), delta, high))
    return worst


def integer_noise(weight, distance, reach):
    total = mpmath.fsum(weight(k) for k in range(-reach, reach + 1))
    return [(weight(k - distance) / total, weight(k) / total) for k in range(-reach, reach + distance + 1)]


# ---------------------------------------------------------------- streams

def worst_pattern(norm, steps, most, separation):
    best = mpf(0)
    for size in range(1, most + 1):
        for pattern in itertools.combinations(range(steps), size):
            if all(b - a >= separation for a, b in zip(pattern, pattern[1:])):
                best = max(best, norm(pattern))
    return best


def tree_norm(steps):
    def norm(pattern):
        total, size = 0, 1
        while size <= steps:
            total += sum(
                sum(1 for x in pattern if start <= x < start + size) ** 2
                for start in range(0, steps - size + 1, size))
            size *= 2
        return mpf(total)
    return norm


def toeplitz_norm(column, steps):
    def norm(pattern):
        total = mpf(0)
        for row in range(steps):
            total += sum(column[row - x] for x in pattern if 0 <= row - x < len(column)) ** 2
        return total
    return norm


def square_root(count):
    return [mpmath.binomial(2 * j, j) / mpf(4) ** j for j in range(count)]


def inverse_column(bands, steps):
    inverse = [mpmath.binomial(mpf(1) / 2, j) * (-1) ** j for j in range(bands)]
    column = []
    for n in range(steps):
        column.append((mpf(1) if n == 0 else mpf(0)) - sum(inverse[j] * column[n - j] for j in range(1, min(bands, n + 1))))
    return column


# ---------------------------------------------------------------- fixed-size cohorts

def fixed_size(order, fraction, z):
    """Theorem 27 of arXiv:1808.00087, forward differences by their alternating sum."""
    mp.dps = 120
    f = lambda j: mpf(j) / (2 * mpf(z) ** 2)
    difference = lambda l: mpmath.fsum(
        (-1) ** (l - k) * mpmath.binomial(l, k) * mpmath.exp((k - 1) * f(k)) for k in range(l + 1))
    total = mpf(1)
    for j in range(2, order + 1):
        closed = 2 * mpmath.exp((j - 1) * f(j))
        if j == 2:
            term = min(4 * (mpmath.exp(f(2)) - 1), closed)
        else:
            term = min(4 * mpmath.sqrt(difference(2 * (j // 2)) * difference(2 * ((j + 1) // 2))), closed)
        total += mpf(fraction) ** j * mpmath.binomial(order, j) * term
    value = mpmath.log(total) / (order - 1)
    mp.dps = 30
    return value


def cases():
    epsilons, divergences, sensitivities = [], [], []

    def add(event, adjacency, delta, epsilon, tolerance):
        epsilons.append({"event": event, "adjacency": adjacency, "delta": delta, "epsilon": number(epsilon), "tolerance": tolerance})

    for z, q, delta in [(0.7, 0.3, 1e-4), (2.0, 0.05, 1e-3), (1.0, 1e-3, 1e-5)]:
        points = [-12 * z, -2, 0, 1, 3, 6, 12 * z + 1]
        epsilon = max(solve(positive_part(p, r, points), delta, 12) for p, r in directions(gaussian, mpf(q), mpf(z)))
        add("PoissonSampledDpEvent(sampling_probability=%r, event=GaussianDpEvent(noise_multiplier=%r))" % (q, z),
            "add-remove", delta, epsilon, 1e-3)
    for z, q, delta in [(1.0, 0.2, 1e-4), (3.0, 0.5, 1e-3)]:
        epsilon = max(solve(twice(p, r, [-10 * z, 10 * z + 1]), delta, 12) for p, r in directions(gaussian, mpf(q), mpf(z)))
        add("SelfComposedDpEvent(event=PoissonSampledDpEvent(sampling_probability=%r, event=GaussianDpEvent(noise_multiplier=%r)),"
            " count=2)" % (q, z), "add-remove", delta, epsilon, 1e-3)
    for b, delta in [(1.0, 1e-5), (7.0, 0.03)]:
        # P(|shift| side): delta = 1 - e^((epsilon - 1/b)/2)
        add("LaplaceDpEvent(noise_multiplier=%r)" % b, "add-remove", delta, 1 / mpf(b) + 2 * mpmath.log(1 - mpf(delta)), 1e-3)
    points = [-60, -1, 0, 1, 2, 60]
    epsilon = max(solve(positive_part(p, r, points), 1e-3, 3) for p, r in directions(laplace, mpf("0.1"), mpf(2)))
    add("PoissonSampledDpEvent(sampling_probability=0.1, event=LaplaceDpEvent(noise_multiplier=2.0))", "add-remove", 1e-3, epsilon, 1e-3)
    for noise, buckets, count, delta in [(0.5, 2, 20, 1e-6), (0.9, 10, 20, 1e-6), (0.3, 5, 3, 1e-4)]:
        k = mpf(buckets)
        truth, other = 1 - mpf(noise) + noise / k, noise / k
        pairs = [(truth, other), (other, truth)] + ([((k - 2) * other, (k - 2) * other)] if buckets > 2 else [])
        event = "SelfComposedDpEvent(event=RandomizedResponseDpEvent(noise_parameter=%r, num_buckets=%d), count=%d)" % (noise, buckets, count)
        add(event, "replace-one", delta, countable_epsilon(pairs, count, delta), 1e-3)
        pairs = [(truth, 1 / k), ((k - 1) * other, (k - 1) / k)]
        add(event, "zero-out", delta, countable_epsilon(pairs, count, delta), 1e-3)
    pairs = integer_noise(lambda k: mpmath.exp(-mpf("0.3") * abs(k)), 2, 200)
    add("SelfComposedDpEvent(event=DiscreteLaplaceDpEvent(noise_parameter=0.3, sensitivity=2), count=3)", "add-remove", 1e-4,
        countable_epsilon([(sum(p for p, q in g), sum(q for p, q in g)) for g in grouped(pairs)], 3, 1e-4), 1e-3)
    for z, q, order in [(8.0, 0.1, 2), (8.0, 0.1, 9), (8.0, 0.1, 40), (1.0, 0.01, 12), (0.7, 0.2, 5)]:
        divergences.append({"kind": "fixed-size", "noiseMultiplierOverDistance": z, "fraction": q, "order": order,
                            "divergence": number(fixed_size(order, q, z))})
    for steps, most, separation in [(8, 3, 2), (11, 4, 1), (13, 3, 4), (16, 2, 7)]:
        sensitivities.append({"kind": "tree", "steps": steps, "participations": most, "separation": separation,
                              "squared": number(worst_pattern(tree_norm(steps), steps, most, separation))})
        for bands in (1, 2, 4, 7):
            column = square_root(bands)
            sensitivities.append({"kind": "banded-sqrt", "bands": bands, "steps": steps, "participations": most, "separation": separation,
                                  "squared": number(worst_pattern(toeplitz_norm(column, steps), steps, most, separation))})
            column = inverse_column(bands, steps)
            sensitivities.append({"kind": "banded-inverse-sqrt", "bands": bands, "steps": steps, "participations": most,
                                  "separation": separation,
                                  "squared": number(worst_pattern(toeplitz_norm(column, steps), steps, most, separation))})
    return {"source": SOURCE, "epsilons": epsilons, "divergences": divergences, "sensitivities": sensitivities}


def grouped(pairs):
    """Outcomes of equal loss."""
    groups = {}
    for p, q in pairs:
        groups.setdefault(mpmath.nstr(mpmath.log(p / q), 18), []).append((p, q))
    return groups.values()


def main():
    text = json.dumps(cases(), indent=1, sort_keys=True) + "\n"
    path = os.path.join(FOLDER, "good_mechanisms.json")
    if "--check" in sys.argv:
        with open(path) as file:
            same = json.loads(file.read()) | {"source": ""} == json.loads(text) | {"source": ""}
        print("same" if same else "DIFFERENT: " + path)
        sys.exit(0 if same else 1)
    os.makedirs(FOLDER, exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    print("wrote", path)


if __name__ == "__main__":
    main()
