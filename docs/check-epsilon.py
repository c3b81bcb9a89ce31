#!/usr/bin/env python3
"""Recomputes the epsilon of a ledger with Google's dp-accounting (pip install dp-accounting), which knows nothing of Tacit:
    tacit ledger export --dp-events runs/first/ledgers/coordinator.ledger | python3 docs/check-epsilon.py [DELTA]
Exit code 1 when Tacit says less than dp-accounting can prove, or far more. DELTA is the one that you expect: a ledger names its own."""
import json, math, sys
import dp_accounting as dp, dp_accounting.dp_event as dp_event

doc = json.load(sys.stdin)
if (doc["kind"], doc["version"]) != ("tacit-dp-events", 2):
    sys.exit("no output of tacit ledger export --dp-events")
if len(sys.argv) > 1 and float(sys.argv[1]) != doc["delta"]:
    sys.exit(f"epsilon is stated at delta = {doc['delta']}, expected {sys.argv[1]}: export with --delta {sys.argv[1]}")
if not 0 < doc["delta"] <= 1e-3:
    sys.exit(f"delta = {doc['delta']} protects nobody; export with --delta of at most 0.001")
if not doc["events"]:
    sys.exit("nothing was charged: there is nothing to check")
replace = doc["adjacency"] == "replace-one"
if replace and any(event["type"] != "gaussian" for event in doc["events"]):
    sys.exit("dp-accounting 0.6.0 has no sampled event under replace-one")


def made(event):
    """The event with its noise multiplier from sigma^2, Delta^2, adjacency and m (Protocols/ledger.md 3.3)."""
    m, rate = event["partners_per_user"], event.get("rate", 1)
    one = math.sqrt(event["sigma_squared"] - 4) / (math.sqrt(event["delta_squared"]) * (2 if replace else 1))
    if event["type"] == "mixture":
        return dp_event.MixtureOfGaussiansDpEvent(
            one, list(range(m + 1)), [math.comb(m, k) * rate**k * (1 - rate) ** (m - k) for k in range(m + 1)])
    noise = dp.GaussianDpEvent(one / m)
    return noise if event["type"] == "gaussian" else dp.PoissonSampledDpEvent(rate, noise)


by_renyi = doc["accountant"].startswith("rdp")
accountant = dp.rdp.RdpAccountant() if by_renyi else dp.pld.PLDAccountant(value_discretization_interval=1e-4)
for event in doc["events"]:
    accountant.compose(made(event), event["count"])
epsilon, stated = accountant.get_epsilon(doc["delta"]), doc["epsilon"]
difference = (stated - epsilon) / max(epsilon, stated, 1e-9)
print(json.dumps({"epsilon": epsilon, "tacit": stated, "delta": doc["delta"], "difference": difference}))
# Both are upper values on grids of their own, and dp-accounting takes larger divergences at fractional orders than there are.
if difference < -(0.05 if by_renyi else 3e-3) and epsilon - stated > 1e-3:
    sys.exit("Tacit says LESS than dp-accounting can prove: do not rely on this epsilon")
if difference > 0.05 and stated - epsilon > 1e-2:
    sys.exit("Tacit says far more than dp-accounting: these are not the events that it charged, or it wastes budget")
