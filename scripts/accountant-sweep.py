#!/usr/bin/env python3
"""Asks `tacit epsilon` random questions that dp-accounting, prv-accountant or a closed form can answer too, and names every answer
that is below a lower bound (unsound) or more than half a percent above the best published upper bound (loose).

    python3 scripts/accountant-sweep.py --tacit .build/release/tacit --seed 1 --cases 200

The exact values of sampled Gaussians are the inversion of section 12 of Protocols/privacy-accounting.md. Needs `pip install dp-accounting prv-accountant mpmath`. Exit code 1 if an answer fails. Peers that take longer than a minute are left out.
"""
import argparse
import json
import logging
import math
import random
import signal
import subprocess
import sys
import time

import dp_accounting
import mpmath
import numpy
from dp_accounting import dp_event as E
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant
from prv_accountant import GaussianMechanism, LaplaceMechanism, PoissonSubsampledGaussianMechanism, PRVAccountant

NEIGHBOURS = {
    "add-remove": dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE,
    "replace-one": dp_accounting.NeighboringRelation.REPLACE_ONE,
    "zero-out": dp_accounting.NeighboringRelation.REPLACE_SPECIAL,
}
SLACK = 0.005
FLOOR = 1e-4  # absolute: differences below this are nobody's concern


class TooLong(Exception):
    pass


def limited(seconds, body):
    """The value of body(), or None when it takes too long or refuses."""

    def ring(*_):
        raise TooLong()

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        value = body()
        return value if value is not None and math.isfinite(value) else None
    except (TooLong, ValueError, RuntimeError, MemoryError, OverflowError, dp_accounting.UnsupportedEventError):
        return None
    finally:
        signal.alarm(0)


def gaussian_epsilon(mu, delta):
    """The exact curve (Balle, Wang 2018), to 40 digits."""
    mpmath.mp.dps = 40
    mu, delta = mpmath.mpf(mu), mpmath.mpf(delta)

    def curve(epsilon):
        return mpmath.ncdf(mu / 2 - epsilon / mu) - mpmath.exp(epsilon) * mpmath.ncdf(-mu / 2 - epsilon / mu)

    if curve(mpmath.mpf(0)) <= delta:
        return 0.0
    low, high = mpmath.mpf(0), mpmath.mpf(1)
    while curve(high) > delta:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if curve(middle) > delta else (low, middle)
    return float(high)


def exact_epsilon(steps, delta, adjacency):
    """The quadrature below with smaller and smaller steps, until it stands still."""
    last = quadrature(steps, delta, adjacency, 1)
    for refinement in (2, 4, 8, 16):
        value = quadrature(steps, delta, adjacency, refinement)
        if last is not None and value is not None and abs(value - last) <= 1e-8 + 1e-7 * value:
            return value
        last = value
    return None


def quadrature(steps, delta, adjacency, refinement):
    """epsilon of Poisson-sampled Gaussians [(z, q, count)], to about nine digits: with M(s) = E_P[(P/Q)^s] of all steps,
    delta(epsilon) = 1/(2 pi i) * integral of e^(-s epsilon) M(s) / (s (s + 1)) ds along Re s = c > 0, by quadrature."""
    best = 0.0
    for direction in ((1, -1) if adjacency != "replace-one" else (1,)):
        def log_moment(s):
            """log M at an array of complex s (real part on the contour)."""
            total = numpy.zeros(len(s), dtype=complex)
            reach = float(numpy.max(s.real))
            fastest = float(numpy.max(numpy.abs(s.imag)))
            for z, q, count in steps:
                # Fine enough for the bells, and for the oscillation of e^(i t loss), whose slope is at most 1/z².
                step = min(min(z, z * z) / 24, z * z / (2 * (1 + fastest)))
                if (26 * z + 2 * reach + 6) / step > 200000:
                    raise ValueError("the quadrature would take too long")
                x = numpy.arange(-13 * z - reach - 3, 13 * z + reach + 3, step)
                base = -x * x / (2 * z * z) - math.log(z * math.sqrt(2 * math.pi))

                def mixture(sign):
                    shifted = (2 * sign * x - 1) / (2 * z * z)
                    return base + (shifted if q == 1 else numpy.logaddexp(math.log1p(-q), math.log(q) + shifted))

                first, second = (mixture(1), mixture(-1)) if adjacency == "replace-one" else (mixture(1), base)
                if direction < 0:
                    first, second = second, first
                loss = first - second
                for index, node in enumerate(s):
                    exponent = first + node.real * loss
                    top = exponent.max()
                    total[index] += count * (top + numpy.log(numpy.sum(numpy.exp(exponent - top + 1j * node.imag * loss)) * step))
            return total

        # Every c gives a bound: (1 - e^(-x))^+ <= e^(c x) c^c / (1 + c)^(1 + c). The contour goes where it is least.
        cs = numpy.geomspace(1e-3, 1e6, 200)
        values = []
        for c in cs:
            k = log_moment(numpy.array([complex(c)]))[0].real
            value = (k + c * math.log(c) - (1 + c) * math.log1p(c) - math.log(delta)) / c
            values.append(value if math.isfinite(value) else math.inf)
            if len(values) > 8 and values[-1] > 1.5 * min(values) + 1e-9 and values[-1] > values[-2]:
                break
        c = float(cs[int(numpy.argmin(values))])
        k0 = log_moment(numpy.array([complex(c)]))[0].real
        nodes = [complex(c)]
        logs = [complex(k0)]
        # Curvature at c decides the step; go on until the integrand is gone.
        h = c * 1e-3
        k = log_moment(numpy.array([complex(c - h), complex(c + h)])).real
        curvature = max((k[0] + k[1] - 2 * k0) / (h * h), 1e-12) + 1 / (c * c)
        step = min(0.1 / math.sqrt(curvature), c / 14) / refinement
        position, chunk = step, 64
        while True:
            s = c + 1j * (position + step * numpy.arange(chunk))
            part = log_moment(s)
            nodes += list(s)
            logs += list(part)
            position += step * chunk
            size = numpy.max(part.real - k0 - numpy.log(numpy.abs(s * (s + 1)) / (c * (c + 1))))
            if size < math.log(1e-12):
                break
            if len(nodes) > 40000 * refinement:
                return None
        nodes, logs = numpy.array(nodes), numpy.array(logs)
        weights = numpy.full(len(nodes), step / math.pi)
        weights[0] /= 2

        def curve(epsilon):
            return float(numpy.sum(weights * numpy.real(numpy.exp(logs - nodes * epsilon) / (nodes * (nodes + 1)))))
        high = float(min(values))
        if high <= 0:
            continue
        width = high * 1e-3
        while high > width and curve(high - width) <= delta:
            width *= 2
        low = max(high - width, 0.0)
        if low == 0 and curve(0.0) <= delta:
            continue
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if curve(middle) > delta else (low, middle)
        best = max(best, high)
    return best


def logarithmic(generator, low, high):
    return math.exp(generator.uniform(math.log(low), math.log(high)))


def rounded(value):
    return float(f"{value:.4g}")


def question(generator, kind):
    """(event, adjacency, accountants of dp-accounting, [(z, q, T)] for prv-accountant, exact value or None)"""
    z = rounded(logarithmic(generator, 0.2, 50))
    rounds = int(logarithmic(generator, 1, 1e6))
    q = rounded(generator.choice([logarithmic(generator, 1e-6, 1), logarithmic(generator, 1e-3, 0.5), 1 - logarithmic(generator, 1e-6, 0.5)]))
    adjacency = generator.choice(["add-remove", "replace-one"])
    if kind == "gaussian":
        adjacency = generator.choice(list(NEIGHBOURS))
        return E.SelfComposedDpEvent(E.GaussianDpEvent(z), rounds), adjacency, [], [], \
            math.sqrt(rounds) / z * (2 if adjacency == "replace-one" else 1)
    if kind == "poisson":
        event = E.PoissonSampledDpEvent(q, E.GaussianDpEvent(z))
        return E.SelfComposedDpEvent(event, rounds), adjacency, [PLDAccountant, RdpAccountant], \
            [(PoissonSubsampledGaussianMechanism(sampling_probability=q, noise_multiplier=z), rounds)] if adjacency == "add-remove" else [], \
            [(z, q, rounds)]
    if kind == "useful":  # what people run: an epsilon between 0.01 and 30
        z = rounded(logarithmic(generator, 0.4, 10))
        q = rounded(logarithmic(generator, 1e-5, 0.3))
        rounds = max(1, min(1_000_000, int((generator.uniform(0.02, 1.5) * z / q) ** 2)))
        event = E.PoissonSampledDpEvent(q, E.GaussianDpEvent(z))
        return E.SelfComposedDpEvent(event, rounds), adjacency, [PLDAccountant, RdpAccountant], \
            [(PoissonSubsampledGaussianMechanism(sampling_probability=q, noise_multiplier=z), rounds)] if adjacency == "add-remove" else [], \
            [(z, q, rounds)]
    if kind == "mixed":
        events, prvs, steps = [], [], []
        for _ in range(generator.randint(2, 4)):
            z = rounded(logarithmic(generator, 0.6, 20))
            q = rounded(logarithmic(generator, 1e-4, 0.5))
            count = max(1, min(20000, int((generator.uniform(0.02, 0.8) * z / q) ** 2)))
            if generator.random() < 0.2:
                events.append(E.GaussianDpEvent(z * 4))
                prvs.append((GaussianMechanism(z * 4), 1))
                steps.append((z * 4, 1, 1))
            else:
                events.append(E.SelfComposedDpEvent(E.PoissonSampledDpEvent(q, E.GaussianDpEvent(z)), count))
                prvs.append((PoissonSubsampledGaussianMechanism(sampling_probability=q, noise_multiplier=z), count))
                steps.append((z, q, count))
        return E.ComposedDpEvent(events), adjacency, [PLDAccountant, RdpAccountant], prvs if adjacency == "add-remove" else [], steps
    if kind == "laplace":
        scale = rounded(logarithmic(generator, 0.5, 60))
        count = max(1, min(5000, int(generator.uniform(0.01, 3) * scale ** 2)))
        event = E.LaplaceDpEvent(scale)
        prvs = [(LaplaceMechanism(mu=1 / scale), count)]
        if generator.random() < 0.5:
            event, prvs = E.PoissonSampledDpEvent(rounded(logarithmic(generator, 1e-3, 0.9)), event), []
        event = E.SelfComposedDpEvent(event, count)
        if generator.random() < 0.4:
            event, prvs = E.ComposedDpEvent([event, E.GaussianDpEvent(rounded(logarithmic(generator, 0.7, 10)))]), []
        return event, "add-remove", [PLDAccountant], prvs, None
    if kind == "discrete-laplace":
        event = E.DiscreteLaplaceDpEvent(noise_parameter=rounded(logarithmic(generator, 0.01, 2)), sensitivity=generator.randint(1, 5))
        return E.SelfComposedDpEvent(event, generator.randint(1, 200)), "add-remove", [PLDAccountant], [], None
    if kind == "response":
        event = E.RandomizedResponseDpEvent(noise_parameter=rounded(generator.uniform(0.05, 0.95)), num_buckets=generator.randint(2, 50))
        return event, "replace-one", [PLDAccountant], [], None
    if kind == "truncated":
        users = int(logarithmic(generator, 1000, 1e6))
        q = rounded(logarithmic(generator, 1e-3, 0.1))
        mean = users * q
        cap = max(1, int(mean + generator.uniform(-1, 6) * math.sqrt(mean)))
        event = E.TruncatedSubsampledGaussianDpEvent(
            dataset_size=users, sampling_probability=q, truncated_batch_size=cap, noise_multiplier=rounded(logarithmic(generator, 0.7, 5)))
        return E.SelfComposedDpEvent(event, int(logarithmic(generator, 1, 3000))), adjacency, [PLDAccountant], [], None
    if kind == "fixed-size":
        users = int(logarithmic(generator, 1000, 1e6))
        event = E.SampledWithoutReplacementDpEvent(users, max(1, int(users * logarithmic(generator, 1e-4, 0.5))), E.GaussianDpEvent(z))
        return E.SelfComposedDpEvent(event, min(rounds, 20000)), "replace-one", [RdpAccountant], [], None
    if kind == "zcdp":
        event = E.ZCDpEvent(rho=rounded(logarithmic(generator, 1e-6, 1)), xi=0.0)
        return E.SelfComposedDpEvent(event, min(rounds, 10000)), adjacency, [RdpAccountant], [], None
    if kind == "select":
        inner = E.SelfComposedDpEvent(E.PoissonSampledDpEvent(rounded(logarithmic(generator, 1e-3, 0.2)), E.GaussianDpEvent(rounded(logarithmic(generator, 0.7, 5)))),
                                      generator.randint(1, 2000))
        shape = generator.choice([0, 0.5, 1, 2, math.inf])
        return E.RepeatAndSelectDpEvent(inner, mean=rounded(logarithmic(generator, 1.5, 100)), shape=shape), "add-remove", [RdpAccountant], [], None
    raise SystemExit(f"unknown kind {kind}")


KINDS = ["gaussian", "poisson", "useful", "useful", "mixed", "laplace", "discrete-laplace", "response", "truncated", "fixed-size", "zcdp", "select"]


def ask(tacit, event, adjacency, delta, accountant):
    began = time.monotonic()
    run = subprocess.run(
        [tacit, "epsilon", "--event", repr(event).replace("\n", " "), "--adjacency", adjacency, "--delta", repr(delta), "--accountant", accountant,
         "--format", "json"], capture_output=True, text=True)
    if run.returncode != 0:
        return None, run.stderr.strip(), time.monotonic() - began
    return json.loads(run.stdout), "", time.monotonic() - began


def main():
    logging.disable(logging.WARNING)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tacit", default=".build/release/tacit")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--kind", choices=sorted(set(KINDS)))
    parser.add_argument("--quick", action="store_true", help="leave prv-accountant out")
    given = parser.parse_args()
    generator = random.Random(given.seed)
    counts, failures, worst = {}, 0, {}
    for index in range(given.cases):
        kind = given.kind or KINDS[index % len(KINDS)]
        delta = 10 ** -generator.uniform(3, 12)
        event, adjacency, accountants, prvs, exact = question(generator, kind)
        uppers, lowers, rdp = [], [], None
        if isinstance(exact, list) and exact:
            value = limited(60, lambda: exact_epsilon(exact, delta, adjacency))
            if value is not None:
                uppers.append(value)
                lowers.append(value * (1 - 1e-6))
                accountants, prvs = [a for a in accountants if a is RdpAccountant], []
        elif exact is not None:
            uppers.append(gaussian_epsilon(exact, delta))
            lowers.append(uppers[0] * (1 - 1e-9))
        # Rényi values of dp-accounting have z over the distance between neighbours, whatever the adjacency; ours is over one user's norm.
        theirs = event
        if kind == "fixed-size":
            inner = event.event
            halved = E.GaussianDpEvent(inner.event.noise_multiplier / 2)
            theirs = E.SelfComposedDpEvent(
                E.SampledWithoutReplacementDpEvent(inner.source_dataset_size, inner.sample_size, halved), event.count)
        for accountant in accountants:
            if accountant is RdpAccountant and adjacency == "replace-one" and kind in ("poisson", "useful", "mixed"):
                continue
            def peer():
                ledger = accountant(neighboring_relation=NEIGHBOURS[adjacency])
                return float(ledger.compose(theirs).get_epsilon(delta))
            value = limited(60, peer)
            if value is not None:
                uppers.append(value)
                if accountant is RdpAccountant:
                    rdp = value
        if prvs and not given.quick:
            def prv():
                ledger = PRVAccountant(
                    prvs=[p for p, _ in prvs], max_self_compositions=[c for _, c in prvs], eps_error=0.01, delta_error=delta * 1e-3)
                low, _, up = ledger.compute_epsilon(delta, [c for _, c in prvs])
                uppers.append(float(up))
                return float(low)
            value = limited(60, prv)
            if value is not None:
                lowers.append(value)
        answer, message, seconds = ask(given.tacit, event, adjacency, delta, "best")
        counts[kind] = counts.get(kind, 0) + 1
        verdict = []
        if answer is None:
            if uppers:
                verdict.append(f"UNANSWERED ({message})")
        else:
            epsilon, lower = answer["epsilon"], answer["lower"]
            if lower > epsilon:
                verdict.append("LOWER ABOVE UPPER")
            if lowers and epsilon < max(lowers) * (1 - 1e-7) - 1e-9:
                verdict.append("UNSOUND")
            # Beyond a thousand nobody's loss distribution fits its grid, and nobody asks.
            if uppers and epsilon > min(uppers) * (1 + SLACK) + FLOOR and min(uppers) < 1000:
                verdict.append("LOOSE")
            # Transforms of dp-accounting round δ below 1e-10 by more than this; an exact value leaves no such room.
            if uppers and lower > min(uppers) * (1 + (1e-6 if lowers else 5e-4)) + 1e-6:
                verdict.append("LOWER ABOVE A PUBLISHED UPPER VALUE")
            if uppers:
                relative = epsilon / min(uppers) - 1 if 0.01 < min(uppers) < 1000 else 0.0
                worst[kind] = max(worst.get(kind, -1.0), relative)
        if rdp is not None and kind not in ("truncated",):
            other, message, _ = ask(given.tacit, event, adjacency, delta, "rdp")
            if other is None:
                verdict.append(f"RDP UNANSWERED ({message})")
            elif other["epsilon"] > rdp * (1 + SLACK) + FLOOR:
                verdict.append(f"RDP LOOSE ({other['epsilon']:.6g} against {rdp:.6g})")
        if seconds > 10:
            verdict.append(f"SLOW ({seconds:.1f} s)")
        if verdict:
            failures += 1
            ours = f"{answer['epsilon']:.8g} [{answer['lower']:.8g}] by {answer['accountant']}" if answer else "-"
            print(f"{', '.join(verdict)}: {kind} δ={delta!r} {adjacency}: ours {ours}; upper {uppers}; lower {lowers}; {event!r}", flush=True)
    print(json.dumps({"cases": sum(counts.values()), "failures": failures, "counts": counts,
                      "largestAboveBest": {k: round(v, 6) for k, v in worst.items()}}))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
