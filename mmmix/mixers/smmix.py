"""SMMix."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core import Built, Guide, Mix, RatiolessMixer, TokenGuidedMixer
from ..core.fields import again, number, settled, span, text
from ..guides import Attention
from ..ops.boxes import Box, box_mask, box_sums, centred
from ..ops.cells import pixels_to_cells
from ..ops.devices import without_autocast
from ..ops.draws import random_index
from ..ops.resample import resample
from ..probes.modules import block_width, extra_tokens, last_tensor, module_at, recorded, token_grid


class SMMix(RatiolessMixer, TokenGuidedMixer, first=('patch_size',)):
    r"""SMMix: the most attended window of the partner replaces the least attended window of the own image.

    `SMMix: Self-Motivated Image Mixing for Vision Transformers <https://arxiv.org/abs/2212.12977>`_. The windows have
    ``k x k`` tokens, ``k`` uniform between ``window`` times the shorter side of the grid; the labels follow the area.
    Two losses come along: a linear layer of its own classifies the mean of the own and of the partner's tokens behind
    the last block (half of each cross entropy, with smoothed labels), and the prediction of the mixed image is drawn
    (Kullback-Leibler) to the softmax of the mixed logits of the clean images. Attention and clean logits are from one
    clean pass. It needs :class:`mmmix.MixClassifier` and a network whose attention :class:`Attention` can read. Its
    authors train without random erasing.

    Windows are found on the grid of the guide, as the authors do, where it is that of the tokens; another one, as that
    of a Swin's last stage, is brought to the tokens by cells: a token takes the mean of the guide's cells in it.

    Deviations from the authors' code: partners are a random permutation (theirs reverses the batch); with
    ``lam_mode='elem'`` each image has its own ``k``; any grid.

    Example:
        >>> from mmmix import SMMix
        >>> model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=[dict(type='mmmix.SMMix', patch_size=16)]))
        >>> SMMix().guide
        Attention(at=None, of='patches')
    """

    window: tuple[float, float] = span(
        default=(0.25, 0.75),
        least=0,
        most=1,
        doc='Range of the side of the window, as a share of the shorter side of the grid, rounded down.',
    )
    guide: Built[Guide] = again(
        default=None, stands_for=lambda: Attention(of='patches'), none="``Attention(of='patches')``"
    )
    token_weight: float = number(default=1.0, least=0, doc='Weight of the token losses, 0 for none.')
    token_smoothing: float = number(
        default=0.1, least=0, below=1, doc='How much of the labels of the token losses is spread over all classes.'
    )
    consistency_weight: float = number(default=1.0, least=0, doc='Weight of the consistency loss, 0 for none.')
    tokens: str = text(
        default='backbone.ln1',
        what='the path of a module',
        doc="Path of the module that gives the last tokens: ``'backbone.ln1'`` (ViT), ``'backbone.norm3'`` (Swin), "
        "``'backbone.norm_after_stage3'`` (PCPVT, SVT).",
    )
    # Its windows are found in images, and its losses tell apart the tokens of two images.
    at: tuple[str, ...] = settled(default=('',))

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The own mask without the least attended window, and partners whose most attended window was moved there."""
        height, width = own.shape[-2:]
        rows, columns = self.grid_of(own)
        low, high = (max(1, int(side * min(rows, columns))) for side in self.window)
        count = 1 if self.lam_mode == 'batch' else len(own)
        side = (low + random_index(high - low + 1, count, own.device)).expand(len(own)) * (share < 1)

        mine, theirs = (pixels_to_cells(maps, rows, columns) for maps in self.both_importances(own, other))
        hole = window_of(mine, side, most=False)
        patch = window_of(theirs, side, most=True)
        # Windows of tokens become boxes of pixels; of sides that no patch divides, the last tokens are larger.
        hole, patch = (in_pixels(box, rows, columns, height, width) for box in (hole, patch))
        return box_mask(hole, height, width), resample(other, patch, hole, 'nearest')

    @property
    def learns(self) -> str | None:
        """The name under which the classifier keeps the linear layer of the token losses."""
        return 'smmix' if self.token_weight or self.consistency_weight else None

    def build_learned(self, model: Any) -> nn.Module:
        """The linear layer. It draws its weights on the side: the network starts as it would without it."""
        if not self.token_weight:
            return nn.Identity()
        with torch.random.fork_rng(devices=[]):
            return nn.Linear(block_width(model, self.tokens), model.num_classes)

    def check_model(self, model: Any) -> None:
        """Refuse a network without the tokens that are asked for."""
        if self.token_weight:
            module_at(model, self.tokens)

    @contextmanager
    def listen(self, model: Any) -> Iterator[Callable[[Mix, Tensor], dict[str, Tensor]]]:
        """Listen to the last tokens while the mixed images go through the network; see :meth:`Part.listen`."""
        with recorded(module_at(model, self.tokens) if self.token_weight else model.head) as heard:

            def losses(mix: Mix, logits: Tensor) -> dict[str, Tensor]:
                mine = model.mixer is self and mix.mixed
                found = {}
                if self.token_weight:
                    linear = model.learned[self.learns]
                    found['loss_tokens'] = (
                        self.token_weight
                        * token_loss(linear, heard[-1], mix, self.token_smoothing, extra_tokens(model))
                        if mine
                        else 0 * sum(p.sum() for p in linear.parameters())
                    )
                if self.consistency_weight and mine:
                    clean = model.clean_pass(of_pool=True).logits.detach()
                    found['loss_consistency'] = self.consistency_weight * consistency_loss(logits, clean, mix)
                return found

            yield losses


def window_of(importance: Tensor, side: Tensor, most: bool) -> Box:
    """The window of ``side x side`` cells with the most, or the least, importance in ``(N, 1, rows, columns)``."""
    sums, fits = box_sums(importance, side, side)
    worst = -float('inf') if most else float('inf')
    sums = torch.where(fits, sums, worst).flatten(1)
    place = sums.argmax(1) if most else sums.argmin(1)
    columns = importance.shape[-1]
    return centred(torch.div(place, columns, rounding_mode='floor'), place % columns, side, side)


def in_pixels(box: Box, rows: int, columns: int, height: int, width: int) -> Box:
    """The same box in pixels: cell ``i`` of ``rows`` begins at pixel ``ceil(i * height / rows)``."""
    top, bottom, left, right = box
    down, across = (lambda cell: -(-cell * height // rows)), (lambda cell: -(-cell * width // columns))
    return down(top), down(bottom), across(left), across(right)


def token_loss(linear: nn.Module, output: Any, mix: Mix, smoothing: float = 0.0, in_front: int | None = None) -> Tensor:
    """Half the cross entropy of the mean own token with the own label, half that of the partner's with its label.

    Args:
        linear (nn.Module): Classifies a token.
        output (Any): What holds the tokens ``(N, L, C)``.
        mix (Mix): How the images were mixed. An image that has no tokens of one of the two adds nothing there.
        smoothing (float): How much of the labels is spread over all classes. Defaults to 0.0.
        in_front (int, optional): How many tokens the network says come before the patches. Defaults to None.
    """
    tokens = last_tensor(output, lambda tensor: tensor.ndim == 3)
    extra, rows, columns = token_grid(tokens.shape[1], *mix.images.shape[2:], in_front)
    own = F.adaptive_avg_pool2d(mix.mask, (rows, columns)).flatten(1)
    total = tokens.new_zeros((), dtype=torch.float32)
    labels = mix.pool_scores[: len(own)], mix.pool_scores.index_select(0, mix.partner)
    for weight, scores in zip((own, 1 - own), labels, strict=True):
        amount = weight.sum(1, keepdim=True)
        mean = torch.einsum('nl,nlc->nc', weight.to(tokens.dtype), tokens[:, extra:]) / amount.clamp(min=1e-6)
        rated = linear(mean.to(tokens.dtype)).float()
        loss = F.cross_entropy(rated, scores.float(), reduction='none', label_smoothing=smoothing)
        total = total + torch.where(amount[:, 0] > 0, loss, 0.0).mean() / 2
    return total


def consistency_loss(logits: Tensor, clean: Tensor, mix: Mix) -> Tensor:
    """How far the prediction of the mixed images is from the softmax of the clean images' mixed logits."""
    with without_autocast(logits):
        lam = mix.mask.mean((1, 2, 3))[:, None]
        clean = clean.float()
        target = torch.lerp(clean.index_select(0, mix.partner), clean[: len(lam)], lam).softmax(1)
        return F.kl_div(logits.float().log_softmax(1), target, reduction='batchmean')
