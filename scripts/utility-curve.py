#!/usr/bin/env python3
"""What noise leaves of the quality: the stored curve of `tacit plan`, measured by simulations on generated shops.

    scripts/utility-curve.py [--tacit .build/release/tacit] [--seeds 1,2] > Sources/tacit/Plan/MeasuredUtility.swift

Every point is one pair of runs over the same shops: with central noise at one ε (q = 1, δ = 1e-6, `tacit simulate`'s defaults
otherwise), and without noise. Quality is NDCG@10 of the held-out item among everything the user has not seen. N/z is users over
the noise multiplier of the whole task, the number that decides what noise leaves of a model.
"""
import argparse, json, os, statistics, subprocess, sys, tempfile

parser = argparse.ArgumentParser()
parser.add_argument("--tacit", default=".build/release/tacit")
parser.add_argument("--seeds", default="1,2")
parser.add_argument("--users", default="1000,4000,16000")
parser.add_argument("--items", default="600")
parser.add_argument("--epsilons", default="0.5,1,2,4,8,16")
parser.add_argument("--algorithms", default="popularity,mf,als,covariance")
options = parser.parse_args()
METRIC = "full NDCG@10"


def run(folder, data, seed, algorithm, *more):
    path = os.path.join(folder, "run")
    command = [options.tacit, "simulate", "--data", data, "--partners", "5", "--seed", str(seed), "--algorithm", algorithm,
               "--baselines", "off", "--evaluation-share", "0", "--output", path, "--format", "json", *more]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    report = json.load(open(os.path.join(path, "report.json")))
    subprocess.run(["rm", "-r", path], check=True)
    method = "federated-without-noise" if "none" in more else "federated-private"
    rows = {row["method"]: row for row in report["utility"]["quality"]["rows"] if row.get("partner") is None}
    value = {m["metric"]: m["value"] for m in rows[method]["metrics"]}[METRIC]
    reading = report["utility"].get("noiseReading")
    return value, reading


points = {}
with tempfile.TemporaryDirectory() as folder:
    for algorithm in options.algorithms.split(","):
        for users in options.users.split(","):
            for items in options.items.split(","):
                data = f"synthetic:{users}x{items}x5"
                exact, kept = [], {}
                for seed in options.seeds.split(","):
                    best, _ = run(folder, data, seed, algorithm, "--noise", "none")
                    exact.append(best)
                    for epsilon in options.epsilons.split(","):
                        value, reading = run(folder, data, seed, algorithm, "--epsilon", epsilon)
                        ratio = reading["nominalUsers"] / reading["noiseMultiplier"]
                        kept.setdefault(ratio, []).append(value / best)
                for ratio, values in sorted(kept.items()):
                    points.setdefault(algorithm, []).append(
                        (ratio, statistics.mean(values), int(users), int(items), len(values)))
                    print(algorithm, users, items, f"N/z {ratio:.0f}: {statistics.mean(values):.3f}", file=sys.stderr)

print("""// Written by scripts/utility-curve.py; do not edit.

/// What noise left of the quality in simulations on generated shops: points of `UtilityCurve`.
enum MeasuredUtility {
  static let command =
    "scripts/utility-curve.py --seeds %s --users %s --items %s --epsilons %s"

  static let curves: [UtilityCurve] = [""" % (options.seeds, options.users, options.items, options.epsilons))
for algorithm, rows in points.items():
    print(f'    UtilityCurve(\n      algorithm: "{algorithm}",\n      points: [')
    for ratio, kept, users, items, runs in sorted(rows):
        print(f"        .init(usersOverNoise: {ratio:.1f}, kept: {kept:.4f}, users: {users}, items: {items}, runs: {runs}),")
    print("      ]),")
print("  ]\n}")
