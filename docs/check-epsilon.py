#!/usr/bin/env python3
"""Recomputes the epsilon of a ledger with Google's dp-accounting (pip install dp-accounting), which knows nothing of Tacit:
    tacit ledger export --dp-events runs/first/ledgers/coordinator.ledger | python3 docs/check-epsilon.py"""
import json, sys
import dp_accounting as dp, dp_accounting.dp_event as dp_event

doc = json.load(sys.stdin)
assert (doc["kind"], doc["version"]) == ("tacit-dp-events", 1), "no output of tacit ledger export --dp-events"
sampled = any(event["type"] != "gaussian" for event in doc["events"])
assert not (sampled and doc["adjacency"] == "replace-one"), "dp-accounting 0.6.0 has no sampled event under replace-one"
by_renyi = doc["accountant"].startswith("rdp")
accountant = dp.rdp.RdpAccountant() if by_renyi else dp.pld.PLDAccountant(value_discretization_interval=1e-4)
for event in doc["events"]:
    noise = dp.GaussianDpEvent(event["noise_multiplier"])
    made = {"gaussian": lambda: noise, "poisson": lambda: dp.PoissonSampledDpEvent(event["rate"], noise), "mixture": lambda:
            dp_event.MixtureOfGaussiansDpEvent(event["noise_multiplier"], event["shifts"], event["probabilities"])}[event["type"]]()
    accountant.compose(made, event["count"])
epsilon = accountant.get_epsilon(doc["delta"])
print(json.dumps({"epsilon": epsilon, "tacit": doc["epsilon"], "difference": abs(epsilon - doc["epsilon"]) / epsilon}))
