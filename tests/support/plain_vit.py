"""A vision transformer in plain float64 formulas: the reference of the methods' tests.

It shares no code with siammae.model. Weights come by name from a module's state, and gradients go
back to them, so that losses and gradients of a method can be compared with its paper's formulas.
"""

import math

import torch

Weights = dict[str, torch.Tensor]


def weights_of(module):
    """The module's parameters and buffers in float64; parameters collect gradients."""
    trained = {name for name, p in module.named_parameters() if p.requires_grad}
    state = {name: value.detach().double().clone() for name, value in module.state_dict().items()}
    return {name: value.requires_grad_(name in trained) for name, value in state.items()}


def part(weights: Weights, prefix: str) -> Weights:
    """Those of a submodule, without its name."""
    return {
        k.removeprefix(f"{prefix}."): v for k, v in weights.items() if k.startswith(f"{prefix}.")
    }


def linear(weights, name, x):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def layer_norm(weights, name, x, eps=1e-6):
    centred = x - x.mean(-1, keepdim=True)
    scale = (centred.square().mean(-1, keepdim=True) + eps).sqrt()
    return centred / scale * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def gelu(x):
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def attention(query, key, value, heads):
    """Multi-head attention of (B, N, D) to (B, M, D), head by head."""
    out, size = [], query.shape[-1] // heads
    for head in range(heads):
        own = slice(head * size, (head + 1) * size)
        scores = query[..., own] @ key[..., own].transpose(-1, -2) / math.sqrt(size)
        out.append(torch.softmax(scores, dim=-1) @ value[..., own])
    return torch.cat(out, dim=-1)


def block(weights, x, heads):
    """A pre-norm block of timm: self-attention, then MLP."""
    query, key, value = linear(weights, "attn.qkv", layer_norm(weights, "norm1", x)).chunk(
        3, dim=-1
    )
    x = x + linear(weights, "attn.proj", attention(query, key, value, heads))
    return x + linear(
        weights, "mlp.fc2", gelu(linear(weights, "mlp.fc1", layer_norm(weights, "norm2", x)))
    )


def blocks(weights, x, heads):
    depth = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))
    for number in range(depth):
        x = block(part(weights, f"blocks.{number}"), x, heads)
    return x


def patches_of(images, size):
    """(B, 3, H, W) as (B, N, 3, size, size), row by row."""
    _, _, height, width = images.shape
    found = [
        images[:, :, top : top + size, left : left + size]
        for top in range(0, height, size)
        for left in range(0, width, size)
    ]
    return torch.stack(found, dim=1)


def encode(weights, images, size, heads, visible=None):
    """Tokens (B, 1 + V, D) of the patches at ``visible`` (B, V), all by default, CLS first."""
    b = len(images)
    patches = patches_of(images, size)
    kernel = weights["patch_embed.proj.weight"]
    tokens = torch.einsum("bnchw,dchw->bnd", patches, kernel) + weights["patch_embed.proj.bias"]
    tokens = tokens + weights["pos_embed"][:, 1:]
    if visible is not None:
        tokens = torch.stack([tokens[i, visible[i]] for i in range(b)])
    cls = (weights["cls_token"] + weights["pos_embed"][:, :1]).expand(b, -1, -1)
    return layer_norm(weights, "norm", blocks(weights, torch.cat([cls, tokens], dim=1), heads))


def normalised(patches):
    """(B, H, P): each patch less its mean, over its unbiased deviation (He et al., 3)."""
    patches = patches.flatten(2)
    return (patches - patches.mean(-1, keepdim=True)) / (
        patches.var(-1, keepdim=True) + 1e-6
    ).sqrt()


def positions(side, width):
    """MAE's table (1 + side^2, width): sine, cosine of the column, then of the row; CLS: zeros."""
    rates = 10000.0 ** -(torch.arange(width // 4).double() / (width // 4))
    table = [torch.zeros(width).double()]
    for row in range(side):
        for column in range(side):
            angles = [column * rates, row * rates]
            table.append(torch.cat([f(a) for a in angles for f in (torch.sin, torch.cos)]))
    return torch.stack(table)


def full_set(decoder, encoded, mask, places):
    """Tokens (B, 1 + N, D) in the frame's own order: CLS, visible and mask tokens, with places."""
    seen = linear(decoder, "embed", encoded)
    rows = []
    for sample in range(len(encoded)):
        row = [decoder["mask_token"][0, 0]] * (len(places) - 1)
        for number, place in enumerate(mask.visible[sample].tolist()):
            row[place] = seen[sample, 1 + number]
        rows.append(torch.stack([seen[sample, 0], *row]) + places)
    return torch.stack(rows)


def cross_self(decoder, tokens, memory, heads):
    """Layers of cross-attention to ``memory``, if there is one, self-attention, MLP; pre-norm."""
    depth = 1 + max(int(name.split(".")[1]) for name in decoder if name.startswith("layers."))
    keys_values = ()
    if memory is not None:
        memory = linear(decoder, "memory_to_kv", layer_norm(decoder, "memory_norm", memory))
        keys_values = memory.chunk(2 * depth, dim=-1)
    for number in range(depth):
        layer = part(decoder, f"layers.{number}")
        if memory is not None:
            query = linear(layer, "sublayers.cross.query", layer_norm(layer, "norms.cross", tokens))
            found = attention(query, *keys_values[2 * number : 2 * number + 2], heads)
            tokens = tokens + linear(layer, "sublayers.cross.out", found)
        inner = linear(layer, "sublayers.self.qkv", layer_norm(layer, "norms.self", tokens))
        found = attention(*inner.chunk(3, dim=-1), heads)
        tokens = tokens + linear(layer, "sublayers.self.out", found)
        inner = linear(layer, "sublayers.mlp.layers.0", layer_norm(layer, "norms.mlp", tokens))
        tokens = tokens + linear(layer, "sublayers.mlp.layers.2", gelu(inner))
    return layer_norm(decoder, "norm", tokens)


def restoration_loss(pixels, images, size, hidden):
    """Mean squared error (He et al.) of pixels (B, N, P) at the ``hidden`` places (B, H)."""
    error = (pixels - normalised(patches_of(images, size))).square().mean(-1)
    return torch.stack([error[i, hidden[i]] for i in range(len(images))]).mean()


def assert_same_gradients(module, weights, rtol=1e-3, atol=1e-6):
    """Compare each parameter's gradient with the reference's, which may have left some out."""
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        wanted = weights[name].grad
        found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        wanted = torch.zeros_like(weights[name]) if wanted is None else wanted
        torch.testing.assert_close(
            found.double(), wanted, rtol=rtol, atol=atol, msg=lambda text, n=name: f"{n}: {text}"
        )
