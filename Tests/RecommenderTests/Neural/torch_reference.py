#!/usr/bin/env python3
"""The encoders in PyTorch (float64), on parameters and inputs that both sides compute from sines.

`torch_reference.py` prints the table of NeuralTorchTests.swift: for each encoder the projection of the output, of the input's
gradient and of every slice's gradient onto fixed directions. How long a step takes there is what scripts/training-peers.py measures.
"""
import math
import torch
import torch.nn.functional as F

torch.set_num_threads(1)


class Slices:
    def __init__(self):
        self.count, self.items = 0, []

    def __call__(self, name, *shape):
        n = math.prod(shape)
        values = 0.3 * torch.sin(1.37 * torch.arange(self.count, self.count + n, dtype=torch.float64))
        tensor = values.float().double().reshape(shape).requires_grad_()
        self.items.append((name, tensor))
        self.count += n
        return tensor


def linear(s, name, inputs, outputs):
    w, b = s(name + "-weight", inputs, outputs), s(name + "-bias", outputs)
    return lambda x: F.linear(x, w.T, b)


def norm(s, name, d):
    scale, shift = s(name + "-scale", d), s(name + "-shift", d)
    return lambda x: F.layer_norm(x, (d,), scale, shift, eps=1e-6)


def feed(s, name, inputs, hidden, outputs):
    first, second = linear(s, name + "-first", inputs, hidden), linear(s, name + "-second", hidden, outputs)
    return lambda x: second(F.relu(first(x)))


def attention(s, name, d, heads):
    project, out = linear(s, name + "-projection", d, 3 * d), linear(s, name + "-output", d, d)

    def run(x):
        q, k, v = (part.reshape(len(x), heads, d // heads).transpose(0, 1) for part in project(x).split(d, dim=1))
        y = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]
        return out(y.transpose(0, 1).reshape(len(x), d))

    return run


def transformer(s, d, window, blocks, heads):
    positions = s("positions", window, d)
    stack = []
    for i in range(blocks):
        n = f"block-{i}-"
        stack.append((norm(s, n + "attention-norm", d), attention(s, n + "attention", d, heads),
                      norm(s, n + "feed-norm", d), feed(s, n + "feed", d, d, d)))
    last = norm(s, "last-norm", d)

    def run(x):
        x = math.sqrt(d) * x + positions[window - len(x):]
        for first, attend, second, ffn in stack:
            x = x + attend(first(x))
            x = x + ffn(second(x))
        return last(x)

    return run


def recurrent(s, d, hidden):
    wi, bi = s("recurrent-input-weight", d, 3 * hidden), s("recurrent-input-bias", 3 * hidden)
    wh, bh = s("recurrent-recurrent-weight", hidden, 3 * hidden), s("recurrent-recurrent-bias", 3 * hidden)
    out = linear(s, "output", hidden, d)

    def run(x):
        unit = torch.nn.GRU(d, hidden, dtype=torch.float64)
        h = torch.func.functional_call(unit, {
            "weight_ih_l0": wi.T, "weight_hh_l0": wh.T, "bias_ih_l0": bi, "bias_hh_l0": bh}, (math.sqrt(d) * x,))[0]
        return out(h)

    return run


def decaying_mean(x, half_life):
    factor = 1 if math.isinf(half_life) else 0.5 ** (1 / half_life)
    age = torch.arange(len(x))[:, None] - torch.arange(len(x))[None, :]
    weights = torch.where(age >= 0, torch.tensor(factor, dtype=torch.float64) ** age.clamp(min=0), 0.0)
    return weights / weights.sum(1, keepdim=True) @ x


def convolution(s, d, width, horizontal, vertical):
    weights, bias = s("convolution-horizontal", width * (width + 1) // 2 * d, horizontal), s("convolution-horizontal-bias", width, horizontal)
    columns = s("convolution-vertical", vertical, width)
    dense = linear(s, "dense", width * horizontal + vertical * d, d)
    general, out = linear(s, "general", d, d), linear(s, "output", d, d)

    def run(x):
        x = math.sqrt(d) * x
        padded = torch.cat([torch.zeros(width - 1, d, dtype=torch.float64), x])
        windows = torch.stack([padded[t:t + width] for t in range(len(x))])[:, None]  # length, 1, width, d
        parts = []
        for k in range(1, width + 1):
            start = k * (k - 1) // 2 * d
            kernel = weights[start:start + k * d].T.reshape(horizontal, 1, k, d)
            parts.append(F.relu(F.conv2d(windows, kernel, bias[k - 1]))[..., 0].amax(dim=2))
        parts.append(F.conv2d(windows, columns.reshape(vertical, 1, width, 1))[:, :, 0].flatten(1))
        return out(F.relu(dense(torch.cat(parts, dim=1)))) + general(decaying_mean(x, math.inf))

    return run


def pooled(s, d, hidden, half_lives):
    tower, dense = linear(s, "user-linear", len(half_lives) * d, d), feed(s, "user-dense", len(half_lives) * d, hidden, d)

    def run(x):
        means = torch.cat([decaying_mean(math.sqrt(d) * x, h) for h in half_lives], dim=1)
        return tower(means) + dense(means)

    return run


def pairs(s, d, inputs, first):
    """NeuMF's scores of every state with every item: h . e over the first entries, and a perceptron over the last of both."""
    user, item, bias = s("tower-user-weight", inputs, first), s("tower-item-weight", inputs, first), s("tower-first-bias", first)
    second, second_bias = s("tower-second-weight", first, first // 2), s("tower-second-bias", first // 2)
    output = s("tower-output-weight", first // 2)
    layers = torch.cat([user, item])  # one layer over [p; q], as in the paper

    def run(states, items):
        p, q = states[:, d - inputs:], math.sqrt(d) * items[:, d - inputs:]
        both = torch.cat([p[:, None].expand(-1, len(q), -1), q[None].expand(len(p), -1, -1)], dim=2)
        hidden = F.relu(F.relu(both @ layers + bias) @ second + second_bias)
        return states[:, :d - inputs] @ items[:, :d - inputs].T + hidden @ output

    return run


def pair_table():
    """Cross entropies of five positions against four negatives, raised by 1.3, under the scores of `pairs`."""
    s, d, length, rows = Slices(), 6, 5, 9
    score = pairs(s, d, 2, 8)

    def waves(n, step, phase):
        return torch.sin(step * torch.arange(n, dtype=torch.float64) + phase).float().double()

    states = waves(length * d, 0.91, math.pi / 2).reshape(length, d).requires_grad_()
    items, bias = waves(rows * d, 0.77, 0.3).reshape(rows, d).requires_grad_(), waves(rows, 0.5, 0).requires_grad_()
    targets, weights = torch.tensor([0, 3, 1, 3, 4]), torch.tensor([0.5, 1, 0.25, 0, 0.75], dtype=torch.float64)
    scores = score(states, items) + bias
    own = scores.gather(1, targets[:, None])
    loss = (weights * (torch.logsumexp(torch.cat([own, scores[:, 5:] + 1.3], 1), 1) - own[:, 0])).sum()
    loss.backward()
    return [("loss", float(loss.detach())), ("states", states), ("items", items), ("item-offsets", bias)] + s.items


def table():
    cases = [("sasrec", 7, 8, lambda s: transformer(s, 8, 10, 2, 2)), ("gru", 9, 6, lambda s: recurrent(s, 6, 5)),
             ("cnn", 8, 6, lambda s: convolution(s, 6, 4, 3, 2)), ("two-tower", 9, 6, lambda s: pooled(s, 6, 7, [2, 10, math.inf]))]
    for name, length, d, make in cases:
        s = Slices()
        run = make(s)
        n = torch.arange(length * d, dtype=torch.float64)
        x = torch.cos(0.91 * n).float().double().reshape(length, d).requires_grad_()
        y = run(x)
        (torch.sin(0.53 * n + 1).float().double().reshape(length, d) * y).sum().backward()

        def project(t):
            v = t.flatten()
            return float((v * torch.sin(2.1 * torch.arange(len(v), dtype=torch.float64) + 0.2)).sum())

        rows = [("output", project(y.detach())), ("input", project(x.grad))] + [(k, project(t.grad)) for k, t in s.items]
        print(f'    "{name}": [')
        print(",\n".join(f'      ("{k}", {v:.9g})' for k, v in rows) + ",")
        print("    ],")
    print('    "ncf": [')
    rows = [(k, v if isinstance(v, float) else project(v.grad)) for k, v in pair_table()]
    print(",\n".join(f'      ("{k}", {v:.9g})' for k, v in rows) + ",")
    print("    ],")


table()
