#!/usr/bin/env python3
"""Recomputes the epsilon of a ledger with Google's dp-accounting (pip install dp-accounting), which knows nothing of Tacit:
    tacit ledger export --dp-events runs/first/ledgers/coordinator.ledger | python3 docs/check-epsilon.py [DELTA]
Exit code 1 when Tacit says less than dp-accounting's loss distributions prove, or far more. DELTA is the one that you expect."""
import json, math, sys
from dp_accounting import dp_event, pld

def made(event, factor):  # the noise multiplier from sigma^2, Delta^2, adjacency and m (Protocols/ledger.md 3.3)
    m, q, z = event["partners_per_user"], event.get("rate", 1), math.sqrt((event["sigma_squared"] - 4) / event["delta_squared"]) / factor
    if event["type"] == "mixture":
        return dp_event.MixtureOfGaussiansDpEvent(z, list(range(m + 1)), [math.comb(m, k) * q**k * (1 - q) ** (m - k) for k in range(m + 1)])
    noise = dp_event.GaussianDpEvent(z / m)
    return noise if event["type"] == "gaussian" else dp_event.PoissonSampledDpEvent(q, noise)

doc = json.load(sys.stdin)
delta, stated, events, replaces = doc["delta"], doc["epsilon"], doc["events"], doc["adjacency"] == "replace-one"
if (doc["kind"], doc["version"]) != ("tacit-dp-events", 2) or not events or not 0 < delta <= float((sys.argv + ["1e-3"])[1]):
    sys.exit("expected the output of tacit ledger export --dp-events with charges in it, and a delta of at most DELTA (0.001)")
if replaces and any(event["type"] != "gaussian" for event in events):
    sys.exit("dp-accounting 0.6.0 has no sampled event under replace-one")
accountant = pld.PLDAccountant(value_discretization_interval=1e-4)
for event in events:
    accountant.compose(made(event, 2 if replaces else 1), event["count"])
epsilon = accountant.get_epsilon(delta)
print(json.dumps({"epsilon": epsilon, "tacit": stated, "delta": delta, "difference": (stated - epsilon) / max(epsilon, stated, 1e-9)}))
if stated < epsilon * (1 - 3e-3) - 1e-6:  # by whichever accountant: no divergence proves less than the distribution itself
    sys.exit("Tacit says LESS than dp-accounting can prove: do not rely on this epsilon")
if stated > epsilon * (1.3 if doc["accountant"].startswith("rdp") else 1.05) + 1e-2:
    sys.exit("Tacit says far more than dp-accounting: these are not the events that it charged, or it wastes budget")
