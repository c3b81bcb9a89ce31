#!/usr/bin/env python3
"""Slow, independent reference of privacy-accounting.md: makes the files of ../vectors/privacy.

Needs Python 3.10 and mpmath. Everything is computed to 40 digits by the definitions (integrals where an
implementation uses closed forms), never by the code that the vectors test.

    python3 Protocols/reference/privacy.py            # writes ../vectors/privacy/*.json
    python3 Protocols/reference/privacy.py --check    # compares with what is there, writes nothing
"""
import json
import os
import sys
from fractions import Fraction

import mpmath
from mpmath import mp, mpf

mp.dps = 40
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors", "privacy")
SOURCE = "Protocols/reference/privacy.py, mpmath %s, %d digits" % (mpmath.__version__, mp.dps)
FACTOR = {"add-remove": 1, "replace-one": 2, "zero-out": 1}


def number(x):
    """17 significant digits: reads back as the nearest double."""
    return float(mpmath.nstr(x, 17))


# ---------------------------------------------------------------- encoding (section 2 of the document)

def delta_squared(k, clip, scale):
    c = mpf(clip) * mpf(scale)
    root = mpmath.sqrt(k)
    spread = 1  # sqrt(2 ln(1/beta)) at beta = e^(-1/2)
    always = (c + root) ** 2
    conditional = c**2 + mpf(k) / 4 + spread * (c + root / 2)
    value = min(always, conditional)
    # A vector must not depend on the last bit of a double.
    assert value == mpmath.nint(value) or abs(value - mpmath.nint(value)) > 1e-12 * value, (k, clip, scale)
    return int(mpmath.floor(value))


# ---------------------------------------------------------------- noise (section 3)

def least_sigma_squared(z, d2, adjacency, partners):
    """The smallest integer s >= 4096 with s - 4 >= z^2 * distance^2, exactly."""
    distance2 = d2 * (FACTOR[adjacency] * partners) ** 2
    need = Fraction(z) ** 2 * distance2
    return max(4096, -(-need.numerator // need.denominator) + 4)


def share_variance(total, contributors, colluders):
    honest = contributors - colluders
    return max(8, -(-total // honest))


def noise_multiplier(event):
    distance = mpmath.sqrt(event["deltaSquared"]) * FACTOR[event["adjacency"]] * event["partnersPerUser"]
    return mpmath.sqrt(event["sigmaSquared"] - 4) / distance


# ---------------------------------------------------------------- modulus (section 5)

def wrap_log2(bits, releases):
    total = mpf(0)
    for r in releases:
        delta = mpmath.ceil(mpmath.sqrt(r["deltaSquared"]))
        room = mpf(2) ** (bits - 1) - 1 - r["maximumUsers"] * delta
        if room <= 0:
            return mpf(0)
        tail = 2 * mpmath.exp(-room**2 / (2 * mpf(r["variance"])))
        total += r["count"] * r["dimension"] * tail
    return mpmath.log(total, 2)


def ring_bits(releases):
    return next(b for b in range(2, 65) if wrap_log2(b, releases) < -40)


# ---------------------------------------------------------------- accounting (sections 6 and 7)

def gaussian_delta(eps, mu):
    phi = mpmath.ncdf
    return phi(mu / 2 - eps / mu) - mpmath.exp(eps) * phi(-mu / 2 - eps / mu)


def gaussian_epsilon(delta, mu):
    mp.dps = 60
    delta, mu = mpf(delta), mpf(mu)
    if gaussian_delta(mpf(0), mu) <= delta:
        mp.dps = 40
        return mpf(0)
    low, high = mpf(0), mpf(1)
    while gaussian_delta(high, mu) > delta:
        high *= 2
    for _ in range(150):
        middle = (low + high) / 2
        if gaussian_delta(middle, mu) > delta:
            low = middle
        else:
            high = middle
    mp.dps = 40
    return high


def composed_mu(events):
    """events: list of (event, count), full participation."""
    return mpmath.sqrt(sum(count / noise_multiplier(event) ** 2 for event, count in events))


def least_noise_multiplier(epsilon, delta):
    low, high = mpf("1e-3"), mpf("1e6")
    for _ in range(130):
        middle = mpmath.sqrt(low * high)
        if gaussian_epsilon(delta, 1 / middle) <= epsilon:
            high = middle
        else:
            low = middle
    return high


def density(x, mean, z):
    return mpmath.exp(-(x - mean) ** 2 / (2 * z * z)) / (mpmath.sqrt(2 * mpmath.pi) * z)


def renyi(order, q, z, adjacency):
    """The larger of both directions, by the integral of its definition.

    z is over one user's norm: the shift of a mixture's component is 1.
    """
    order, q, z = mpf(order), mpf(q), mpf(z)
    if adjacency == "replace-one":
        pairs = [(lambda x: (1 - q) * density(x, 0, z) + q * density(x, -1, z),
                  lambda x: (1 - q) * density(x, 0, z) + q * density(x, 1, z))]
    else:
        mixed = lambda x: (1 - q) * density(x, 0, z) + q * density(x, 1, z)
        plain = lambda x: density(x, 0, z)
        pairs = [(mixed, plain), (plain, mixed)]
    reach = 2 * order + 25 * z + 5
    pieces = int(min(400, max(40, 2 * reach / z)))
    points = [-reach + 2 * reach * i / pieces for i in range(pieces + 1)]
    best = mpf(0)
    for p, r in pairs:
        integral = mpmath.quad(lambda x: p(x) ** order * r(x) ** (1 - order), points, maxdegree=5)
        best = max(best, mpmath.log(integral) / (order - 1))
    return best


def renyi_epsilon(orders, values, delta):
    """Canonne, Kamath, Steinke 2020, proposition 12."""
    delta = mpf(delta)
    best = mpmath.inf
    for order, r in zip(orders, values):
        order = mpf(order)
        if delta**2 + mpmath.expm1(-r) > 0:
            return mpf(0)
        best = min(best, r + mpmath.log(1 - 1 / order) - mpmath.log(delta * order) / (order - 1))
    return max(mpf(0), best)


# ---------------------------------------------------------------- vectors

def event(sigma_squared, delta_sq, adjacency="add-remove", partners=1, shares=1, dimension=1000):
    return {"sigmaSquared": sigma_squared, "shares": shares, "deltaSquared": delta_sq,
            "dimension": dimension, "adjacency": adjacency, "partnersPerUser": partners}


def full(release):
    return {"gaussian": {"release": release}}


def sampled(rate, release):
    return {"poissonSampled": {"rate": rate, "release": release}}


def repeated(inner, count):
    return {"repeated": {"event": inner, "count": count}}


def good_delta_squared():
    cases = []
    for k, clip, scale in [(1, 1.0, 1.0), (1, 1.0, 4.0), (3, 1.5, 2.0), (4, 1.0, 100.0), (100, 0.01, 1.0),
                           (1000, 1.0, 256.0), (3706, 1.0, 1024.0), (319600, 1.0, 65536.0),
                           (74120, 0.75, 16384.0), (1000000, 1.0, 1048576.0), (17, 3.7, 33.0)]:
        cases.append({"dimension": max(k, 10), "maximumNonZeros": k, "clipNorm": clip, "scale": scale,
                      "deltaSquared": delta_squared(k, clip, scale)})
    return {"cases": cases}


def good_noise():
    cases = []
    for z in [0.6529, 1.0, 1.1935, 2.2305, 4.2247, 17.25, 0.3]:
        for d2 in [10000, 1000003, 4295035382, 1 << 40]:
            for adjacency, partners in [("add-remove", 1), ("replace-one", 1), ("zero-out", 3)]:
                cases.append({"noiseMultiplier": z, "deltaSquared": d2, "adjacency": adjacency,
                              "partnersPerUser": partners,
                              "sigmaSquared": least_sigma_squared(z, d2, adjacency, partners)})
    shares = []
    for total, contributors, colluders in [(40004, 7, 2), (4096, 3, 1), (10**12, 10, 1), (12345678901, 10, 4)]:
        shares.append({"totalVariance": total, "minimumContributors": contributors, "colluders": colluders,
                       "variance": share_variance(total, contributors, colluders)})
    return {"cases": cases, "shares": shares}


def good_modulus():
    cases = []
    for users, d2, variance, dimension, count in [
            (6040, 1081600, 1081604, 1000, 10), (6040, 4295035382, 6 * 10**9, 319600, 1), (10**6, 1 << 40, 1 << 42, 10**6, 200),
            (0, 10000, 4096, 1, 1), (100, 10000, 1 << 50, 5000, 7)]:
        releases = [{"maximumUsers": users, "deltaSquared": d2, "variance": variance,
                     "dimension": dimension, "count": count}]
        bits = ring_bits(releases)
        cases.append({"releases": releases, "bits": bits, "wrapProbabilityLog2": number(wrap_log2(bits, releases))})
    return {"cases": cases}


def good_gaussian():
    cases = []
    lists = [
        [(event(40004, 10000), 1)],
        [(event(40004, 10000, "replace-one"), 1)],
        [(event(40004, 10000, "zero-out", partners=2), 1)],
        [(event(4096, 10000), 1)],
        [(event(10**12, 10**6), 1)],
        [(event(7 * 10**9, 4295035382, dimension=319600), 1), (event(9 * 10**8, 10**8), 4)],
        [(event(10**6, 10**4), 60), (event(10**5, 10**4), 1), (event(3 * 10**5, 10**4), 2)],
        [(event(90000, 10000, shares=9), 3)],
        [(event(500000, 250000, "replace-one", partners=3), 5)],
    ]
    for listed in lists:
        mu = composed_mu(listed)
        events = [full(e) if n == 1 else repeated(full(e), n) for e, n in listed]
        cases.append({
            "events": events, "mu": number(mu), "rho": number(mu**2 / 2),
            "epsilons": [{"delta": d, "epsilon": number(gaussian_epsilon(d, mu))} for d in (1e-3, 1e-5, 1e-6, 1e-10)]})
    calibrated = [{"epsilon": e, "delta": d, "noiseMultiplier": number(least_noise_multiplier(e, d))}
                  for e in (0.1, 1.0, 2.0, 4.0, 8.0) for d in (1e-6, 1e-9)]
    return {"cases": cases, "calibrated": calibrated}


def good_renyi():
    cases = []
    for adjacency in ("add-remove", "replace-one"):
        for z in (0.6, 1.0, 4.0):
            for q in (0.001, 0.05, 0.5):
                for order in (1.5, 2.0, 3.7, 8.0, 32.0):
                    cases.append({"adjacency": adjacency, "order": order, "rate": q,
                                  "noiseMultiplierOverOneUser": z, "divergence": number(renyi(order, q, z, adjacency))})
    return {"cases": cases}


def good_sampled():
    orders = [1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64]
    cases = []
    for adjacency, q, count, sigma_squared, partners, beside in [
            ("add-remove", 0.01, 1000, 10004, 1, None), ("add-remove", 0.1, 50, 40004, 1, 90004),
            ("zero-out", 0.05, 200, 40004, 2, None), ("replace-one", 0.02, 300, 90004, 1, None)]:
        release = event(sigma_squared, 10000, adjacency, partners)
        rate = 1 - (1 - mpf(q)) ** partners
        # The mixture's components move by partners * Delta whatever the adjacency.
        z = mpmath.sqrt(sigma_squared - 4) / (100 * partners)
        values = [count * renyi(order, rate, z, adjacency) for order in orders]
        events = [repeated(sampled(q, release), count)]
        if beside:
            other = event(beside, 10000, adjacency, partners)
            events.append(full(other))
            values = [v + mpf(o) / (2 * noise_multiplier(other) ** 2) for v, o in zip(values, orders)]
        cases.append({"events": events, "orders": orders, "divergences": [number(v) for v in values],
                      "epsilons": [{"delta": d, "epsilon": number(renyi_epsilon(orders, values, d))}
                                   for d in (1e-5, 1e-8)]})
    return {"cases": cases}


def bad(kind, value, why):
    return {"kind": kind, "value": value, "why": why}


def bad_files():
    good = event(40004, 10000)
    return {
        "bad_delta_is_one": bad("budget", {"epsilon": 1.0, "delta": 1.0}, "delta must be below 1"),
        "bad_delta_is_zero": bad("budget", {"epsilon": 1.0, "delta": 0.0}, "delta must be above 0"),
        "bad_epsilon_is_zero": bad("budget", {"epsilon": 0.0, "delta": 1e-6}, "epsilon must be above 0"),
        "bad_epsilon_is_negative": bad("budget", {"epsilon": -1.0, "delta": 1e-6}, "epsilon must be above 0"),
        "bad_sampling_rate_above_one": bad("event", sampled(1.5, good), "a rate is at most 1"),
        "bad_sampling_rate_is_zero": bad("event", sampled(0.0, good), "a rate is above 0"),
        "bad_variance_below_4096": bad("event", full(event(4095, 10000)), "the theorem is used from 4096 on"),
        "bad_sensitivity_is_zero": bad("event", full(event(40004, 0)), "Delta squared is at least 1"),
        "bad_adjacency_missing": bad(
            "event", full({k: v for k, v in good.items() if k != "adjacency"}), "an adjacency is never guessed"),
        "bad_adjacency_unknown": bad("event", full(event(40004, 10000, "add-remove") | {"adjacency": "bounded"}),
                                     "one of add-remove, replace-one, zero-out"),
        "bad_shares_too_small": bad("event", full(event(4900, 100, shares=700)), "a share has a variance of at least 8"),
        "bad_shares_not_integer": bad("event", full(event(5000, 100, shares=3)), "equal integer shares"),
        "bad_adjacencies_mixed": bad(
            "events", [full(good), full(event(40004, 10000, "replace-one"))], "one adjacency per composition"),
        "bad_kappa_too_large": bad(
            "events", [repeated(full(event(40004, 10000, dimension=1 << 30)), 1 << 30)], "kappa T must stay below 1e-20"),
        "bad_count_negative": bad("events", [repeated(full(good), -1)], "a count is 0 or more"),
        "bad_event_unknown": bad("event", {"laplace": {"release": good}}, "unknown events are refused, not skipped"),
        "bad_no_colluders": bad("share", {"variance": 5000, "minimumContributors": 5, "colluders": 0},
                                "a partner knows its own share: at least 1"),
        "bad_all_collude": bad("share", {"variance": 5000, "minimumContributors": 5, "colluders": 5},
                               "somebody's noise must be unknown"),
        "bad_forged_delta_squared": bad(
            "encoding", {"dimension": 4, "maximumNonZeros": 4, "clipNorm": 1.0, "scale": 100.0,
                         "deltaSquared": 10000}, "10102 by the formula"),
        "bad_modulus_wraps": bad(
            "modulus", {"bits": 23, "releases": [{"maximumUsers": 6040, "deltaSquared": 1081600, "variance": 1081604,
                                                  "dimension": 1000, "count": 10}]}, "24 bits are needed"),
    }


def main():
    files = {
        "good_delta_squared": good_delta_squared(), "good_noise": good_noise(), "good_modulus": good_modulus(),
        "good_gaussian": good_gaussian(), "good_renyi": good_renyi(), "good_sampled": good_sampled(), **bad_files()}
    check = "--check" in sys.argv[1:]
    os.makedirs(FOLDER, exist_ok=True)
    stale = []
    for name, content in files.items():
        path = os.path.join(FOLDER, name + ".json")
        text = json.dumps({"source": SOURCE, **content}, indent=1, sort_keys=True) + "\n"
        if check:
            if not os.path.exists(path) or open(path, encoding="utf-8").read() != text:
                stale.append(name)
        else:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
    if stale:
        sys.exit("differ from what this script makes: " + ", ".join(stale))
    print("%d files %s" % (len(files), "agree" if check else "written"))


if __name__ == "__main__":
    main()
