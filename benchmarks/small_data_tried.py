"""What was tried on the tuning images to make SUMix, HardMix and KeepAugment help: parts that are not in the package.

``small_data_log.md`` says what came of each. They run as all arms do:

    python benchmarks/small_data.py DATA --tuning --first-seed 100 --arms cutmix 'tried-*'
"""

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.logging import MessageHub
from mmpretrain.registry import MODELS, TASK_UTILS
from torch import Tensor

from mmmix import HardPool, SUMixHead
from mmmix.core import Built, Guide, Labels, Mix, Partners
from mmmix.core.fields import number, part


def progress() -> float:
    """The part of the training that is over, in [0, 1]."""
    hub = MessageHub.get_current_instance()
    return float(hub.get_info('iter', 0)) / float(hub.get_info('max_iters', 1))


@MODELS.register_module()
class TriedSUMixHead(SUMixHead):
    """SUMix with what the paper does not have.

    Args:
        trust (bool): Whether the learned share counts by how sure the network is of both clean images,
            ``p_own * p_partner``, and the area for the rest.
        begin (float): The part of the training after which shares are learned.
        blend (float): Weight of the learned share; the area has the rest.
        clean_loss (float): Weight of the cross entropy of the clean images, given ``clean_pass='train'``.
    """

    def __init__(
        self,
        *args: Any,
        trust: bool = False,
        begin: float = 0.0,
        blend: float = 1.0,
        clean_loss: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.trust, self.begin, self.blend, self.clean_loss = trust, begin, blend, clean_loss

    def _terms(
        self, logits: Tensor, uncertainty: Tensor, of_pool: Tensor, mix: Mix, clean: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        loss, loss_reg, learned = super()._terms(logits, uncertainty, of_pool, mix, clean)
        n, area = len(logits), mix.lam.to(learned.dtype)
        with torch.no_grad():
            weight: Any = self.blend * float(progress() >= self.begin)
            sure = clean.logits.softmax(1).gather(1, clean.labels[:, None]).squeeze(1)
            weight = weight * sure[:n] * sure[mix.partner] if self.trust else weight
            new = weight * learned + (1 - weight) * area
        if self.relabel:
            own = F.cross_entropy(logits, clean.labels[:n], reduction='none')
            theirs = F.cross_entropy(logits, clean.labels[mix.partner], reduction='none')
            loss = (new * own + (1 - new) * theirs).mean()
        if self.clean_loss:
            loss = loss + self.clean_loss * F.cross_entropy(clean.logits[:n], clean.labels[:n])
        return loss, loss_reg, new


@TASK_UTILS.register_module()
class TriedFreshHardPool(HardPool):
    """A pool whose images are flipped anew each time that they are drawn, from half of the batch at most.

    ``easy_own`` leaves hard samples of the batch with partners of the batch; ``grows`` lets ``prob`` grow from 0 with
    the training.
    """

    flip: float = number(default=0.5, least=0, most=1, doc='How many are flipped.')
    easy_own: float = number(default=0.0, least=0, most=1, doc='1 for hard partners of easy samples alone.')
    grows: float = number(default=0.0, least=0, most=1, doc='1 for a probability that grows with the training.')

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Choose partners; see :meth:`Partners.__call__`."""
        pool, pool_scores, partner = super().__call__(images, scores)
        n, table = len(images), self.require_model().hard_table
        if len(pool) == n:
            return pool, pool_scores, partner
        drawn = pool[n:]
        turned = torch.rand(len(drawn), 1, 1, 1) < self.flip
        pool = torch.cat([images, torch.where(turned, drawn.flip(3), drawn)]).contiguous(
            memory_format=torch.channels_last
        )
        back = torch.zeros(n, dtype=torch.bool)
        if self.easy_own:
            step = self.require_model()._step
            back |= table.is_hard([sample.sample_idx for sample in step.data_samples])
        if self.grows:
            back |= torch.rand(n) >= progress()
        return pool, pool_scores, torch.where(back, torch.randperm(n), partner)


@TASK_UTILS.register_module()
class TriedHardWithin(Partners):
    """Partners from the batch itself, drawn in proportion to ``floor`` plus their hardness: no stale pixels."""

    needs_model = True
    floor: float = number(default=0.2, above=0, doc='The weight of a sample that was never missed.')

    def __call__(self, images: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Choose partners; see :meth:`Partners.__call__`."""
        model = self.require_model()
        n = len(images)
        if not model.hard_table.active:
            return images, scores, torch.randperm(n)
        rows = torch.tensor([sample.sample_idx for sample in model._step.data_samples])
        weight = self.floor + model.hard_table.hardness()[rows]
        return images, scores, torch.multinomial(weight, n, replacement=True)


@TASK_UTILS.register_module()
class TriedSalientShare(Labels):
    """Label shares by the salience that is left of each image."""

    needs_model = True
    guide: Built[Guide] = part(Guide, like="guide=dict(type='mmmix.InputGradient')", doc='What is important.')
    blend: float = number(default=1.0, least=0, most=1, doc='Weight against the area.')

    def shares(self, mix: Mix) -> tuple[Tensor, Tensor]:
        """Salience under the mask; see :meth:`Labels.shares`."""
        maps = self.guide(mix.pool, mix.pool_scores).flatten(1)
        maps = maps / maps.sum(1, keepdim=True).clamp_min(1e-12)
        n = len(mix.lam)
        mask = mix.mask.expand(-1, 1, *mix.pool.shape[2:]).flatten(1)
        own = (mask * maps[:n]).sum(1)
        theirs = ((1 - mask) * maps[mix.partner]).sum(1)
        lam = torch.where(own + theirs > 0, own / (own + theirs), mix.lam)
        lam = self.blend * lam + (1 - self.blend) * mix.lam
        return lam, 1 - lam
