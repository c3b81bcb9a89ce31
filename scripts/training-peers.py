#!/usr/bin/env python3
"""Training by others for `tacit bench training`, on one thread: one JSON object with CPU seconds (time.process_time).

  training-peers.py sasrec --batch B [--length 50] [--negatives 256] [--seconds 1]   PyTorch: sequences per CPU second
  training-peers.py als --pairs FILE --users U --items I [--factors 56] [--iterations 4]   implicit: CPU seconds of one fit

FILE holds users and then items as little-endian int32. Needs `pip install torch numpy scipy implicit`.
"""
import argparse
import json
import math
import os
import time

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"


def sasrec(given):
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(1)
    d, items, blocks, heads, dropout = given.dimension, given.catalogue, 2, 2, 0.2

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = torch.nn.LayerNorm(d), torch.nn.LayerNorm(d)
            self.project, self.out = torch.nn.Linear(d, 3 * d), torch.nn.Linear(d, d)
            self.feed = torch.nn.Sequential(torch.nn.Linear(d, d), torch.nn.ReLU(), torch.nn.Linear(d, d))

        def forward(self, x):
            b, l, _ = x.shape
            q, k, v = (p.reshape(b, l, heads, d // heads).transpose(1, 2) for p in self.project(self.first(x)).split(d, dim=2))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, l, d)
            x = x + F.dropout(self.out(y), dropout)
            return x + F.dropout(self.feed(self.second(x)), dropout)

    class Model(torch.nn.Module):
        def __init__(self, sparse):
            super().__init__()
            self.items = torch.nn.Embedding(items, d, sparse=sparse)
            self.offsets = torch.nn.Embedding(items, 1, sparse=sparse)
            self.positions = torch.nn.Parameter(0.1 * torch.randn(given.length, d))
            self.blocks, self.last = torch.nn.Sequential(*[Block() for _ in range(blocks)]), torch.nn.LayerNorm(d)

        def forward(self, x, targets, others):
            h = self.items(x) * math.sqrt(d) + self.positions[: x.shape[1]]
            h = self.last(self.blocks(F.dropout(h, dropout)))
            own = (h * self.items(targets)).sum(-1, keepdim=True) + self.offsets(targets)
            rest = h @ self.items(others).transpose(1, 2) + self.offsets(others).transpose(1, 2)
            return (torch.logsumexp(torch.cat([own, rest], -1), -1) - own[..., 0]).mean()

    def rate(optimizer, sparse):
        torch.manual_seed(1)
        model = Model(sparse)
        step_of = getattr(torch.optim, optimizer)(model.parameters(), lr=1e-3)
        x = torch.randint(items, (given.batch, given.length + 1))

        def step():
            step_of.zero_grad()
            model(x[:, :-1], x[:, 1:], torch.randint(items, (given.batch, given.negatives))).backward()
            step_of.step()

        for _ in range(3):
            step()
        done, start = 0, time.process_time()
        while time.process_time() - start < given.seconds:
            step()
            done += 1
        return given.batch * done / (time.process_time() - start)

    # One user's step is one of plain SGD, with whichever gradient of the embeddings is the faster; a batch's is Adam's, as a server's.
    ways = [("SGD", False), ("SGD", True)] if given.batch == 1 else [("Adam", False)]
    best, way = max((rate(*way), way) for way in ways)
    return {"peer": f"torch {torch.__version__.split('+')[0]} {way[0]}{', sparse gradients' if way[1] else ''}", "value": best}


def als(given):
    import implicit
    import numpy as np
    import scipy.sparse
    from implicit.cpu.als import AlternatingLeastSquares

    pairs = np.fromfile(given.pairs, dtype="<i4")
    half = len(pairs) // 2
    matrix = scipy.sparse.csr_matrix(
        (np.ones(half, dtype=np.float32), (pairs[:half], pairs[half:])), shape=(given.users, given.items))
    model = AlternatingLeastSquares(
        factors=given.factors, iterations=given.iterations, dtype=np.float32, num_threads=1, random_state=1,
        use_cg=given.solver == "cg")
    start = time.process_time()
    model.fit(matrix, show_progress=False)
    return {"peer": f"implicit {implicit.__version__} ({given.solver})", "value": time.process_time() - start}


def main():
    parser = argparse.ArgumentParser()
    kinds = parser.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("sasrec")
    for name, value in (("batch", 1), ("length", 50), ("negatives", 256), ("dimension", 64), ("catalogue", 3500)):
        one.add_argument(f"--{name}", type=int, default=value)
    one.add_argument("--seconds", type=float, default=1.0)
    two = kinds.add_parser("als")
    two.add_argument("--pairs", required=True)
    for name, value in (("users", None), ("items", None), ("factors", 56), ("iterations", 4)):
        two.add_argument(f"--{name}", type=int, default=value, required=value is None)
    two.add_argument("--solver", choices=("cg", "cholesky"), default="cg")
    given = parser.parse_args()
    print(json.dumps(sasrec(given) if given.kind == "sasrec" else als(given)))


if __name__ == "__main__":
    main()
