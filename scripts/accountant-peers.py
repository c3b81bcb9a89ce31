#!/usr/bin/env python3
"""Measures dp-accounting and prv-accountant for `tacit bench accountants`: CPU seconds (median) and epsilon, as JSON rows.

Needs `pip install dp-accounting prv-accountant`. Poisson-sampled Gaussian, add/remove.
"""
import argparse
import json
import logging
import statistics
import sys
import time

import dp_accounting
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant
from prv_accountant import PRVAccountant, PoissonSubsampledGaussianMechanism


def measure(name, rounds, repeats, body):
    seconds, answer = [], None
    for _ in range(repeats):
        began = time.process_time()
        answer = body()
        seconds.append(time.process_time() - began)
    lower, epsilon = answer
    return {"accountant": name, "rounds": rounds, "cpuSeconds": statistics.median(seconds), "epsilon": epsilon, "lower": lower}


def main():
    logging.disable(logging.WARNING)
    parser = argparse.ArgumentParser()
    parser.add_argument("--noise-multiplier", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=0.01)
    parser.add_argument("--delta", type=float, default=1e-6)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("rounds", type=int, nargs="+")
    given = parser.parse_args()
    event = dp_accounting.PoissonSampledDpEvent(given.rate, dp_accounting.GaussianDpEvent(given.noise_multiplier))
    rows = []
    for rounds in given.rounds:
        composed = dp_accounting.SelfComposedDpEvent(event, rounds)

        def google(accountant):
            return None, float(accountant().compose(composed).get_epsilon(given.delta))

        def microsoft(error):
            mechanism = PoissonSubsampledGaussianMechanism(
                sampling_probability=given.rate, noise_multiplier=given.noise_multiplier)
            accountant = PRVAccountant(
                prvs=mechanism, max_self_compositions=rounds, eps_error=error, delta_error=given.delta * 1e-3)
            lower, _, upper = accountant.compute_epsilon(given.delta, [rounds])
            return float(lower), float(upper)

        rows.append(measure("dp-accounting pld", rounds, min(given.repeats, 3), lambda: google(PLDAccountant)))
        rows.append(measure("dp-accounting rdp", rounds, given.repeats, lambda: google(RdpAccountant)))
        rows.append(measure("prv-accountant 0.1", rounds, min(given.repeats, 3), lambda: microsoft(0.1)))
        rows.append(measure("prv-accountant 0.01", rounds, min(given.repeats, 3), lambda: microsoft(0.01)))
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
