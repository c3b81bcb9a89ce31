"""Recomputes the epsilon of a ledger with Google's dp-accounting (pip install dp-accounting), which knows nothing of Tacit:
    tacit ledger export --dp-events runs/first/ledgers/coordinator.ledger | python3 docs/check-epsilon.py [DELTA]
Fails when Tacit says less than dp-accounting's loss distributions prove, or far more. DELTA is the one that you expect."""
import json, math, sys
from dp_accounting import NeighboringRelation, dp_event, pld

doc, delta_max = json.load(sys.stdin), float((sys.argv + ["1e-3"])[1])
if (doc["kind"], doc["version"]) != ("tacit-dp-events", 2) or not doc["events"] or not 0 < doc["delta"] <= delta_max:
    sys.exit("expected the output of tacit ledger export --dp-events with charges in it, and a delta of at most DELTA (0.001)")
relation = NeighboringRelation.REPLACE_ONE if doc["adjacency"] == "replace-one" else NeighboringRelation.ADD_OR_REMOVE_ONE
accountant = pld.PLDAccountant(relation, value_discretization_interval=1e-4)
for event in doc["events"]:  # z over one user's norm at one partner, from sigma^2 and Delta^2 (Protocols/ledger.md 3.3)
    m, q, z = event["partners_per_user"], event.get("rate", 1), math.sqrt((event["sigma_squared"] - 4) / event["delta_squared"])
    coins = [math.comb(m, k) * q**k * (1 - q) ** (m - k) for k in range(m + 1)]  # of a mixture: one at each partner
    noise = dp_event.MixtureOfGaussiansDpEvent(z, range(m + 1), coins) if event["type"] == "mixture" else dp_event.GaussianDpEvent(z / m)
    accountant.compose(dp_event.PoissonSampledDpEvent(q, noise) if event["type"] == "poisson" else noise, event["count"])
epsilon, stated = accountant.get_epsilon(doc["delta"]), doc["epsilon"]
print(json.dumps({"epsilon": epsilon, "tacit": stated, "delta": doc["delta"], "difference": (stated - epsilon) / max(epsilon, stated, 1e-9)}))
low, high = epsilon * (1 - 3e-3) - 1e-6, epsilon * (1.3 if doc["accountant"].startswith("rdp") else 1.05) + 1e-2  # rdp proves less
sys.exit("Tacit says LESS than dp-accounting proves" if stated < low else "Tacit says far more than that" if stated > high else 0)
