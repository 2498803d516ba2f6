"""AutoMix."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core import Mix, Mixer
from ..core.fields import again, choice, flag, number, settled, span, state, text
from ..core.host import host
from ..core.scene import Scene
from ..learned import MaskLearner, MixBlock
from ..ops.draws import permutation
from ..ops.masks import with_mean
from ..probes.modules import place_width, pre_logits_width


class AutoMix(Mixer, first=('alpha',)):
    r"""AutoMix: a small block, trained along with the network, draws the mask from the features of both images.

    `AutoMix: Unveiling the Power of Mixup for Stronger Classifiers <https://arxiv.org/abs/2103.13027>`_. A teacher, the
    moving average of the network, looks at the clean images; :class:`MixBlock` makes masks of what it sees and of the
    drawn share. Each step has two draws of shares and partners. With the first one the network trains: its mask carries
    no gradient, and is flat (Mixup) where the smaller share is at most ``lam_margin``. With the second one, whose
    partners are of the batch, the block trains: on the teacher's cross entropy of those mixed images (``loss_block``;
    the teacher takes no gradient, it passes it on to the pixels), and on ``mask_weight`` times the mean of
    ``max(|mean of the mask - lam| - mask_slack, 0)`` (``loss_mask``). The network also trains on the clean images
    (``loss_clean``). So the block's draw has no part in the network's gradient, nor the network's in the block's.

    All that is learned is ``learned.automix``: ``teacher``, ``block`` and ``clean_head``. In a checkpoint ``backbone``,
    ``neck`` and ``head`` are the student's, and a plain classifier ignores the rest; :class:`mmmix.TeacherHook` has the
    teacher evaluated, and saved under those names. The teacher's momentum is the lower one of ``momentum`` for the
    first tenth of training and then rises by a cosine to the upper one; progress is MMEngine's, and in a loop of your
    own that of ``mixer.progress``, 0 until you set it.

    The label share is the drawn one, as the authors'; ``labels=dict(type='mmmix.Area')`` is the mean of the mask.

    Cost of a step, where plain training is one pass forward and one backward: the student 2 and 2, the teacher 2
    forward and 1 backward to the pixels.

    Deviations from the authors' code: on CIFAR and Tiny-ImageNet their block never sees the share, so that masks for
    0.1 and 0.9 are the same while labels differ, and a mask is rescaled to the share of the other draw
    (``as_released=True`` does both); here it always sees it, in query, key and value as in the paper, and each draw
    has its own. The clean head is one linear layer and has no copy in the teacher. The first step's teacher is the
    student of that moment, loaded weights included. Any height and width; ``lam_mode='elem'``; any partners.

    Raises:
        TypeError: If an argument is unknown, or the model does not train what a part learns.
        ValueError: If an argument is out of range, the network has no such feature map, or the head wants the clean
            images without a graph.
        RuntimeError: If there is no :class:`mmmix.MixClassifier`.

    Example:
        >>> from mmmix import AutoMix
        >>> augments = dict(type='mmmix.AutoMix', alpha=2.0, features='backbone.stages.2')  # of a Swin
        >>> model = dict(type='mmmix.MixClassifier', train_cfg=dict(augments=augments))
        >>> AutoMix().features
        'backbone.layer3'
    """

    needs_model = True
    alpha: float = again(default=2.0)
    at: tuple[str, ...] = settled(default=('',))
    features: str = text(
        default='backbone.layer3',
        what='the path of a module',
        doc='Path of the module whose output the block sees, a map or tokens. The default is the third of the four '
        "stages of a ResNet or ResNeXt; of a ViT ``'backbone.layers.5'``, of a Swin ``'backbone.stages.2'``.",
    )
    lam_margin: float = number(
        default=0.08, least=0, most=0.5, doc="Where the smaller share is at most this, the student's mask is flat."
    )
    upsample: str = choice('nearest', 'bilinear', default='nearest', doc='How the mask comes to the size of images.')
    mask_weight: float = number(default=0.1, least=0, doc='Weight of the loss on the mean of the mask.')
    mask_slack: float = number(default=0.1, least=0, doc='So far off the share the mean of a mask may be for nothing.')
    mask_decay: bool = flag(
        default=False,
        doc='Whether ``mask_weight`` falls to 0 by a cosine over the run, as the authors have it on ImageNet and CUB.',
    )
    mask_adjust: float = number(
        default=0.0,
        least=0,
        most=1,
        doc="Chance, tossed for each batch, that the student's masks are rescaled so that their means are the shares.",
    )
    momentum: tuple[float, float] = span(
        default=(0.999, 0.999999),
        least=0,
        most=1,
        like=(0.999, 0.99999),
        doc='How much of itself the teacher keeps in a step, at the beginning and in the end; on ImageNet the authors '
        'end at 0.99999.',
    )
    clean_head: bool = flag(
        default=True,
        doc="Whether clean images have a linear layer of their own, as the authors'; else the network's head.",
    )
    as_released: bool = flag(
        default=False,
        doc="Whether the faults of the authors' code stay: a block that does not see the share, and masks rescaled to "
        'the share of the other draw.',
    )
    #: How much of the run is done, from 0 to 1, for loops that are not MMEngine's.
    progress: float | None = state()
    #: The teacher's features of the batch in hand, and of its partners where those are no rows of it.
    _seen: Tensor | None = state()
    _seen_partners: Tensor | None = state()
    #: The shares of the draw that trains the block; None until it is made.
    _block_share: Tensor | None = state()

    # ----------------------------------------------------------------------------------------------- the student's draw

    def meet(self, images: Tensor, scores: Tensor) -> Scene | None:
        """Who meets whom, and what the teacher makes of them; see :meth:`Mixer.meet`."""
        self.require_model()
        scene = super().meet(images, scores)
        self._seen = self._seen_partners = self._block_share = None
        if scene is None:
            return None
        if scene.pool is scene.own:
            self._seen = self.look(images)
            self._seen_partners = self._seen.index_select(0, scene.partner)
        else:
            both = torch.cat([images, scene.pool.index_select(0, scene.partner)])
            self._seen, self._seen_partners = self.look(both).chunk(2)
        return scene

    def look(self, images: Tensor) -> Tensor:
        """What the block sees of images, ``(N, C, h, w)``."""
        return self.learner().look(images)

    def draw(self, own: Tensor, other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The masks that the block makes of both images; flat where one of the shares is small."""
        seen, seen_partners = self._seen, self._seen_partners
        assert seen is not None, 'meet() comes first'
        assert seen_partners is not None
        with torch.no_grad():
            mask = self.learner().block(seen, seen_partners, share, own.shape[-2:])
        if self.mask_adjust and bool(torch.rand(()) < self.mask_adjust):
            mask = with_mean(mask, self.block_share(own) if self.as_released else share)
        flat = torch.minimum(share, 1 - share) <= self.lam_margin
        if self.labels is None:
            self.tell_shares(share, 1 - share)
        return torch.where(flat[:, None, None, None], share[:, None, None, None], mask), other

    # ------------------------------------------------------------------------------------------- what is learned beside

    @property
    def learns(self) -> str | None:
        """The name under which the classifier keeps teacher, block and clean head."""
        return type(self).__name__.lower()

    def learner(self) -> MaskLearner:
        """What this mixer learns, in the model."""
        learner: MaskLearner = self.require_model().learned[self.learns]
        return learner

    def bind(self, model: Any) -> None:
        """Look at ``model``; see :meth:`Part.bind`. It must train what a part learns."""
        if not hasattr(model, 'learned'):
            raise TypeError(
                f'{type(self).__name__}: {type(model).__name__} trains nothing beside the network: use '
                "type='mmmix.MixClassifier'."
            )
        super().bind(model)

    def check_model(self, model: Any) -> None:
        """Refuse a network without the features that are asked for, and a head that wants no graph of clean images."""
        name = type(self).__name__
        if self.features.split('.')[0] != 'backbone':
            raise ValueError(f"{name}: `features` must be in the backbone, e.g. 'backbone.layer3': {self.features!r}.")
        try:
            place_width(model, self.features)
        except ValueError as error:
            raise ValueError(f'{name}: no map or tokens at features={self.features!r}: {error}') from None
        if getattr(model.head, 'clean_pass', None) not in (None, 'train'):
            raise ValueError(
                f'{name} trains on the clean images, which {type(model.head).__name__} wants without a graph: set '
                "clean_pass='train' in the head."
            )

    def build_learned(self, model: Any) -> nn.Module:
        """Teacher, block and clean head. They draw weights on the side: the network starts as it would without them."""
        with torch.random.fork_rng(devices=[]):
            block = self.build_block(place_width(model, self.features))
            width = pre_logits_width(model) if self.clean_head else None
            return MaskLearner(model, block, self.features, width)

    def build_block(self, width: int) -> nn.Module:
        """The block, for features of so many channels."""
        return MixBlock(width, sees_lam=not self.as_released, upsample=self.upsample)

    @property
    def clean_pass(self) -> str | None:
        """The mode of the clean pass of a step with this mixer."""
        return 'train'

    def begin_step(self, model: Any) -> None:
        """Let the teacher follow to where the last step left the student; see :meth:`Part.begin_step`."""
        self.learner().teacher.follow(model, self.momentum_now())

    def done(self) -> float:
        """How much of the run is done, from 0 to 1."""
        told = self.progress if self.progress is not None else host().progress()
        return min(1.0, told or 0.0)

    def momentum_now(self) -> float:
        """The teacher's momentum at this moment."""
        start, end = self.momentum
        done = self.done()
        return start if done <= 0.1 else end - (end - start) * (math.cos(math.pi * done) + 1) / 2

    def mask_weight_now(self) -> float:
        """The weight of the loss on the mask at this moment."""
        return self.mask_weight * (math.cos(math.pi * self.done()) + 1) / 2 if self.mask_decay else self.mask_weight

    # ------------------------------------------------------------------------------------------------- the block's draw

    @contextmanager
    def listen(self, model: Any) -> Iterator[Callable[[Mix, Tensor], dict[str, Tensor]]]:
        """Add the losses of the clean images and of the block to a step of this mixer; see :meth:`Part.listen`."""

        def losses(mix: Mix, logits: Tensor) -> dict[str, Tensor]:
            mixer = model.mixer
            if not isinstance(mixer, AutoMix) or mixer.learns != self.learns or not mix.mixed:
                return {'loss_block': model.learned[self.learns].nothing(logits)}
            n = len(mix.partner)
            images, scores = mix.pool[:n], mix.pool_scores[:n].float()
            # The network's own losses come first: what the block draws is drawn behind them.
            return {'loss_clean': mixer.clean_loss(model, mix), **mixer.block_losses(images, scores)}

        yield losses

    def block_share(self, images: Tensor) -> Tensor:
        """The own shares ``(N,)`` of the block's draw, drawn when they are first asked for."""
        if self._block_share is None:
            few = self.lam_mode == 'batch'
            device = torch.device('cpu') if few else images.device
            self._block_share = self.spread(self.sample_share(1 if few else len(images), device), images)
        return self._block_share

    def clean_loss(self, model: Any, mix: Mix) -> Tensor:
        """The student's cross entropy of the clean images.

        Args:
            model (MixClassifier): The classifier.
            mix (Mix): The mixed batch.
        """
        n = len(mix.partner)
        clean, head = model.clean_pass(), self.learner().clean_head
        logits = clean.logits if head is None else head(clean.features)
        return F.cross_entropy(logits[:n].float(), mix.pool_scores[:n].float())

    def block_losses(self, images: Tensor, scores: Tensor) -> dict[str, Tensor]:
        """The losses that train the block, on a draw of its own: the teacher's of what it mixes, and its mask's.

        Args:
            images (Tensor): ``(N, C, H, W)`` clean images of the batch.
            scores (Tensor): ``(N, K)`` their labels, float32.
        """
        assert self._seen is not None, 'meet() comes first'
        learner, share = self.learner(), self.block_share(images)
        partner = permutation(len(images), images.device)
        mask = learner.block(self._seen, self._seen.index_select(0, partner), share, images.shape[-2:])
        mixed = torch.lerp(images.index_select(0, partner).float(), images.float(), mask)
        logits = learner.teacher(mixed).float()
        label = torch.lerp(scores.index_select(0, partner), scores, share[:, None])
        self._seen = self._seen_partners = None
        return {
            'loss_block': F.cross_entropy(logits, label),
            'loss_mask': self.mask_weight_now() * self.mask_loss(mask, share),
        }

    def mask_loss(self, mask: Tensor, share: Tensor) -> Tensor:
        """How far the means of masks ``(N, 1, H, W)`` are off their shares ``(N,)``, beyond the slack."""
        return ((mask.mean((1, 2, 3)) - share).abs() - self.mask_slack).clamp(min=0).mean()
