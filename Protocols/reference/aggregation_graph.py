#!/usr/bin/env python3
"""Degrees and thresholds of sparse aggregation graphs, slowly: every tail is a ratio of big integers.

    aggregation_graph.py drawn N CORRUPT DROPOUTS          k, m, t of the drawn graph (secure-aggregation.md, section 13)
    aggregation_graph.py harary N CORRUPT DROPOUTS         k, t of the Harary graph of Bell et al. (CCS 2020), for comparison
    aggregation_graph.py tables                            the rows that the tests hold, computed again

Both against a lying server, sigma = 40, eta = 20; CORRUPT and DROPOUTS are fractions such as 1/10. Written from the specification, not from
the Swift code; needs Python 3.9 and nothing else. Sums over sets run over logarithms of exact integers.
"""

import math
import sys
from fractions import Fraction
from functools import lru_cache

SIGMA, ETA = 40, 20


@lru_cache(maxsize=None)
def choose(n, k):
    return math.comb(n, k) if 0 <= k <= n else 0


def upper_tail(population, marked, draws, least):
    """P[X >= least], exact: numerator and denominator."""
    total = sum(choose(marked, x) * choose(population - marked, draws - x) for x in range(max(least, 0), min(draws, marked) + 1))
    return Fraction(total, choose(population, draws))


def log2(fraction):
    if fraction == 0:
        return -math.inf
    return math.log2(fraction.numerator) - math.log2(fraction.denominator)


def log2_sum(terms):
    terms = [t for t in terms if t != -math.inf]
    if not terms:
        return -math.inf
    top = max(terms)
    return top + math.log2(sum(2 ** (t - top) for t in terms))


def harary(n, corrupt_share, dropout_share):
    corrupt, missing = int(corrupt_share * n), int(dropout_share * n)
    for k in range(2, n - 1, 2):
        gaps = Fraction(n * (n - k - 1), 2) * Fraction(choose(corrupt + missing, k), choose(n, k))
        if gaps >= Fraction(1, 2 ** (SIGMA + 1)):
            continue
        worst = next(x for x in range(k + 1) if upper_tail(n, corrupt, k, x + 1) * n <= Fraction(1, 2 ** (SIGMA + 1)))
        t = max(2, (worst + k) // 2 + 1)
        if (1 - upper_tail(n, n - missing, k, t)) * n <= Fraction(1, 2**ETA):
            return k, t
    return None


def drawn(n, corrupt_share, dropout_share, start=2):
    corrupt, missing = int(corrupt_share * n), int(dropout_share * n)
    honest, limit = n - corrupt, Fraction(1, 2 ** (SIGMA + 2))
    for k in range(start, n):
        worst = next(x for x in range(k + 1) if upper_tail(n - 1, corrupt, k, x + 1) * n <= limit)
        t = max(2, (worst + k) // 2 + 1)
        if t > k or (1 - upper_tail(n - 1, n - 1 - missing, k, t)) * n > Fraction(1, 2**ETA):
            continue
        two_sets = log2_sum(
            log2(Fraction(choose(honest, a))) + a * log2(upper_tail(n - 1, corrupt + a - 1, k, t)) for a in range(1, honest // 2 + 1))
        if two_sets > -(SIGMA + 2):
            continue
        for m in range(k - t + 1, k + 1):
            if split(n, corrupt, missing, k, m, t) <= -(SIGMA + 2):
                return k, m, t
    return None


def split(n, corrupt, missing, k, m, t):
    honest, everything, terms = n - corrupt, choose(n - 1, m), []
    for s in range(1, honest // 2 + 1):
        sets = log2(Fraction(choose(honest, s)))
        gone = min(missing, honest - s - 1)
        near = sets + s * log2(upper_tail(n - 1, corrupt + s - 1, m, m - k + t))
        far = sets + log2(Fraction(choose(honest - s, gone)))
        far += s * log2(Fraction(choose(min(n - 1, corrupt + s - 1 + gone), m), everything))
        far += (honest - gone - s) * log2(Fraction(choose(n - 1 - s, m), everything))
        terms.append(min(near, far))
    return log2_sum(terms)


def main(arguments):
    if arguments == ["tables"]:
        tenth = Fraction(1, 10)
        for n in (50, 100, 200, 500, 1000):
            print("drawn", n, "1/10 1/10", drawn(n, tenth, tenth))
        print("drawn", 1000, "1/20 1/20", drawn(1000, Fraction(1, 20), Fraction(1, 20)))
        print("drawn", 500, "1/5 1/10", drawn(500, Fraction(1, 5), tenth))
        for n in (100, 1000, 10000):
            print("harary", n, "1/10 1/10", harary(n, tenth, tenth))
    elif len(arguments) == 4 and arguments[0] in ("drawn", "harary"):
        solve = drawn if arguments[0] == "drawn" else harary
        print(solve(int(arguments[1]), Fraction(arguments[2]), Fraction(arguments[3])))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
