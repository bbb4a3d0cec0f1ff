"""A layer of a decoder with cross-attention: its sub-layers, each with a norm and a residual."""

from collections.abc import Sequence

from timm.layers import LayerNorm
from torch import Tensor, nn

from siammae.model.layers import attend


class DecoderLayer(nn.Module):
    """One layer: residual sub-layers in a given order.

    Args:
        width: channels D.
        heads: attention heads.
        order: the sub-layers, of ``cross``, ``self`` and ``mlp``.
        norm: ``pre`` or ``post``, see `CrossDecoder`.
        dropout: probability for each sub-layer's output.
        mlp_ratio: hidden units of the MLP, as a multiple of ``width``.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        order: Sequence[str],
        norm: str,
        dropout: float,
        mlp_ratio: float = 4.0,
    ):
        super().__init__()
        if norm not in ("pre", "post"):
            raise ValueError(f"norm '{norm}' is neither 'pre' nor 'post'")
        if not mlp_ratio * width >= 1:
            raise ValueError(f"mlp_ratio {mlp_ratio} leaves no unit of {width} channels")
        self.pre = norm == "pre"
        kinds = {
            "cross": lambda: CrossAttention(width, heads),
            "self": lambda: SelfAttention(width, heads),
            "mlp": lambda: MLP(width, round(mlp_ratio * width)),
        }
        self.sublayers = nn.ModuleDict({name: kinds[name]() for name in order})
        self.norms = nn.ModuleDict({name: LayerNorm(width) for name in order})
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Tensor, key: Tensor | None = None, value: Tensor | None = None
    ) -> Tensor:
        """Run tokens (B, N, D); ``key`` and ``value`` are the past frame's, (B, heads, M, d).

        Without them the cross-attention is left out.
        """
        for name, sublayer in self.sublayers.items():
            if name == "cross" and key is None:
                continue
            norm = self.norms[name]
            if self.pre:
                tokens = tokens + self.dropout(sublayer(norm(tokens), key, value))
            else:
                tokens = norm(tokens + self.dropout(sublayer(tokens, key, value)))
        return tokens


class CrossAttention(nn.Module):
    """Attention of the future frame's tokens to keys and values of the past frame."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Map (B, N, D) to (B, N, D)."""
        query = self.query(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return self.out(attend(query, key, value).transpose(1, 2).flatten(2))


class SelfAttention(nn.Module):
    """Attention among the future frame's tokens; the past frame is not used."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Map (B, N, D) to (B, N, D)."""
        qkv = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.out(attend(*qkv.unbind(0)).transpose(1, 2).flatten(2))


class MLP(nn.Module):
    """Two linear layers with GELU and ``hidden`` units between them; each token alone."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, tokens: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Map (B, N, D) to (B, N, D)."""
        return self.layers(tokens)
