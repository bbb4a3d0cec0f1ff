"""A baseline to time against: a training step as the published loops of SiamMAE's kind take it.

Written from the papers' descriptions, not from their code. The frames arrive as normalised floats.
Each frame passes the encoder on its own. Patches are shuffled, the first are kept, and the decoder
gets visible and mask tokens in the frame's order. Its layers are post-norm, of PyTorch's own
multi-head attention, with dropout. Head and loss go over all patches, of which the visible ones are
multiplied by zero. The loop is eager, in fp16 with a scaled loss on CUDA and in fp32 elsewhere; it
reads the loss in every step, waits for the device, and its AdamW is not fused.
"""

import math

import torch
from timm.layers import PatchEmbed
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from siammae.config.schema import Encoder, Transformer
from siammae.model.layers import sincos_positions
from siammae.model.patches import patchify

DROPOUT = 0.1  # of the decoder
BETAS, DECAY, RATE = (0.9, 0.95), 0.05, 1.5e-4


class PublishedModel(nn.Module):
    """Restores the hidden patches of a future frame from a past frame.

    Args:
        image_size: side of the frames in pixels.
        encoder, decoder: their sizes; of the decoder width, depth and heads alone.
        ratio: share of the future frame's patches that is hidden.
    """

    def __init__(self, image_size: int, encoder: Encoder, decoder: Transformer, ratio: float):
        super().__init__()
        self.patch_size, self.ratio = encoder.patch_size, ratio
        side = image_size // encoder.patch_size
        self.patch_embed = PatchEmbed(image_size, encoder.patch_size, 3, encoder.width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, encoder.width))
        self.blocks = nn.ModuleList(
            Block(encoder.width, encoder.heads, qkv_bias=True) for _ in range(encoder.depth)
        )
        self.norm = nn.LayerNorm(encoder.width)
        self.embed = nn.Linear(encoder.width, decoder.width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder.width))
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(
                decoder.width,
                decoder.heads,
                4 * decoder.width,
                DROPOUT,
                activation="gelu",
                batch_first=True,
            )
            for _ in range(decoder.depth)
        )
        self.decoder_norm = nn.LayerNorm(decoder.width)
        self.pixels = nn.Linear(decoder.width, 3 * encoder.patch_size**2)
        self.register_buffer("places", sincos_positions((side, side), encoder.width))
        self.register_buffer("decoder_places", sincos_positions((side, side), decoder.width))

    places: Tensor
    decoder_places: Tensor

    def forward(self, past: Tensor, future: Tensor) -> Tensor:
        """Return the loss of normalised frames (B, 3, S, S)."""
        tokens = self.patch_embed(future) + self.places[:, 1:]
        batch, count, width = tokens.shape
        kept = int(count * (1 - self.ratio))
        shuffled = torch.rand(batch, count, device=tokens.device).argsort(dim=1)
        restored = shuffled.argsort(dim=1)
        chosen = shuffled[:, :kept].unsqueeze(-1).expand(-1, -1, width)
        seen = self.encode(tokens.gather(1, chosen))
        memory = self.encode(self.patch_embed(past) + self.places[:, 1:])
        predicted = self.decode(seen, memory, restored)
        hidden = torch.ones(batch, count, device=tokens.device)
        hidden[:, :kept] = 0
        hidden = hidden.gather(1, restored)
        target = patchify(future, self.patch_size)
        mean = target.mean(dim=-1, keepdim=True)
        target = (target - mean) / (target.var(dim=-1, keepdim=True) + 1e-6) ** 0.5
        error = ((predicted - target) ** 2).mean(dim=-1)
        return (error * hidden).sum() / hidden.sum()

    def encode(self, tokens: Tensor) -> Tensor:
        """Run tokens (B, V, D) with a CLS token before them through all blocks."""
        cls = (self.cls_token + self.places[:, :1]).expand(tokens.shape[0], -1, -1)
        tokens = torch.cat([cls, tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)

    def decode(self, seen: Tensor, memory: Tensor, restored: Tensor) -> Tensor:
        """Predict all N patches (B, N, P) from the frames' tokens, (B, 1 + V or N, D)."""
        tokens, memory = self.embed(seen), self.embed(memory) + self.decoder_places
        missing = restored.shape[1] + 1 - tokens.shape[1]
        masks = self.mask_token.repeat(tokens.shape[0], missing, 1)
        patches = torch.cat([tokens[:, 1:], masks], dim=1)
        places = restored.unsqueeze(-1).expand(-1, -1, tokens.shape[2])
        tokens = torch.cat([tokens[:, :1], patches.gather(1, places)], dim=1)
        tokens = tokens + self.decoder_places
        for layer in self.layers:
            tokens = layer(tokens, memory)
        return self.pixels(self.decoder_norm(tokens)[:, 1:])


class PublishedLoop:
    """The loop around the model.

    Args:
        model: on its device, in training mode.
        device: where it trains.
        half: compute in half precision: fp16 on CUDA, as published; bf16 on CPUs, which is not.
    """

    def __init__(self, model: PublishedModel, device: torch.device, half: bool):
        self.model, self.device, self.half = model, device, half
        self.dtype = torch.float16 if device.type == "cuda" else torch.bfloat16
        self.scaler = torch.amp.GradScaler(device.type, enabled=half and device.type == "cuda")
        self.optimiser = torch.optim.AdamW(model.parameters(), RATE, BETAS, weight_decay=DECAY)

    def step(self, past: Tensor, future: Tensor) -> float:
        """Take a step with frames (B, 3, S, S), normalised floats on the host; return the loss."""
        past, future = (each.to(self.device, non_blocking=True) for each in (past, future))
        with torch.autocast(self.device.type, self.dtype, enabled=self.half):
            loss = self.model(past, future)
        value = loss.item()
        if not math.isfinite(value):
            raise ValueError(f"the baseline's loss is {value}")
        self.optimiser.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return value
