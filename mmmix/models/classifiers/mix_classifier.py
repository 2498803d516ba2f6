"""The classifier that gives mixers everything they may want."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from mmpretrain.models import ImageClassifier
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ...core import Mix, Mixer
from ...probes.modules import check_scale
from ...registry import MODELS
from .clean_pass import CleanPass
from .coins import CommonCoins
from .freshness import mark_fresh, take_fresh
from .learners import Learned
from .listeners import listening
from .observer import observe, predictions
from .recipe import Recipe, adopt, own_configs
from .remembered import Remembered
from .sharded import refuse_own_group
from .step import Step
from .targets import check_tokens, classes_of, rated, recorded_logits, scores_of, soft_samples


@MODELS.register_module()
class MixClassifier(ImageClassifier):
    """``ImageClassifier`` for mixers that look at the model, and for heads that understand mixes.

    Backbones, necks, heads and ``train_cfg`` are mmpretrain's; only the ``type`` changes. The batch is mixed inside
    :meth:`loss` in place of the data preprocessor, so that guides can ask for gradients, partners for the identity of
    the samples, and heads for the :class:`mmmix.Mix`. A head with ``loss_mix(feats, mix, clean)`` is given the whole
    story, any other one the soft ``gt_score`` as usual. What the network thinks of the clean batch is computed at most
    once a step and shared. The checkpoint is a plain classifier's.

    Besides the losses it logs ``mix_acc`` (share-weighted accuracy on the mixed batch, percent), ``lam`` (mean share of
    the own label) and ``mixed`` (fraction of samples whose label was mixed).

    Args:
        backbone (dict): The backbone.
        neck (dict, optional): The neck. Defaults to None.
        head (dict): The head; it must know its number of classes, or the data preprocessor must.
        pretrained (str, optional): Checkpoint to start from. Defaults to None.
        train_cfg (dict, optional): ``augments``, a mixer or a list of them, and ``probs``, their probabilities (the
            rest up to 1 is no mixing; None chooses evenly), as in mmpretrain. Defaults to None.
        data_preprocessor (dict, optional): As in ``ImageClassifier``. Defaults to None.
        init_cfg (dict, optional): Initialization. Defaults to None.

    Raises:
        ValueError: If the number of classes is unknown or told twice and differently, if ``train_cfg`` has other keys,
            or if the head cannot take label shares, or what the backbone gives.

    Note:
        On several ranks, a clean pass in train mode under synchronised batch norms, and any pass of a sharded network,
        waits for all of them. So where the head or a part of a mixer looks at the model, all ranks draw alike which
        mixer runs, at which depth, and with ``lam_mode='batch'`` whether it mixes at all; ratios, places and partners
        stay each rank's own.

        Where nobody else wants the clean images, those that the data preprocessor made are mixed in place: call it
        again before each :meth:`loss`. A batch of your own is left as it is.

        ``SwitchRecipeHook`` and ``EMAHook`` work as with ``ImageClassifier``. The uncertainty layer of a SUMix head
        and what parts learn (``learned.*``) are all in a checkpoint that a plain classifier does not know; it ignores
        them.

    Example:
        >>> import torch
        >>> from mmpretrain.structures import DataSample
        >>> from mmmix import MixClassifier
        >>> keep = dict(type='mmmix.SelectiveCut', guide=dict(type='mmmix.InputGradient'))
        >>> model = MixClassifier(
        ...     backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18),
        ...     neck=dict(type='mmpretrain.GlobalAveragePooling'),
        ...     head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=512),
        ...     train_cfg=dict(augments=dict(type='mmmix.CutMix', keep=keep)),
        ... )
        >>> samples = [DataSample().set_gt_label(i) for i in range(4)]
        >>> sorted(model.loss(torch.rand(4, 3, 32, 32), samples))
        ['lam', 'loss', 'mix_acc', 'mixed']
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        pretrained: str | None = None,
        train_cfg: dict | None = None,
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ):
        super().__init__(backbone, neck, head, pretrained, *own_configs(train_cfg, data_preprocessor), init_cfg)
        self.num_classes = classes_of(self.head, self.data_preprocessor)
        check_tokens(self.backbone, self.head)
        #: The memory of hard samples, which ``HardSampleHook`` sets, and what it has not read yet: ``sample_idx`` and
        #: outcomes of a step.
        self.hard_table: Any = None
        self.observed: tuple[Sequence[int], Tensor] | None = None
        #: Likewise for the memory of predictions, which ``PredictionMemoryHook`` sets.
        self.predictions: Any = None
        self.predicted: tuple[Sequence[int], Tensor] | None = None
        #: Called with every mix of a training step, while it is set; hooks that look at mixed batches use it.
        self.on_mix: Callable[[Mix], None] | None = None
        #: What parts learn beside the network.
        self.learned = Learned()
        self._step: Step | None = None
        self._coins = CommonCoins()
        #: Where this step's coins of the whole batch come from; None for torch's own.
        self.coins: torch.Generator | None = None
        self.data_preprocessor.register_forward_pre_hook(self._adopt)
        self.data_preprocessor.register_forward_hook(mark_fresh)
        self._adopt()
        if getattr(self.head, 'clean_pass', None) == 'lowres':
            check_scale(self, self.head.clean_scale, type(self.head).__name__)
        self.learned.close()

    def loss(self, inputs: Tensor, data_samples: Sequence[DataSample]) -> dict[str, Tensor]:
        """Mix a batch and calculate the losses.

        Args:
            inputs (Tensor): ``(N, C, H, W)`` preprocessed clean images.
            data_samples (Sequence[DataSample]): Their annotations; ``gt_score``, or else ``gt_label``, is the label.

        Returns:
            dict[str, Tensor]: Losses, and scalars for the log.

        Raises:
            TypeError: If the samples are of several tasks.
            ValueError: If labels are missing, ambiguous or of a wrong width.
            RuntimeError: If the preprocessor made this batch and it was mixed already, in place: it is given to `loss`
                once.
        """
        scores = scores_of(data_samples, self.num_classes, inputs.device)
        recipe = self.recipe if self.training else None
        self.coins = None if recipe is None else self._coins.of_step(self.head, recipe)
        augment = None if recipe is None else recipe.choose(self.coins)
        if self.training:
            self.learned.begin_step(self)
        self._step = Step(self, inputs, scores, data_samples, augment, take_fresh(inputs))
        try:
            return self._loss(self._step)
        finally:
            self._step = self.coins = None

    def _loss(self, step: Step) -> dict[str, Tensor]:
        mix = step.mix()
        clean = step.clean_pass_for_head(mix)
        with listening(step) as listeners:
            # A compiled network would not notice hooks that come and go.
            run = torch.compiler.disable(self.extract_feat) if listeners.any else self.extract_feat
            feats = run(step.going_in(mix))
        mix = listeners.retell(mix, lambda: self.head(feats))
        if self.on_mix is not None and not step.foreign:
            self.on_mix(mix)
        losses, logits = self._head_losses(feats, mix, clean)
        for losses_of in listeners.learners:
            losses = {**losses, **losses_of(mix, logits)}
        losses = {**losses, **rated(self.head, logits, mix.scores)}
        if step.foreign:
            return losses
        self.observed = observe(step, self.mixers(), mix, logits, self.hard_table is not None)
        if self.predictions is not None:
            self.predicted = predictions(mix, logits, step, self.predictions)
        return {**losses, 'lam': mix.lam.mean(), 'mixed': (mix.lam < 1).float().mean()}

    def _head_losses(
        self, feats: tuple, mix: Mix, clean: CleanPass | Remembered | None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The losses of the head, and the logits that it worked them out from."""
        with recorded_logits(self.head) as outputs:
            if hasattr(self.head, 'loss_mix'):
                refuse_own_group(self.head)
                losses = self.head.loss_mix(feats, mix, clean)
            else:
                losses = self.head.loss(feats, soft_samples(mix.scores))
        # Behind the logits of the images may come those of their views.
        return losses, outputs.pop()[: len(mix.scores)]

    # ------------------------------------------------------------------------------------------------------- the mixers

    @property
    def recipe(self) -> Recipe | None:
        """The mixers in force, which ``SwitchRecipeHook`` may exchange during training."""
        self._adopt()
        return getattr(self.data_preprocessor, 'batch_augments', None)

    def mixers(self) -> Iterator[Mixer]:
        """All mixers in force."""
        recipe = self.recipe
        if recipe is not None:
            yield from recipe.mixers()

    def _adopt(self, *_: Any) -> None:
        """Turn batch augmentations that someone gave the preprocessor into a recipe of ours."""
        given = getattr(self.data_preprocessor, 'batch_augments', None)
        if given is not None and not isinstance(given, Recipe):
            self.data_preprocessor.batch_augments = adopt(given, self)

    # --------------------------------------------------------------------------------- what parts may ask during a step

    @property
    def mixer(self) -> Mixer | None:
        """The mixer of this step, None without one and between steps; asked by parts with losses of their own."""
        return None if self._step is None else self._step.mixer

    def open_pool(self, pool: Tensor, pool_scores: Tensor) -> None:
        """Called by a mixer that drew its partners: the clean pass may have to cover more than the batch."""
        if self._step is not None:
            self._step.pool, self._step.pool_scores = pool, pool_scores

    def clean_pass(self, of_pool: bool = False) -> CleanPass:
        """The network's view of the clean batch, or of the whole pool where the head or the caller wants it.

        Args:
            of_pool (bool): Whether the caller wants all rows of the pool. Defaults to False.
        """
        return self._running('There is a clean pass').clean_pass(of_pool)

    def clean_pass_of(self, images: Tensor, scale: float = 1.0) -> CleanPass | None:
        """The step's clean pass if these images are its batch or its pool, else None; asked by guides.

        Args:
            images (Tensor): ``(N, C, H, W)``.
            scale (float): The fraction of the resolution at which the guide looks; a pass at another one is not given.
                Defaults to 1.0.
        """
        return None if self._step is None else self._step.clean_pass_of(images, scale)

    def clean_views(self, images: Tensor) -> Tensor:
        """The clean views that came along with augmented images, preprocessed as these were; asked by ``KeepPaste``.

        Args:
            images (Tensor): ``(N, C, H, W)`` the augmented batch.

        Returns:
            Tensor: Of the same shape and dtype.

        Raises:
            ValueError: If a sample has no clean view, or one of another shape.
        """
        return self._running('There are clean views').clean_views(images)

    def _running(self, what: str) -> Step:
        if self._step is None:
            raise RuntimeError(f'{what} only inside MixClassifier.loss().')
        return self._step
